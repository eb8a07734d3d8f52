"""Description of a spec: per module and field what is kept in step, which way, for what reason.

The reasons are those of the spec's author (the comment above a module or a field map) beside those of the
connectors (a field that is read-only, fixed once made, a state).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from syncline.connect.contract import Field, RemoteModule
from syncline.mapping.fields import field_at
from syncline.mapping.paths import parse_path
from syncline.run.workspace import Workspace
from syncline.spec.model import Direction, FieldMap, Module
from syncline.spec.problems import Place
from syncline.spec.source import Source

_ARROWS = {"both": "↔", "none": "≟"}
_NOTE = "yaml-language-server"


class _End(Struct, frozen=True):
    system: str
    title: str
    fields: RemoteModule

    def field(self, path: str | None) -> Field | None:
        return None if path is None else field_at(self.fields, parse_path(path))


def describe(workspace: Workspace, only: Sequence[str] = ()) -> dict[str, Any]:
    """What a spec keeps in step; no remote and no state is asked.

    ``spec``; ``about``: the first paragraph of the comment that its file begins with; ``systems``: by name,
    the connector's title; ``modules`` (or ``only`` these): by name ``between`` (the remote module by system),
    ``enabled``, ``direction``, ``about`` (the comment above it), ``conflicts`` (who is believed), ``deletes``
    (the rule by system), ``where`` (by system) and ``fields``: each with ``name`` (``lines.price`` inside a
    list), ``ends`` (by system the path, or null), ``direction`` (``both``, ``crm -> books`` or ``none``) and
    ``why`` (sentences). Raises SpecError, and SynclineError for a module that the spec does not have.
    """
    spec = workspace.spec
    sources = workspace.loaded.sources
    modules = [workspace.module(name) for name in only] if only else list(spec.modules.values())
    return {
        "spec": spec.name,
        "about": _opening(sources[spec.place.file]) if spec.place.file in sources else "",
        "systems": {
            name: workspace.connector(system).title or system.connector
            for name, system in spec.systems.items()
        },
        "modules": {module.name: _module(workspace, module, sources) for module in modules},
    }


def _module(workspace: Workspace, module: Module, sources: Mapping[str, Source]) -> dict[str, Any]:
    ends = []
    for end in (module.left, module.right):
        title = workspace.connector(workspace.system(end.system)).title
        ends.append(_End(end.system, title, workspace.remote_module(end)))
    return {
        "between": {end.system: end.module for end in (module.left, module.right)},
        "enabled": module.enabled,
        "direction": _direction(module.direction, module.systems),
        "about": _comment(sources, [module.place]),
        "conflicts": module.conflicts.prefer,
        "deletes": {system: str(rule) for system, rule in module.deletes.items()},
        "where": {system: rule.source for system, rule in module.where.items()},
        "fields": list(_fields(module.fields.values(), (ends[0], ends[1]), sources)),
    }


def _fields(
    maps: Any, ends: tuple[_End, _End], sources: Mapping[str, Source], inside: str = ""
) -> Iterator[dict[str, Any]]:
    fmap: FieldMap
    for fmap in maps:
        systems = (ends[0].system, ends[1].system)
        fields = tuple(end.field(path) for end, path in zip(ends, (fmap.left, fmap.right), strict=True))
        comment = _comment(sources, [fmap.place, *fmap.places.values()])
        yield {
            "name": inside + fmap.name,
            "ends": dict(zip(systems, (fmap.left, fmap.right), strict=True)),
            "direction": _direction(fmap.direction, systems),
            "why": [*([comment] if comment else []), *_reasons(fmap, ends, fields)],
        }
        if fmap.each is not None and fields[0] is not None and fields[1] is not None:
            items = tuple(
                _End(end.system, end.title, RemoteModule(name=field.name, fields=field.fields))
                for end, field in zip(ends, fields, strict=True)
                if field is not None
            )
            yield from _fields(fmap.each.values(), (items[0], items[1]), sources, f"{inside}{fmap.name}.")


def _reasons(fmap: FieldMap, ends: tuple[_End, _End], fields: tuple[Field | None, ...]) -> Iterator[str]:
    """What the map and the connectors' catalogues say of a field, a sentence each."""
    systems = (ends[0].system, ends[1].system)
    if fmap.direction is Direction.NONE:
        apart = f" by more than {fmap.tolerance}" if fmap.tolerance is not None else ""
        yield f"Only compared; told as drift where they differ{apart}."
    if fmap.direction in (Direction.TO_LEFT, Direction.TO_RIGHT):
        target = 0 if fmap.direction is Direction.TO_LEFT else 1
        source = 1 - target
        there = fields[source]
        if (fmap.left, fmap.right)[source] is None:
            yield f"Worked out from the whole record of {systems[source]}."
        elif there is not None and there.read_only:
            yield f"{ends[source].title} sets it itself: it is read-only there."
        if fmap.enforce:
            yield f"An edit in {systems[target]} is put back."
    elif fmap.enforce:
        yield "What cannot follow is put back."
    for end, field in zip(ends, fields, strict=True):
        if field is not None and field.create_only:
            yield f"Fixed in {end.title} once the record is made."
        if field is not None and field.moves is not None:
            yield f"A state of {end.title}: it takes only what can follow."
    if fmap.ref is not None:
        yield f"Translated through the links of `{fmap.ref}`."
    if fmap.values is not None:
        yield "Translated by a list of values."
    elif fmap.to and fmap.left is not None and fmap.right is not None:
        yield "Converted on its way."
    if fmap.conflicts is not None:
        yield f"In a conflict: {fmap.conflicts.prefer}."


def _direction(direction: Direction, systems: tuple[str, str]) -> str:
    left, right = systems
    return {
        Direction.BOTH: "both",
        Direction.TO_RIGHT: f"{left} -> {right}",
        Direction.TO_LEFT: f"{right} -> {left}",
        Direction.NONE: "none",
    }[direction]


# --- what the author says ------------------------------------------------------------------------


def _comment(sources: Mapping[str, Source], places: Sequence[Place]) -> str:
    """The comment right above one of these places, the first that has one, as one paragraph."""
    for place in places:
        source = sources.get(place.file)
        if source is None:
            continue
        above = []
        number = place.line - 1
        while (text := source.line(number).strip()).startswith("#"):
            above.append(text.lstrip("#").strip())
            number -= 1
        if words := " ".join(line for line in reversed(above) if line):
            return words
    return ""


def _opening(source: Source) -> str:
    """The first paragraph of the comment at the top of a file."""
    found: list[str] = []
    for number in range(1, source.lines + 1):
        text = source.line(number).strip()
        if not text and not found:
            continue
        if not text.startswith("#"):
            break
        words = text.lstrip("#").strip()
        if _NOTE in words:
            continue
        if not words and found:
            break
        found += [words] if words else []
    return " ".join(found)


# --- as a page -----------------------------------------------------------------------------------


def as_markdown(told: Mapping[str, Any], seen: dict[str, str] | None = None) -> str:
    """A description as a chapter of Markdown: a table for each module.

    ``seen``: the chapters of earlier specs on the same page, by what they say; a module of which one says the
    very same is only referred to.
    """
    lines = [f"## {told['spec']}", ""]
    if told["about"]:
        lines += [told["about"], ""]
    roles = ", ".join(f"`{name}` is {title}" for name, title in told["systems"].items())
    lines += [f"Systems: {roles}.", ""]
    same: dict[str, list[str]] = {}
    for name, module in told["modules"].items():
        chapter = "\n".join(_chapter(name, module))
        before = None if seen is None else seen.setdefault(chapter, told["spec"])
        if before in (None, told["spec"]):
            lines += [chapter, ""]
        else:
            same.setdefault(str(before), []).append(f"`{name}`")
    for spec, names in same.items():
        lines += [f"As in [{spec}](#{spec}): {', '.join(names)}.", ""]
    return "\n".join(lines)


def _chapter(name: str, module: Mapping[str, Any]) -> Iterator[str]:
    (left, left_module), (right, right_module) = module["between"].items()
    yield f"### {name}: {left} {left_module} {_arrow(module['direction'], left)} {right} {right_module}"
    yield ""
    told = [module["about"]] if module["about"] else []
    if not module["enabled"]:
        told.append("**Off** until the spec says `enabled: true`.")
    for system, rule in module["where"].items():
        told.append(f"Of {system}, only records for which `{' '.join(rule.split())}`.")
    believed = module["conflicts"]
    told.append(
        "In a conflict a person is asked."
        if believed == "ask"
        else f"In a conflict {'the later edit' if believed == 'newest' else believed} wins."
    )
    rules = [f"{system} {rule}" for system, rule in module["deletes"].items() if rule != "ignore"]
    told.append(
        f"What ends at the other end: {', '.join(rules)}."
        if rules
        else "What ends at one end stays at the other."
    )
    yield " ".join(told)
    yield ""
    yield f"| map | {left} | | {right} | why |"
    yield "| --- | --- | :-: | --- | --- |"
    for fmap in module["fields"]:
        paths = [f"`{path}`" if path else "" for path in fmap["ends"].values()]
        why = " ".join(_sentence(text) for text in fmap["why"])
        cells = [f"`{fmap['name']}`", paths[0], _arrow(fmap["direction"], left), paths[1], why]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _arrow(direction: str, left: str) -> str:
    return _ARROWS.get(direction) or ("→" if direction.startswith(f"{left} ->") else "←")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
