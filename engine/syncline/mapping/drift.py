"""Drift: what the fields of the organisations, as they are now, no longer let a module do.

Fields are known by their API names, so a new label is no drift. A map whose field is gone, closed or of
another kind rests, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from syncline.connect.contract import Field, FieldType, RemoteModule
from syncline.mapping.check_maps import MapChecks
from syncline.mapping.expressions import Expressions
from syncline.mapping.fields import field_at
from syncline.mapping.paths import PathError, parse_path
from syncline.spec.model import FieldMap, Module, Spec
from syncline.spec.problems import Problem, Severity

#: The errors after which nothing sound can be read from, or written to, a field.
_STOPPING = frozenset(
    ("unknown-field", "read-only-field", "type-mismatch", "not-a-reference", "wrong-reference", "missing-ref")
)
#: Kinds that become one another without loss of meaning.
_ALIKE = ({FieldType.TEXT, FieldType.CHOICE}, {FieldType.INTEGER, FieldType.DECIMAL})

Remotes = tuple[RemoteModule, RemoteModule]


class Drift(Struct, frozen=True, kw_only=True):
    """``maps``: by name, why a map rests; ``module``: why the module as a whole cannot go on, empty when it
    can; ``notes``: what will fail for some records. Each begins with the place in the spec."""

    maps: Mapping[str, str] = field(default_factory=dict)
    module: str = ""
    notes: tuple[str, ...] = ()


def find_drift(
    spec: Spec, module: Module, known: Remotes, now: tuple[RemoteModule | None, ...], expressions: Expressions
) -> Drift:
    """``known``: the two ends as the spec was checked against; ``now``: as their organisations have them."""
    live = []
    for end, remote in zip((module.left, module.right), now, strict=True):
        if remote is None:
            return Drift(module=f"{end.place}: {end.system} no longer has the remote module {end.module}")
        live.append(remote)
    remotes = (live[0], live[1])
    if all(map(_fits, known, remotes)):
        return _NONE  # nearly always, and found out a good deal sooner

    def problems(part: Module, *, complete: bool = False) -> list[Problem]:
        return MapChecks(spec, part, remotes, expressions).problems(complete=complete)

    around = _first(problems(replace(module, fields={})))
    if around is not None:
        return Drift(module=_told(around))
    bare = replace(module, match=(), likely=None, where={}, recheck={})
    maps = {}
    for name, fmap in module.fields.items():
        found = _first(problems(replace(bare, fields={name: fmap}))) or _retyped(module, fmap, known, remotes)
        if found is not None:
            maps[name] = _told(found)
    agreeing = [name for rule in module.match for name in rule.agree]
    agreeing += [each.name for each in module.likely.evidence] if module.likely is not None else []
    needed = [name for name in agreeing if name in maps]
    if needed:
        return Drift(maps=maps, module=f"{maps[needed[0]]}; match rules cannot do without {needed[0]}")
    required = [p for p in problems(bare, complete=True) if p.code == "required-field"]
    before = {
        p.message
        for p in MapChecks(spec, bare, known, expressions).problems(complete=True)
        if p.code == "required-field"
    }
    return Drift(maps=maps, notes=tuple(_told(p) for p in required if p.message not in before))


_NONE = Drift()


def _fits(known: RemoteModule, now: RemoteModule) -> bool:
    """Whether everything that the spec was checked against is there as it was, and nothing more is needed."""
    have = {each.name: each for each in now.fields}
    needed = {each.name for each in now.fields if each.required}
    return needed <= {each.name for each in known.fields if each.required} and all(
        each.name in have and _shape(each) == _shape(have[each.name]) for each in known.fields
    )


def _shape(field: Field) -> tuple[object, ...]:
    """What a map relies on: not its label, its length or its choices."""
    inner = frozenset(map(_shape, field.fields)) if field.fields else None
    return (field.name, field.type, field.read_only, field.reference, field.item_id, field.item_key, inner)


def _first(problems: Iterable[Problem]) -> Problem | None:
    return next((p for p in problems if p.code in _STOPPING and p.severity is Severity.ERROR), None)


def _told(problem: Problem) -> str:
    return f"{problem.place}: {problem.message}"


def _retyped(module: Module, fmap: FieldMap, known: Remotes, now: Remotes) -> Problem | None:
    """A field that holds another kind of value than the spec was checked against."""
    for text, end, before, after in zip(
        (fmap.left, fmap.right), (module.left, module.right), known, now, strict=True
    ):
        fields = (_field(before, text), _field(after, text))
        if fields[0] is None or fields[1] is None or fields[0].type is fields[1].type:
            continue
        if not any({each.type for each in fields if each} <= alike for alike in _ALIKE):
            place = fmap.places.get(end.system, fmap.place)
            what = f"{end.system}.{end.module}.{text} is now {fields[1].type}, it was {fields[0].type}"
            return Problem(place=place, code="type-mismatch", message=what)
    return None


def _field(remote: RemoteModule, text: str | None) -> Field | None:
    try:
        return field_at(remote, parse_path(text)) if text is not None else None
    except PathError:
        return None
