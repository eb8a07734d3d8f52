"""Whether a module's field maps fit the fields at its two ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from syncline.connect.contract import Field, FieldType, RemoteModule
from syncline.mapping.expressions import Expressions
from syncline.mapping.fields import field_at, stray_step
from syncline.mapping.paths import Path, PathError, parse_path
from syncline.spec.model import Direction, Expression, FieldMap, MatchKey, Module, Spec
from syncline.spec.nearest import did_you_mean, nearest
from syncline.spec.parse import flows_to
from syncline.spec.problems import Place, Problem, Severity

_SHOWN_CHOICES = 6
_TEXTUAL = (FieldType.TEXT, FieldType.CHOICE)
_NESTED = (FieldType.OBJECT, FieldType.LIST)

#: What a map that is named for a document's money can hold.
_RECKONED: Mapping[str, Sequence[FieldType]] = {
    "date": (FieldType.DATE, FieldType.INSTANT),
    "total": (FieldType.DECIMAL, FieldType.INTEGER),
    "open": (FieldType.DECIMAL, FieldType.INTEGER),
    "rate": (FieldType.DECIMAL, FieldType.INTEGER),
    "currency": _TEXTUAL,
}

Remotes = tuple[RemoteModule | None, RemoteModule | None]


class _Ends(Struct, frozen=True):
    """A map's two paths with the fields they lead to; ``trail``: the fields on the way, the last one
    included."""

    paths: tuple[Path | None, Path | None]
    trails: tuple[tuple[Field, ...], tuple[Field, ...]]

    def field(self, side: int) -> Field | None:
        return self.trails[side][-1] if self.trails[side] else None


class MapChecks(Struct):
    """The checks of one module. ``remotes``: its two ends, declared fields included; ``None`` for an end
    whose remote module is not known, of which nothing is said."""

    spec: Spec
    module: Module
    remotes: Remotes
    expressions: Expressions
    _found: list[Problem] = field(default_factory=list)
    _ends: dict[str, _Ends] = field(default_factory=dict)
    _lists: tuple[str, str] = ("", "")

    def problems(self, *, complete: bool) -> list[Problem]:
        """Everything wrong with the maps, match rules and expressions; ``complete``: no map is left out, so
        what nothing sets can be told."""
        self._found = []
        for fmap in self.module.fields.values():
            self._check_map(fmap, self.remotes)
            if fmap.each is not None:
                self._check_items(fmap, complete=complete)
        self._check_overlaps(self.module.fields.values())
        if complete:
            for side in (0, 1):
                self._check_required(side)
        for rule in self.module.match:
            self._check_key(rule.left, 0)
            self._check_key(rule.right, 1)
        for left, right in self.module.likely.block if self.module.likely is not None else ():
            self._check_key(left, 0)
            self._check_key(right, 1)
        self._check_reckoning()
        void = self.module.reconcile.void if self.module.reconcile else {}
        names = ("record", "record_id", "today")
        for wheres in (self.module.where, self.module.recheck, void):
            for system, expression in wheres.items():
                self._check_expression(expression, self._side(system), self.remotes, only=names)
        for system, expression in self.module.creates.items():
            self._check_expression(expression, 1 - self._side(system), self.remotes, only=names)
        return self._found

    def _check_reckoning(self) -> None:
        """Whether the maps that are named for a document's money hold what they are named for."""
        reckoning = self.module.reconcile
        for what, name in (reckoning.maps if reckoning else {}).items():
            fmap, ends = self.module.fields.get(name), self._ends.get(name)
            if reckoning is None or fmap is None or ends is None or fmap.to:
                continue
            fields = (field for side in (0, 1) if (field := ends.field(side)) is not None)
            wrong = next((field for field in fields if field.type not in _RECKONED[what]), None)
            if wrong is not None and fmap.each is None:
                kinds = " or ".join(kind.value for kind in _RECKONED[what])
                self._report(
                    reckoning.places[what],
                    "wrong-value",
                    f"{name} cannot be the {what}: {wrong.name} is {wrong.type.value}, not {kinds}",
                    f"name a field map of {kinds} as {what}",
                )

    # --- helpers ---------------------------------------------------------------------------------

    @property
    def _systems(self) -> tuple[str, str]:
        return (self.module.left.system, self.module.right.system)

    def _side(self, system: str) -> int:
        return 0 if system == self.module.left.system else 1

    def _report(
        self, place: Place, code: str, message: str, suggestion: str = "", severity: Severity = Severity.ERROR
    ) -> None:
        self._found.append(
            Problem(place=place, code=code, message=message, suggestion=suggestion, severity=severity)
        )

    def _path_place(self, fmap: FieldMap, side: int, offset: int = 0) -> Place:
        start = fmap.places.get(self._systems[side], fmap.place)
        return Place(start.file, start.line, start.column + offset)

    def _where(self, side: int, name: str) -> str:
        end = (self.module.left, self.module.right)[side]
        return f"{end.system}.{end.module}.{self._lists[side]}{name}"

    # --- one map ---------------------------------------------------------------------------------

    def _check_map(self, fmap: FieldMap, remotes: Remotes, label: str = "") -> None:
        ends = self._resolve(fmap, remotes)
        self._ends[label + fmap.name] = ends
        for side in (0, 1):
            if flows_to(fmap.direction, side):
                self._check_target(fmap, side, ends)
        for system, expression in fmap.to.items():
            source = 1 - self._side(system)
            computed = (fmap.left, fmap.right)[source] is None
            allowed = ["value"] * (not computed) + ["record", "record_id", "today"] + ["parent"] * bool(label)
            self._check_expression(expression, source, remotes, only=allowed, parents=bool(label))
        for system, expression in fmap.taken.items():
            allowed = ["value", "record", "record_id", "today"]
            self._check_expression(expression, 1 - self._side(system), remotes, only=allowed)
        left, right = ends.field(0), ends.field(1)
        states = any(end is not None and end.moves is not None for end in (left, right))
        if fmap.enforce and fmap.direction is Direction.BOTH and not states and None not in remotes:
            self._report(
                fmap.places.get("enforce", fmap.place),
                "enforce-two-way",
                "enforce puts a source's value back; in a two-way map either end may be right",
                f'add direction: "{self._systems[0]} -> {self._systems[1]}", or drop enforce',
            )
        if fmap.ref is not None:
            self._check_reference(fmap, ends)
        elif left is not None and right is not None and fmap.each is None:
            self._check_kinds(fmap, left, right)
        if fmap.each is not None:
            for side in (0, 1):
                self._check_list(fmap, side, ends.field(side))
        for side in (0, 1):
            if flows_to(fmap.direction, side) and fmap.ref is None and self._systems[side] not in fmap.to:
                self._check_choices(fmap, ends.field(1 - side), ends.field(side), side)
                self._check_length(fmap, ends.field(1 - side), ends.field(side), side)

    def _resolve(self, fmap: FieldMap, remotes: Remotes) -> _Ends:
        paths: list[Path | None] = []
        trails: list[tuple[Field, ...]] = []
        for side, text in enumerate((fmap.left, fmap.right)):
            path, trail = self._follow(text, remotes[side], side, self._path_place(fmap, side))
            paths.append(path)
            trails.append(trail)
        return _Ends((paths[0], paths[1]), (trails[0], trails[1]))

    def _follow(
        self, text: str | None, remote: RemoteModule | None, side: int, start: Place
    ) -> tuple[Path | None, tuple[Field, ...]]:
        """A path read and followed through the fields of an end; what is wrong with it is reported."""
        if text is None or "${" in text:  # the environment is out of place here; the grammar has told so
            return None, ()
        try:
            path = parse_path(text)
        except PathError as bad:
            place = Place(start.file, start.line, start.column + bad.offset)
            self._report(
                place,
                "bad-path",
                f"{text[:60]!r} is not a path: {bad.message}",
                "Name, Contact.Name or Phones[PhoneType=DEFAULT].PhoneNumber",
            )
            return None, ()
        if remote is None or not remote.fields:
            return path, ()
        if field_at(remote, path) is None:
            self._unknown_field(path, remote, side, start)
            return path, ()
        trail: list[Field] = []
        fields = remote.fields
        for step in path.steps:
            here = next(each for each in fields if each.name == step.name)
            trail.append(here)
            fields = here.fields
        return path, tuple(trail)

    def _unknown_field(self, path: Path, remote: RemoteModule, side: int, start: Place) -> None:
        index, names = stray_step(remote, path)
        step = path.steps[index]
        place = Place(start.file, start.line, start.column + step.offset)
        if step.name not in names:
            inside = f"{remote.name}.{'.'.join(each.name for each in path.steps[:index])}".rstrip(".")
            message = f"{self._systems[side]}.{inside} has no field {step.name}"
            near = did_you_mean(step.name, names, what="fields")
            own = f"declare it under systems.{self._systems[side]}.fields" if index == 0 else ""
            if step.name in self.spec.systems[self._systems[side]].fields.get(remote.name, {}):
                near, own = "", "the spec declares it: make it in the system, or drop the map"
            self._report(place, "unknown-field", message, near or own)
            return
        fields = remote.fields
        for each in path.steps[:index]:
            fields = next(field.fields for field in fields if field.name == each.name)
        here = next(field for field in fields if field.name == step.name)
        if here.item_key is not None:
            found = f"by {step.item_key}" if step.item_key else "without saying which"
            self._report(
                place,
                "unknown-field",
                f"an item of {step.name} is taken by its {here.item_key}, not {found}",
                f"{step.name}[{here.item_key}=…]",
            )
        else:
            message = f"{step.name} is no list whose items have a key, so [{step.item_key}=…] picks nothing"
            self._report(place, "unknown-field", message, f"write {step.name} alone")

    def _check_target(self, fmap: FieldMap, side: int, ends: _Ends) -> None:
        """What is written must be something that can be written."""
        for here in ends.trails[side]:
            if here.read_only:
                source, target = self._systems[1 - side], self._systems[side]
                one_way = f'direction: "{target} -> {source}"' if (fmap.left and fmap.right) else ""
                self._report(
                    self._path_place(fmap, side),
                    "read-only-field",
                    f"{fmap.name} writes {self._where(side, here.name)}, which nobody but the remote can",
                    one_way or "store the value in another field",
                )
                return

    def _check_reference(self, fmap: FieldMap, ends: _Ends) -> None:
        other = self.spec.modules.get(fmap.ref or "")
        for side in (0, 1):
            here = ends.field(side)
            if here is None:
                continue
            if here.type is not FieldType.REFERENCE:
                self._report(
                    self._path_place(fmap, side),
                    "not-a-reference",
                    f"{self._where(side, here.name)} holds {_kind(here)}, so it cannot refer to {fmap.ref}",
                    "drop ref, or map the field that refers to the other record",
                )
            elif other is not None and here.reference is not None and here.reference.module:
                wanted = other.end(self._systems[side]).module
                if here.reference.module != wanted:
                    self._report(
                        self._path_place(fmap, side),
                        "wrong-reference",
                        f"{self._where(side, here.name)} refers to {here.reference.module},"
                        f" but {fmap.ref} keeps {wanted} in step",
                        self._module_of(side, here.reference.module),
                    )

    def _module_of(self, side: int, remote: str) -> str:
        for module in self.spec.modules.values():
            end = module.end(self._systems[side])
            if end.system == self._systems[side] and end.module == remote:
                return f"ref: {module.name}"
        return "refer to a module that keeps it in step"

    def _check_kinds(self, fmap: FieldMap, left: Field, right: Field) -> None:
        """Values of kinds that never become one another without a transform."""
        if fmap.values is not None:
            return
        missing = [
            side for side in (0, 1) if flows_to(fmap.direction, side) and self._systems[side] not in fmap.to
        ]
        if not missing:
            return
        if left.type is FieldType.REFERENCE and right.type is FieldType.REFERENCE:
            self._report(
                fmap.place,
                "missing-ref",
                f"{fmap.name} maps two references: the id of a record means nothing at the other end",
                "add ref: and the module that keeps those records in step",
            )
            return
        for side in missing:
            source, target = (right, left) if side == 0 else (left, right)
            fault = _misfit(source, target)
            if fault:
                self._report(
                    self._path_place(fmap, side),
                    "type-mismatch",
                    f"{self._where(1 - side, source.name)} holds {_kind(source)},"
                    f" {self._where(side, target.name)} takes {_kind(target)}",
                    fault.format(system=self._systems[side]),
                )
                return

    def _check_choices(self, fmap: FieldMap, source: Field | None, target: Field | None, side: int) -> None:
        if fmap.values is not None:
            self._check_pairs(fmap, source, target, side)
            return
        if source is None or target is None or source.choices is None or target.choices is None:
            return
        lacking = [choice for choice in source.choices if choice not in target.choices]
        if lacking:
            self._report(
                self._path_place(fmap, side),
                "unknown-choice",
                f"{self._where(side, target.name)} does not take {_listed(lacking)},"
                f" which {self._where(1 - side, source.name)} can hold",
                f"add them there, or values: with a pair for each; it takes {_listed(target.choices)}",
            )

    def _check_pairs(self, fmap: FieldMap, source: Field | None, target: Field | None, side: int) -> None:
        assert fmap.values is not None
        system = self._systems[side]
        if target is not None and target.choices is not None:
            for index, pair in enumerate(fmap.values):
                if isinstance(pair[side], str) and pair[side] not in target.choices:
                    self._report(
                        fmap.places.get(f"values.{index}.{system}", fmap.place),
                        "unknown-choice",
                        f"{self._where(side, target.name)} does not take {pair[side]!r}",
                        did_you_mean(pair[side], target.choices, what="it takes"),
                    )
        if source is not None and source.choices is not None:
            paired = {pair[1 - side] for pair in fmap.values}
            lacking = [choice for choice in source.choices if choice not in paired]
            if lacking:
                self._report(
                    fmap.places.get("values", fmap.place),
                    "unpaired-choice",
                    f"{self._where(1 - side, source.name)} can hold {_listed(lacking)},"
                    f" which no pair translates for {system}: such a record will fail",
                    "add a pair for each",
                    Severity.WARNING,
                )

    def _check_length(self, fmap: FieldMap, source: Field | None, target: Field | None, side: int) -> None:
        if source is None or target is None or fmap.values is not None:
            return
        if source.type is not FieldType.TEXT or target.type is not FieldType.TEXT:
            return
        if source.max_length is None or target.max_length is None or source.max_length <= target.max_length:
            return
        self._report(
            self._path_place(fmap, side),
            "too-long",
            f"{self._where(side, target.name)} takes {target.max_length} characters,"
            f" {self._where(1 - side, source.name)} can hold {source.max_length}: a longer text will fail",
            self._shorten(fmap, side, target.max_length),
            Severity.NOTE,
        )

    def _shorten(self, fmap: FieldMap, side: int, length: int) -> str:
        parts = [f'{self._systems[side]}: "{{{{ value | truncate({length}) }}}}"']
        if flows_to(fmap.direction, 1 - side):  # a two-way map has a transform for both ways or for none
            parts.append(f'{self._systems[1 - side]}: "{{{{ value }}}}"')
        return f"shorten it: to: {{{', '.join(parts)}}}"

    # --- lists -----------------------------------------------------------------------------------

    def _check_list(self, fmap: FieldMap, side: int, here: Field | None) -> None:
        if here is not None and here.type is not FieldType.LIST:
            self._report(
                self._path_place(fmap, side),
                "type-mismatch",
                f"each maps the items of a list, but {self._where(side, here.name)} holds {_kind(here)}",
                "drop each, or map a list",
            )

    def _check_items(self, fmap: FieldMap, *, complete: bool) -> None:
        assert fmap.each is not None
        ends = self._ends[fmap.name]
        remotes: list[RemoteModule | None] = []
        for side in (0, 1):
            here = ends.field(side)
            usable = here is not None and here.type is FieldType.LIST and here.fields
            remotes.append(RemoteModule(name=here.name, fields=here.fields) if here and usable else None)
        pair = (remotes[0], remotes[1])
        self._lists = (f"{fmap.left}.", f"{fmap.right}.")
        for sub in fmap.each.values():
            self._check_map(sub, pair, label=f"{fmap.name}.")
        self._check_overlaps(fmap.each.values(), f"{fmap.name}.")
        self._lists = ("", "")
        if not complete:
            return
        for side in (0, 1):
            remote = remotes[side]
            if remote is not None and flows_to(fmap.direction, side):
                written = self._roots(fmap.each.values(), remote, side, f"{fmap.name}.")
                self._report_unset(remote, written, side, fmap.place, f"each item of {fmap.name}")

    # --- the maps together -----------------------------------------------------------------------

    def _check_overlaps(self, maps: Iterable[FieldMap], label: str = "") -> None:
        """Two maps that write one field would overwrite each other."""
        for side in (0, 1):
            writers: list[tuple[tuple[tuple[str, str | None], ...], FieldMap]] = []
            for fmap in maps:
                path = self._ends[label + fmap.name].paths[side]
                if path is None or not flows_to(fmap.direction, side):
                    continue
                steps = tuple((step.name, step.item) for step in path.steps)
                for other, first in writers:
                    if steps[: len(other)] == other or other[: len(steps)] == steps:
                        self._report(
                            self._path_place(fmap, side),
                            "written-twice",
                            f"{fmap.name} and {first.name} both write {self._where(side, path.text)}",
                            "drop one of them, or make one flow the other way",
                        )
                        break
                writers.append((steps, fmap))

    def _roots(self, maps: Iterable[FieldMap], remote: RemoteModule, side: int, label: str = "") -> set[str]:
        """The top-level fields that some map writes; a misspelt one counts as what is probably meant."""
        names = [each.name for each in remote.fields]
        ends = [self._ends[label + fmap.name] for fmap in maps if flows_to(fmap.direction, side)]
        roots = {path.root for each in ends if (path := each.paths[side]) is not None}
        return roots | {near for root in roots - set(names) if (near := nearest(root, names)) is not None}

    def _check_required(self, side: int) -> None:
        remote = self.remotes[side]
        if (
            remote is None
            or not flows_to(self.module.direction, side)
            or not remote.capabilities.create_batch
        ):
            return
        written = self._roots(self.module.fields.values(), remote, side)
        end = (self.module.left, self.module.right)[side]
        self._report_unset(
            remote, written, side, self.module.place, f"a new record of {end.system}.{end.module}"
        )

    def _report_unset(
        self, remote: RemoteModule, written: set[str], side: int, place: Place, what: str
    ) -> None:
        for each in remote.fields:
            if each.required and not each.read_only and each.name not in written:
                self._report(
                    place,
                    "required-field",
                    f"{what} needs {each.name}, which no map sets",
                    f"add a map with {self._systems[side]}: {each.name}",
                )

    # --- match rules and expressions -------------------------------------------------------------

    def _check_key(self, key: MatchKey, side: int) -> None:
        _, trail = self._follow(key.path, self.remotes[side], side, key.place)
        if trail and trail[-1].type in _NESTED:
            self._report(
                key.place,
                "type-mismatch",
                f"a match rule compares single values, not {_kind(trail[-1])}",
                "match on a field inside it",
            )
        for index, name in enumerate(key.filters):
            if name not in self.expressions.filter_names:
                self._report(
                    key.filter_places[index] if index < len(key.filter_places) else key.place,
                    "unknown-filter",
                    f"there is no filter {name}",
                    did_you_mean(name, self.expressions.filter_names),
                )
                continue
            given = key.arguments[index] if index < len(key.arguments) else ()
            if fault := self.expressions.check_arguments(name, given):
                self._report(key.filter_places[index], "bad-match", fault)

    def _check_expression(
        self,
        expression: Expression,
        source: int,
        remotes: Remotes,
        *,
        only: Sequence[str],
        parents: bool = False,
    ) -> None:
        """An expression over the record of the end ``source``; ``only``: the names that mean something
        here."""
        text = expression.source
        faults = self.expressions.check(text)
        for fault in faults:
            found = re.match(r"unknown (name|filter|test)", fault.message)
            self._report(
                expression.at(fault.offset),
                f"unknown-{found[1]}" if found else "bad-expression",
                fault.message.rstrip("."),
                fault.suggestion,
            )
        if faults:
            return
        for name in sorted(self.expressions.names_in(text) - set(only)):
            self._report(
                expression.at(_word(text, name)),
                "unknown-name",
                f"{name} has no value here",
                f"known here: {', '.join(only)}",
            )
        remote = remotes[source]
        if remote is None or not remote.fields:
            return
        known = {each.name for each in remote.fields}
        outer = self.remotes[source]
        if parents and outer is not None:
            known |= {each.name for each in outer.fields}
        named = self.expressions.record_fields(text) or frozenset()  # None: the record as a whole
        for name in sorted(named - known):
            self._report(
                expression.at(_word(text, name)),
                "unknown-field",
                f"{self._systems[source]}.{remote.name} has no field {name}",
                did_you_mean(name, known, what="fields"),
            )


def _word(text: str, word: str) -> int:
    found = re.search(rf"(?<![\w$]){re.escape(word)}(?![\w$])", text)
    return found.start() if found else 0


def _kind(field: Field) -> str:
    """What a field holds, for people."""
    words = {
        FieldType.TEXT: "text",
        FieldType.INTEGER: "a whole number",
        FieldType.DECIMAL: "a number",
        FieldType.BOOLEAN: "true or false",
        FieldType.DATE: "a date",
        FieldType.INSTANT: "an instant",
        FieldType.CHOICE: "one of its choices",
        FieldType.REFERENCE: "a reference",
        FieldType.OBJECT: "a group of fields",
        FieldType.LIST: "a list",
    }
    return words[field.type]


def _misfit(source: Field, target: Field) -> str:
    """How to mend a value of ``source`` that ``target`` can never take as it is; empty when it can."""
    if source.type is target.type:
        return ""
    if source.type in _NESTED or target.type in _NESTED:
        if source.type is FieldType.LIST and target.type is FieldType.LIST:
            return ""
        return "map a field inside it, or add to: {{{system}: …}}"
    if target.type is FieldType.REFERENCE:
        return "map a reference with ref:, or add to: {{{system}: …}}"
    if target.type is FieldType.BOOLEAN:
        return "add values:, or to: {{{system}: …}}"
    if source.type is FieldType.BOOLEAN and target.type not in _TEXTUAL:
        return "add values:, or to: {{{system}: …}}"
    if target.type is FieldType.DATE and source.type is FieldType.INSTANT:
        return 'take the day: to: {{{system}: "{{{{ value | day }}}}"}}'
    if target.type is FieldType.INSTANT and source.type is FieldType.DATE:
        return "a day is no instant: add to: {{{system}: …}}"
    times = (FieldType.DATE, FieldType.INSTANT)
    if target.type in times and source.type not in (*times, *_TEXTUAL):
        return "add to: {{{system}: …}}"
    numbers = (FieldType.INTEGER, FieldType.DECIMAL)
    if target.type in numbers and source.type in times:
        return "add to: {{{system}: …}}"
    return ""


def _listed(choices: Sequence[str]) -> str:
    shown = ", ".join(repr(choice) for choice in choices[:_SHOWN_CHOICES])
    more = len(choices) - _SHOWN_CHOICES
    return f"{shown} and {more} more" if more > 0 else shown
