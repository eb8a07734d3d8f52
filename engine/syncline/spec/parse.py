"""A valid document becomes a spec: names resolved, defaults filled in, what contradicts itself reported."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct, field
from msgspec.structs import replace

from syncline.spec.addresses import check_base_url
from syncline.spec.blocks import blocks_of
from syncline.spec.model import (
    ENV_NAME,
    RECKONED,
    ConflictRule,
    DeclaredField,
    DeleteRule,
    Direction,
    End,
    EnvText,
    Evidence,
    Expression,
    FieldMap,
    ItemsRule,
    LikelyRule,
    Likeness,
    Limits,
    MatchKey,
    MatchRule,
    Module,
    Reckoning,
    Schedule,
    Spec,
    System,
    Table,
)
from syncline.spec.nearest import did_you_mean
from syncline.spec.owners import with_owners
from syncline.spec.problems import Place, Problem, Severity
from syncline.spec.references import check_references
from syncline.spec.schedule import check_cron, read_interval
from syncline.spec.strays import unknown_system
from syncline.spec.tree import List, Map, Node, Path, Scalar, find, name_place, plain_data, scalars

_SYSTEM_KEYS = ("connector", "base_url", "client_id", "client_secret", "organisation", "fields")
#: Options that would both decide a value.
_CLASHES = (
    ("ref", "to"),
    ("ref", "values"),
    ("to", "values"),
    ("each", "to"),
    ("each", "values"),
    ("each", "ref"),
    ("each", "tolerance"),
)
_ARROW = re.compile(r"([A-Za-z0-9_-]+) *-> *([A-Za-z0-9_-]+)")
#: A filter of a match key: its name, and in brackets texts in quotes.
_TEXT = r"""(?:'[^'"]*'|"[^'"]*")"""
_FILTER = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)(?:\(\s*({_TEXT}(?:\s*,\s*{_TEXT})*)\s*\))?")
_QUOTED = re.compile(r"""'([^'"]*)'|"([^'"]*)\"""")


class Parsed(Struct, frozen=True):
    """The spec, without the modules and field maps that could not be read; ``hurt``: the modules that lost
    something or are gone."""

    spec: Spec
    problems: tuple[Problem, ...]
    hurt: frozenset[str]


def parse_spec(root: Map, whole: Map, file: str, environ: Mapping[str, str]) -> Parsed:
    """The spec of a document that is valid against the schema.

    ``whole``: the document before its invalid parts were taken out, so that a name which is only ill-defined
    is not called unknown. ``environ`` decides what is noted as not set; no value from it is kept.
    """
    parser = _Parser(root, whole, file, environ)
    return Parsed(parser.spec(), tuple(parser.problems), frozenset(parser.hurt))


class _Parser(Struct):
    root: Map
    whole: Map
    file: str
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    hurt: set[str] = field(default_factory=set)
    system_names: list[str] = field(default_factory=list)
    tables: dict[str, Table] = field(default_factory=dict)

    def spec(self) -> Spec:
        self._misplaced_env()
        self.system_names = self._written(("systems",))
        systems = {name: self._system(name) for name in self._entries(("systems",))}
        self.tables = {name: self._table(name) for name in self._entries(("tables",))}
        default = self._conflicts(("conflicts",), self.system_names) or ConflictRule(
            prefer="ask", place=self.root.place
        )
        modules: dict[str, Module] = {}
        for name in self._entries(("modules",)):
            module = self._module(name, default, systems)
            if module is None:
                self.hurt.add(name)
            else:
                modules[name] = module
        ruled = {name for name in modules if find(self.root, ("modules", name, "conflicts")) is not None}
        modules = with_owners(modules, ruled)
        for name, problem in check_references(modules, frozenset(self._written(("modules",)))):
            self.problems.append(problem)
            self.hurt.add(name)
        node = find(self.root, ("name",))
        return Spec(
            name=str(node.value) if isinstance(node, Scalar) else "",
            file=self.file,
            place=node.place if node is not None else self.root.place,
            systems=systems,
            modules=modules,
            schedule=self._schedule(),
            transforms=self._transforms(),
            tables=self.tables,
        )

    # --- reading the tree ------------------------------------------------------------------------

    def _entries(self, path: Path) -> list[str]:
        node = find(self.root, path)
        return list(node.entries) if isinstance(node, Map) else []

    def _written(self, path: Path) -> list[str]:
        """The keys of the map at ``path`` as the author wrote them, the ill-defined ones included."""
        node = find(self.whole, path)
        return list(node.entries) if isinstance(node, Map) else []

    def _text(self, path: Path) -> str | None:
        node = find(self.root, path)
        return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None

    def _value(self, path: Path) -> Any:
        node = find(self.root, path)
        return node.value if isinstance(node, Scalar) else None

    def _at(self, path: Path, offset: int = 0) -> Place:
        """Where the value at ``path`` begins; a map's or list's key."""
        node = find(self.root, path)
        return node.at(offset) if isinstance(node, Scalar) else name_place(self.root, path)

    def _report(
        self, place: Place, code: str, message: str, suggestion: str = "", severity: Severity = Severity.ERROR
    ) -> None:
        self.problems.append(
            Problem(place=place, code=code, message=message, suggestion=suggestion, severity=severity)
        )

    # --- systems ---------------------------------------------------------------------------------

    def _system(self, name: str) -> System:
        path: Path = ("systems", name)
        options = {
            key: self._with_env((*path, key)) for key in self._entries(path) if key not in _SYSTEM_KEYS
        }
        system = System(
            name=name,
            connector=self._text((*path, "connector")) or "",
            place=self._at((*path, "connector")),
            base_url=self._env_text((*path, "base_url")),
            client_id=self._env_text((*path, "client_id")),
            client_secret=self._env_text((*path, "client_secret")),
            organisation=self._env_text((*path, "organisation")),
            options=options,
            option_places={
                key: (name_place(self.root, (*path, key)), self._at((*path, key))) for key in options
            },
            fields={
                module: {
                    each: self._declared((*path, "fields", module, each))
                    for each in self._entries((*path, "fields", module))
                }
                for module in self._entries((*path, "fields"))
            },
        )
        if system.client_secret is not None:
            self._secret(system.client_secret)
        if system.base_url is not None and not system.base_url.unset({}):
            # An address from the environment is checked by the verb that uses it: CI may have none.
            fault = check_base_url(system.base_url.value({}))
            if fault:
                self._report(system.base_url.place, "bad-base-url", fault, "base_url: https://…")
        return system

    def _env_text(self, path: Path) -> EnvText | None:
        node = find(self.root, path)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        text = EnvText(node.value, node.at(0))
        left = ENV_NAME.sub(lambda m: " " * len(m[0]), text.raw)
        if "${" in left:
            self._report(
                node.at(left.index("${")),
                "env-syntax",
                "this is not a reference to the environment",
                "write ${env:NAME}, or ${env:NAME:-default}",
            )
        for name in text.unset(self.environ):
            self._report(
                node.at(text.raw.index("${env:" + name)),
                "env-unset",
                f"the environment variable {name} is not set; a verb that needs it will stop here",
                f"set {name}, or write a default: ${{env:{name}:-…}}",
                Severity.NOTE,
            )
        return text

    def _with_env(self, path: Path) -> Any:
        """An option's value, with every text that names the environment as EnvText."""
        node = find(self.root, path)
        if isinstance(node, Map):
            return {key: self._with_env((*path, key)) for key in node.entries}
        if isinstance(node, List):
            return [self._with_env((*path, index)) for index in range(len(node.items))]
        if isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value:
            return self._env_text(path)
        return node.value if node is not None else None

    def _secret(self, text: EnvText) -> None:
        if ENV_NAME.sub(lambda m: m[2] or "", text.raw).strip():
            self._report(
                text.place,
                "secret-in-spec",
                "a secret is written in the spec, where everybody who reads the file can see it",
                "client_secret: ${env:NAME}, and change the secret at the remote",
            )

    def _declared(self, path: Path) -> DeclaredField:
        choices = find(self.root, (*path, "choices"))
        return DeclaredField(
            name=str(path[-1]),
            place=name_place(self.root, path),
            type=self._text((*path, "type")),
            max_length=self._value((*path, "max_length")),
            required=self._value((*path, "required")),
            read_only=self._value((*path, "read_only")),
            unique=self._value((*path, "unique")),
            choices=tuple(plain_data(choices)) if choices is not None else None,
        )

    def _misplaced_env(self) -> None:
        for key, entry in self.root.entries.items():
            if key != "systems":
                for path, scalar in scalars(entry.node, (key,)):
                    self._no_env(path, scalar)
        for name in self._entries(("systems",)):
            for path in (("systems", name, "connector"), ("systems", name, "fields")):
                node = find(self.root, path)
                for below, scalar in scalars(node, path) if node is not None else ():
                    self._no_env(below, scalar)

    def _no_env(self, path: Path, scalar: Scalar) -> None:
        if isinstance(scalar.value, str) and "${env:" in scalar.value:
            self._report(
                scalar.at(scalar.value.index("${env:")),
                "env-misplaced",
                f"the environment can be named in systems only, not in {path[-1] if path else 'here'}",
                "write the value itself",
            )

    # --- the top ---------------------------------------------------------------------------------

    def _schedule(self) -> Schedule | None:
        if find(self.root, ("schedule",)) is None:
            return None
        every, cron = self._text(("schedule", "every")), self._text(("schedule", "cron"))
        timezone = self._text(("schedule", "timezone"))
        if cron is not None:
            fault = check_cron(cron)
            if fault:
                self._report(
                    self._at(("schedule", "cron"), fault[0]), "bad-schedule", fault[1], 'cron: "*/5 * * * *"'
                )
        if timezone is not None and not _is_timezone(timezone):
            self._report(
                self._at(("schedule", "timezone")),
                "bad-schedule",
                f"{timezone} is not an IANA time zone",
                did_you_mean(timezone, available_timezones()) or "timezone: Europe/London",
            )
        return Schedule(every=read_interval(every) if every else None, cron=cron, timezone=timezone)

    def _transforms(self) -> tuple[Expression, ...]:
        node = find(self.root, ("transforms",))
        items = node.items if isinstance(node, List) else ()
        return tuple(
            Expression(source=str(item.value), place=item.at(0), marks=item.marks)
            for item in items
            if isinstance(item, Scalar)
        )

    def _table(self, name: str) -> Table:
        path: Path = ("tables", name)
        rows: dict[str, dict[str, Any]] = {}
        places: dict[str, Place] = {}
        for row in self._entries((*path, "rows")):
            rows[row] = {c: self._value((*path, "rows", row, c)) for c in self._entries((*path, "rows", row))}
            places |= {f"{row}.{column}": self._at((*path, "rows", row, column)) for column in rows[row]}
        fields = {}
        for system in self._entries((*path, "fields")):
            at: Path = (*path, "fields", system)
            if system not in self.system_names:
                self.problems.append(unknown_system(system, self.system_names, self.root, at))
                continue
            fields[system] = self._text(at) or ""
            places[f"fields.{system}"] = self._at(at)
        return Table(name=name, place=name_place(self.root, path), rows=rows, fields=fields, places=places)

    def _conflicts(self, path: Path, systems: Sequence[str]) -> ConflictRule | None:
        prefer = self._text((*path, "prefer"))
        if prefer is None:
            return None
        if prefer not in (*systems, "newest", "ask"):
            self._report(
                self._at((*path, "prefer")),
                "unknown-system",
                f"prefer takes a system, newest or ask, not {prefer}",
                did_you_mean(prefer, [*systems, "newest", "ask"], what="one of"),
            )
            return None
        return ConflictRule(prefer=prefer, place=self._at((*path, "prefer")))

    # --- modules ---------------------------------------------------------------------------------

    def _module(self, name: str, default: ConflictRule, known: Mapping[str, System]) -> Module | None:
        path: Path = ("modules", name)
        before = len(self.problems)
        ends = []
        for system in self._entries((*path, "between")):
            at: Path = (*path, "between", system)
            if system not in self.system_names:
                self.problems.append(unknown_system(system, self.system_names, self.root, at))
            items = self._items((*path, "items", system))
            ends.append(End(system=system, module=self._text(at) or "", place=self._at(at), items=items))
        if len(ends) != 2 or any(end.system not in known for end in ends):
            return None
        left, right = ends
        systems = (left.system, right.system)
        direction = self._direction((*path, "direction"), systems) or Direction.BOTH
        fields: dict[str, FieldMap] = {}
        for each in self._entries((*path, "fields")):
            fmap = self._field_map((*path, "fields", each), systems, direction)
            if fmap is not None:
                fields[each] = fmap
        match = find(self.root, (*path, "match"))
        rules = [
            self._match_rule((*path, "match", index), systems, fields)
            for index in range(len(match.items) if isinstance(match, List) else 0)
            if find(self.root, (*path, "match", index, "likely")) is None
        ]
        likely = self._likely_rule((*path, "match"), match, systems, fields)
        deletes = {
            system: DeleteRule(self._text((*path, "deletes", system)) or "ignore")
            for system in self._entries((*path, "deletes"))
        }
        self._check_deletes(path, deletes, direction, systems)
        enabled = self._value((*path, "enabled"))
        module = Module(
            name=name,
            place=name_place(self.root, path),
            left=left,
            right=right,
            direction=direction,
            enabled=enabled is not False,
            match=tuple(rule for rule in rules if rule is not None),
            where=self._expressions((*path, "where")),
            recheck=self._expressions((*path, "recheck")),
            fields=fields,
            conflicts=self._conflicts((*path, "conflicts"), systems) or _between(default, systems),
            owner=self._owner((*path, "owner")),
            owner_place=self._at((*path, "owner")) if find(self.root, (*path, "owner")) else None,
            deletes={system: deletes.get(system, DeleteRule.IGNORE) for system in systems},
            limits=self._limits((*path, "limits")),
            delete_places={system: self._at((*path, "deletes", system)) for system in deletes},
            yields_to=self._yields_to((*path, "yields_to"), name),
            creates=self._expressions((*path, "creates")),
            reconcile=self._reckoning((*path, "reconcile"), fields),
            likely=likely,
        )
        if any(problem.severity is Severity.ERROR for problem in self.problems[before:]):
            self.hurt.add(name)
        return module

    def _owner(self, path: Path) -> str | None:
        owner = self._text(path)
        if owner is not None and owner not in self.system_names:
            self._report(
                self._at(path),
                "unknown-system",
                f"owner takes a system, not {owner}",
                did_you_mean(owner, self.system_names, what="one of"),
            )
            return None
        return owner

    def _yields_to(self, path: Path, module: str) -> str | None:
        other = self._text(path)
        names = [name for name in self._written(("modules",)) if name != module]
        if other is not None and other not in names:
            self._report(
                self._at(path),
                "unknown-module",
                f"{module} yields to {other}, which this spec does not have",
                did_you_mean(other, names, what="modules"),
            )
        return other

    def _items(self, path: Path) -> ItemsRule | None:
        if find(self.root, path) is None:
            return None
        key = find(self.root, (*path, "key"))
        names = [(str(each), (*path, "key", n)) for n, each in enumerate(plain_data(key) if key else ())]
        first = {name: self._text((*path, "first", name)) or "" for name in self._entries((*path, "first"))}
        names += [(name, (*path, "first", name)) for name in first]
        names += [(held, (*path, "first", name)) for name, held in first.items()]
        return ItemsRule(
            key=tuple(name for name, at in names if at[-2] == "key"),
            first=first,
            places={name: self._at(at) for name, at in names} | {"": self._at(path)},
        )

    def _reckoning(self, path: Path, fields: Mapping[str, FieldMap]) -> Reckoning | None:
        if find(self.root, path) is None:
            return None
        written = self._written((*path[:-1], "fields"))
        named: dict[str, str] = {}
        for what in RECKONED:
            name = self._text((*path, what))
            if name is None:
                if what in ("date", "total") and what not in self._written(path):
                    self._report(
                        name_place(self.root, path),
                        "missing-key",
                        f"reconcile does not say which field map is the {what}",
                        f"add {what}: and the name of a field map",
                    )
            elif name not in written:
                self._unknown_map(name, written, self._at((*path, what)))
            elif name in fields:
                self._check_reckoned(what, fields[name], self._at((*path, what)))
                named[what] = name
        if "date" not in named or "total" not in named:
            return None
        return Reckoning(
            date=named["date"],
            total=named["total"],
            currency=named.get("currency"),
            rate=named.get("rate"),
            open=named.get("open"),
            void=self._expressions((*path, "void")),
            places={what: self._at((*path, what)) for what in named},
        )

    def _check_reckoned(self, what: str, fmap: FieldMap, place: Place) -> None:
        """What is compared must be one value at each end."""
        fault = (
            "is a list"
            if fmap.each is not None
            else "is a reference"
            if fmap.ref is not None
            else "has no path at one end"
            if fmap.left is None or fmap.right is None
            else ""
        )
        if fault:
            self._report(
                place,
                "wrong-value",
                f"{fmap.name} cannot be the {what} that both ends are compared by: it {fault}",
                f"name a field map with one value at each end as {what}",
            )

    def _check_deletes(
        self, path: Path, deletes: Mapping[str, DeleteRule], direction: Direction, systems: tuple[str, str]
    ) -> None:
        for side, system in enumerate(systems):
            if deletes.get(system, DeleteRule.IGNORE) is not DeleteRule.IGNORE and not flows_to(
                direction, side
            ):
                self._report(
                    self._at((*path, "deletes", system)),
                    "direction-conflict",
                    f"this module never writes to {system}, so it deletes nothing there",
                    f"deletes: {{{system}: ignore}}",
                )

    def _direction(self, path: Path, systems: tuple[str, str]) -> Direction | None:
        text = self._text(path)
        if text is None:
            return None
        arrow = _ARROW.fullmatch(text)
        if arrow is None:
            return Direction(text)
        ok = True
        for group in (1, 2):
            if arrow[group] not in systems:
                ok = False
                self._report(
                    self._at(path, arrow.start(group)),
                    "unknown-system",
                    f"{arrow[group]} is not a system of this module",
                    did_you_mean(arrow[group], systems, what="systems"),
                )
        if ok and arrow[1] == arrow[2]:
            self._report(
                self._at(path),
                "wrong-value",
                f"direction: {arrow[1]} cannot flow to itself",
                f"write {systems[0]} -> {systems[1]} or {systems[1]} -> {systems[0]}",
            )
            ok = False
        if not ok:
            return None
        return Direction.TO_RIGHT if arrow[1] == systems[0] else Direction.TO_LEFT

    def _expressions(self, path: Path) -> dict[str, Expression]:
        found: dict[str, Expression] = {}
        for system in self._entries(path):
            node = find(self.root, (*path, system))
            if isinstance(node, Scalar) and isinstance(node.value, str):
                found[system] = Expression(source=node.value, place=node.at(0), marks=node.marks)
        return found

    def _limits(self, path: Path) -> Limits:
        deletes, operations = self._value((*path, "deletes")), self._value((*path, "operations"))
        limits: dict[str, Any] = {}
        if deletes == "none":
            limits.update(deletes_count=None, deletes_share=None)
        elif isinstance(deletes, str):
            limits.update(deletes_count=None, deletes_share=Decimal(deletes[:-1]) / 100)
        elif deletes is not None:
            limits.update(deletes_count=deletes, deletes_share=None)
        if operations is not None:
            limits["operations"] = None if operations == "none" else operations
        changes = self._value((*path, "changes"))
        if changes is not None:
            limits["changes_share"] = None if changes == "none" else Decimal(changes[:-1]) / 100
        return Limits(**limits)

    # --- match rules -----------------------------------------------------------------------------

    def _match_rule(
        self, path: Path, systems: tuple[str, str], fields: Mapping[str, FieldMap]
    ) -> MatchRule | None:
        keys = self._match_keys(path, systems)
        names = self._agree(path, fields)
        if keys is None:
            return None
        left, right = keys
        return MatchRule(left=left, right=right, agree=names, place=name_place(self.root, path))

    def _match_keys(self, path: Path, systems: tuple[str, str]) -> tuple[MatchKey, MatchKey] | None:
        keys = []
        for system in systems:
            node = find(self.root, (*path, system))
            if not isinstance(node, Scalar):
                self._report(
                    name_place(self.root, path),
                    "missing-key",
                    f"this match rule has no {system}",
                    f"add {system}: and the path to compare",
                )
                continue
            keys.append(self._match_key(node))
        if len(keys) != 2 or keys[0] is None or keys[1] is None:
            return None
        return keys[0], keys[1]

    def _agree(self, path: Path, fields: Mapping[str, FieldMap]) -> tuple[str, ...]:
        written = self._written(("modules", str(path[1]), "fields"))
        agree = find(self.root, (*path, "agree"))
        names = []
        for item in agree.items if isinstance(agree, List) else ():
            if isinstance(item, Scalar) and item.value in fields:
                names.append(str(item.value))
            elif isinstance(item, Scalar) and item.value not in written:
                self._unknown_map(str(item.value), written, item.at(0))
        return tuple(names)

    def _likely_rule(
        self, path: Path, match: Node | None, systems: tuple[str, str], fields: Mapping[str, FieldMap]
    ) -> LikelyRule | None:
        """The scored rule, which there is one of, at the end."""
        count = len(match.items) if isinstance(match, List) else 0
        found = [n for n in range(count) if find(self.root, (*path, n, "likely")) is not None]
        for number in found:
            if number != count - 1:
                self._report(
                    name_place(self.root, (*path, number, "likely")),
                    "bad-match",
                    "a likely rule stands once, after all other match rules",
                    "move it to the end" if number == found[-1] else "delete it, or the other one",
                )
        if found != [count - 1]:
            return None
        at: Path = (*path, count - 1, "likely")
        country = self._text(("country",)) or ""
        evidence = self._evidence(at, fields)
        blocks = find(self.root, (*at, "block"))
        keys: Sequence[tuple[MatchKey, MatchKey] | None] = (
            [self._match_keys((*at, "block", number), systems) for number in range(len(blocks.items))]
            if isinstance(blocks, List)
            else blocks_of(evidence, fields, country)
        )
        if not keys:
            self._report(
                name_place(self.root, at),
                "bad-match",
                "nothing of the evidence tells which records to compare",
                "add a name, an e-mail address or a number, or a block",
            )
        agree = self._agree(at, fields)
        named = {each.name for each in evidence}
        for number, name in enumerate(plain_data(node) if (node := find(self.root, (*at, "agree"))) else ()):
            if name in agree and name not in named:
                self._report(
                    self._at((*at, "agree", number)),
                    "bad-match",
                    f"{name} is no evidence of this rule, so it can contradict nothing",
                    f"add {name} to evidence, with a weight",
                )
        link = _decimal(self._value((*at, "link"))) or Decimal("0.9")
        ask = _decimal(self._value((*at, "ask"))) or Decimal("0.6")
        total = sum((each.weight for each in evidence), Decimal(0))
        enough = _decimal(self._value((*at, "enough"))) or total * 2 / 5
        if ask >= link:
            self._report(
                self._at((*at, "ask" if find(self.root, (*at, "ask")) else "link")),
                "bad-match",
                f"ask is {ask} and link is {link}: nothing would ever be asked",
                "let ask be lower than link",
            )
        if enough > total and evidence:
            self._report(
                self._at((*at, "enough")),
                "bad-match",
                f"enough is {enough}, and all the evidence together weighs {total}: nothing is ever linked",
                f"enough: {total * 2 / 5}",
            )
        if None in keys or not evidence:
            return None
        return LikelyRule(
            block=tuple(pair for pair in keys if pair is not None),
            evidence=evidence,
            agree=agree,
            link=link,
            ask=ask,
            enough=enough,
            country=country,
            place=name_place(self.root, at),
        )

    def _evidence(self, at: Path, fields: Mapping[str, FieldMap]) -> tuple[Evidence, ...]:
        written = self._written(("modules", str(at[1]), "fields"))
        found = []
        for name in self._entries((*at, "evidence")):
            path: Path = (*at, "evidence", name)
            place = name_place(self.root, path)
            if name not in fields:
                if name not in written:
                    self._unknown_map(name, written, place)
                continue
            fmap = fields[name]
            if fmap.each is not None or fmap.left is None or fmap.right is None:
                what = "is a list" if fmap.each is not None else "stands at one end alone"
                self._report(
                    place, "bad-match", f"{name} {what}, so its values cannot be compared", "name another map"
                )
                continue
            weight = self._value(path) or self._value((*path, "weight"))
            kind = self._text((*path, "as")) or (name if name in set(Likeness) else Likeness.TEXT)
            found.append(Evidence(name=name, weight=Decimal(weight), likeness=Likeness(kind), place=place))
        return tuple(found)

    def _match_key(self, node: Scalar) -> MatchKey | None:
        text = str(node.value)
        pieces = _split(text, "|")
        filters, places, arguments = [], [], []
        for offset, piece in pieces[1:]:
            if not (found := _FILTER.fullmatch(piece)):
                self._report(
                    node.at(offset),
                    "bad-match",
                    f"a filter of a match rule is a name, with texts in brackets if need be, not {piece!r}"
                    if piece
                    else "there is no filter after |",
                    "Name | fold",
                )
                return None
            filters.append(found[1])
            arguments.append(tuple(one or other for one, other in _QUOTED.findall(found[2] or "")))
            places.append(node.at(offset))
        offset, path = pieces[0]
        if not path:
            self._report(node.at(0), "bad-match", "there is no path before |", "Name | fold")
            return None
        return MatchKey(
            path=path,
            filters=tuple(filters),
            place=node.at(offset),
            filter_places=tuple(places),
            arguments=tuple(arguments),
        )

    def _unknown_map(self, name: str, known: Sequence[str], place: Place) -> None:
        self._report(
            place,
            "unknown-map",
            f"there is no field map {name}",
            did_you_mean(name, known, what="field maps"),
        )

    # --- field maps ------------------------------------------------------------------------------

    def _field_map(
        self, path: Path, systems: tuple[str, str], around: Direction, *, item: bool = False
    ) -> FieldMap | None:
        """One map; ``None`` when it makes no sense, which is reported. ``around``: the direction of what it
        stands in."""
        before = len(self.problems)
        name = str(path[-1])
        ends = [self._text((*path, system)) for system in systems]
        to = self._expressions((*path, "to"))
        direction = self._map_direction(path, systems, around, ends, to)
        each = None
        if find(self.root, (*path, "each")) is not None and direction is not None:
            inner = {
                sub: self._field_map((*path, "each", sub), systems, direction, item=True)
                for sub in self._entries((*path, "each"))
            }
            each = {sub: fmap for sub, fmap in inner.items() if fmap is not None}
        key = self._text((*path, "key"))
        if key is not None and key not in self._written((*path, "each")):
            self._unknown_map(key, self._written((*path, "each")), self._at((*path, "key")))
        self._check_options(path, name)
        values = self._values((*path, "values"), systems)
        if direction is None or any(p.severity is Severity.ERROR for p in self.problems[before:]):
            return None
        enforce = self._value((*path, "enforce")) is True
        return FieldMap(
            name=name,
            place=name_place(self.root, path),
            left=ends[0],
            right=ends[1],
            direction=direction,
            to=to,
            conflicts=self._conflicts((*path, "conflicts"), systems),
            ref=self._text((*path, "ref")),
            otherwise={
                system: text
                for system in systems
                if (text := self._text((*path, "otherwise", system))) is not None
            },
            each=each,
            key=key,
            values=values,
            table=self._text((*path, "values")),
            enforce=enforce,
            tolerance=_decimal(self._value((*path, "tolerance"))),
            taken=self._expressions((*path, "taken")),
            places=self._places(path),
        )

    def _map_direction(
        self,
        path: Path,
        systems: tuple[str, str],
        around: Direction,
        ends: Sequence[str | None],
        to: Mapping[str, Expression],
    ) -> Direction | None:
        """Which way the map's values flow, from its own direction, its module's and its ends."""
        name = str(path[-1])
        place = name_place(self.root, path)
        own = self._direction((*path, "direction"), systems)
        at = self._at((*path, "direction"))
        if ends[0] is None and ends[1] is None:
            self._report(
                place,
                "missing-end",
                f"{name} has no path for {systems[0]} or {systems[1]}",
                f"add {systems[0]}: and {systems[1]}: with a path each",
            )
            return None
        if ends[0] is None or ends[1] is None:
            side = 0 if ends[0] is not None else 1
            target, source = systems[side], systems[1 - side]
            if target not in to:
                self._report(
                    place,
                    "missing-end",
                    f"{name} has no path for {source}, and no transform that computes it for {target}",
                    f"add {source}: and its path, or to: {{{target}: …}}",
                )
                return None
            computed = Direction.TO_LEFT if side == 0 else Direction.TO_RIGHT
            if own not in (None, computed) or not flows_to(around, side):
                self._report(
                    at if own not in (None, computed) else place,
                    "direction-conflict",
                    f"{name} is computed for {target}, so its values flow from {source} to {target} only",
                    f'direction: "{source} -> {target}"'
                    if own is not None
                    else f"give it a path for {source}",
                )
                return None
            self._unused_transforms(path, to, systems, computed)
            return computed
        if own is Direction.NONE:
            self._unused_transforms(path, to, systems, own)
            return own
        if own is not None and around is not Direction.BOTH and own is not around:
            self._report(
                at,
                "direction-conflict",
                f"{'the list' if len(path) > 4 else 'the module'} flows one way, {name} cannot flow another",
                "delete this direction, or change the outer one",
            )
            return None
        direction = around if around is not Direction.BOTH else own or Direction.BOTH
        if direction is Direction.BOTH and len(to) == 1:
            (there,) = to
            other = systems[1] if there == systems[0] else systems[0]
            self._report(
                name_place(self.root, (*path, "to")),
                "one-way-transform",
                f"{name} flows both ways, but only what goes to {there} is transformed",
                f'add to.{other}, or direction: "{other} -> {there}"',
            )
            return None
        self._unused_transforms(path, to, systems, direction)
        return direction

    def _unused_transforms(
        self, path: Path, to: Mapping[str, Expression], systems: tuple[str, str], direction: Direction
    ) -> None:
        for side, system in enumerate(systems):
            if system in to and not flows_to(direction, side):
                self._report(
                    name_place(self.root, (*path, "to", system)),
                    "unused-transform",
                    f"nothing flows to {system} here, so this transform is never used",
                    "delete it",
                    Severity.WARNING,
                )

    def _check_options(self, path: Path, name: str) -> None:
        """Options that make no sense together."""
        for first, second in _CLASHES:
            if find(self.root, (*path, first)) is not None and find(self.root, (*path, second)) is not None:
                self._report(
                    name_place(self.root, (*path, second)),
                    "options-clash",
                    f"{name} has both {first} and {second}: only one of them can decide the value",
                    f"drop {first} or {second}",
                )

    def _values(self, path: Path, systems: tuple[str, str]) -> tuple[tuple[Any, Any], ...] | None:
        node = find(self.root, path)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return self._pairs_of_table(path, node.value, systems)
        if not isinstance(node, List):
            return None
        pairs = []
        for index, item in enumerate(node.items):
            pair = plain_data(item)
            for system in systems:
                if system not in pair:
                    self._report(
                        name_place(self.root, (*path, index)),
                        "missing-key",
                        f"this pair has no value for {system}",
                        f"add {system}: …",
                    )
            pairs.append((pair.get(systems[0]), pair.get(systems[1])))
        return tuple(pairs)

    def _pairs_of_table(
        self, path: Path, name: str, systems: tuple[str, str]
    ) -> tuple[tuple[Any, Any], ...] | None:
        table = self.tables.get(name)
        if table is None:
            near = did_you_mean(name, self._written(("tables",)), what="tables")
            self._report(self._at(path), "unknown-table", f"this spec has no table {name}", near)
            return None
        lacking = [system for system in systems if system not in table.columns]
        if lacking:
            self._report(
                self._at(path),
                "unknown-table",
                f"the table {name} has no column {lacking[0]}",
                f"give its rows a value for {lacking[0]}",
            )
            return None
        rows = table.rows.values()
        return tuple((row.get(systems[0]), row.get(systems[1])) for row in rows)

    def _places(self, path: Path) -> dict[str, Place]:
        node = find(self.root, path)
        places = {"": name_place(self.root, path)}
        if not isinstance(node, Map):
            return places
        for key, entry in node.entries.items():
            places[key] = entry.node.at(0) if isinstance(entry.node, Scalar) else entry.key_place
        values: Node | None = find(self.root, (*path, "values"))
        for below, scalar in scalars(values) if values is not None else ():
            places["values." + ".".join(map(str, below))] = scalar.at(0)
        return places


def flows_to(direction: Direction, side: int) -> bool:
    """Whether values flow to that end: 0 the left one, 1 the right one."""
    return direction in (Direction.BOTH, (Direction.TO_LEFT, Direction.TO_RIGHT)[side])


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder of the database
        return False
    return True


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _split(text: str, mark: str) -> list[tuple[int, str]]:
    """The pieces between marks that stand outside brackets: (offset of the first character, text)."""
    pieces: list[tuple[int, str]] = []
    depth = start = 0
    for index, letter in enumerate(text + mark):
        if letter in "[]":
            depth += 1 if letter == "[" else -1
        if letter == mark and (depth == 0 or index == len(text)):
            piece = text[start:index]
            pieces.append((start + len(piece) - len(piece.lstrip()), piece.strip()))
            start = index + 1
    return pieces


def _between(default: ConflictRule, systems: Sequence[str]) -> ConflictRule:
    """The spec's conflict rule for a module between two systems: a third one says nothing of them."""
    return default if default.prefer in (*systems, "newest", "ask") else replace(default, prefer="ask")
