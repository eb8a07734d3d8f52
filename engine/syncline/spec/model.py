"""The spec as frozen, typed values: what a consultant wrote, after layers and defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from syncline.spec.problems import Place, Problem, SpecError
from syncline.spec.tree import Mark, place_at

#: ``${env:NAME}`` and ``${env:NAME:-default}``: group 1 the name, group 2 the default, which is bounded so
#: that no text takes long to search.
ENV_NAME = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]{0,1000}))?\}")


class Direction(StrEnum):
    """Which way values flow, seen from the order in which ``between`` names the two systems."""

    BOTH = "both"
    TO_RIGHT = "to-right"
    TO_LEFT = "to-left"
    NONE = "none"  # of a map: compared, and told when the ends differ, never written


class DeleteRule(StrEnum):
    """What happens at an end when the other end's record is deleted, archived or voided."""

    IGNORE = "ignore"
    ARCHIVE = "archive"
    VOID = "void"
    DELETE = "delete"
    UNLINK = "unlink"


class EnvText(Struct, frozen=True):
    """Text that may hold ``${env:NAME}`` or ``${env:NAME:-default}``; its value is looked up when used."""

    raw: str
    place: Place

    def unset(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """The names without a value and without a default, in order."""
        return tuple(m[1] for m in ENV_NAME.finditer(self.raw) if m[2] is None and not environ.get(m[1]))

    @property
    def literal(self) -> bool:
        """No environment name in it at all."""
        return ENV_NAME.search(self.raw) is None

    def value(self, environ: Mapping[str, str]) -> str:
        """The text with every name replaced; raises SpecError at this place for a name that is not set."""
        missing = self.unset(environ)
        if missing:
            raise SpecError(
                [
                    Problem(
                        place=self.place,
                        code="env-unset",
                        message=f"the environment variable {name} is not set",
                        suggestion=f"set {name}, or write a default: ${{env:{name}:-…}}",
                    )
                    for name in missing
                ]
            )
        return ENV_NAME.sub(lambda m: environ.get(m[1]) or m[2] or "", self.raw)


class DeclaredField(Struct, frozen=True, kw_only=True):
    """A field that this client's organisation has beyond the connector's catalogue, or has differently.

    ``None`` leaves what the catalogue says.
    """

    name: str
    place: Place
    type: str | None = None
    max_length: int | None = None
    required: bool | None = None
    read_only: bool | None = None
    unique: bool | None = None
    choices: tuple[str, ...] | None = None


class System(Struct, frozen=True, kw_only=True):
    """A connection's role in this spec. ``options``: the connector's own, still with ``${env:…}`` texts as
    EnvText; ``option_places``: of each option its key and its value; ``fields``: by remote module, then by
    field name."""

    name: str
    connector: str
    place: Place
    base_url: EnvText | None = None
    client_id: EnvText | None = None
    client_secret: EnvText | None = None
    organisation: EnvText | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    option_places: Mapping[str, tuple[Place, Place]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, DeclaredField]] = field(default_factory=dict)


class ConflictRule(Struct, frozen=True, kw_only=True):
    """``prefer``: the name of a system, ``"newest"`` or ``"ask"``."""

    prefer: str
    place: Place


class Expression(Struct, frozen=True, kw_only=True):
    """A Jinja expression or text with expressions in it, as written; ``place`` is that of its first
    character.

    ``marks``: how a text of several lines, or with escapes, is laid out in the file.
    """

    source: str
    place: Place
    marks: tuple[Mark, ...] = ()

    def at(self, offset: int) -> Place:
        """The place of the character at ``offset`` (from 0) of the source."""
        return place_at(self.place, self.marks, offset)


class MatchKey(Struct, frozen=True, kw_only=True):
    """``Account_Name | fold``: a path, then filters by name, applied in order. ``filter_places``: of each;
    ``arguments``: of each the texts in brackets after it (``phone('AU')``)."""

    path: str
    filters: tuple[str, ...]
    place: Place
    filter_places: tuple[Place, ...] = ()
    arguments: tuple[tuple[str, ...], ...] = ()


class MatchRule(Struct, frozen=True, kw_only=True):
    """Two records match when both keys give the same non-empty value and no field map of ``agree`` is filled
    on both ends and different."""

    left: MatchKey
    right: MatchKey
    agree: tuple[str, ...]
    place: Place


class Likeness(StrEnum):
    """What kind of value a piece of evidence is, which decides how two of them are compared."""

    COMPANY = "company"
    PERSON = "person"
    EMAIL = "email"
    PHONE = "phone"
    TAX_NUMBER = "tax_number"
    NUMBER = "number"  # of a document or an article: letters and digits count
    CITY = "city"
    POSTCODE = "postcode"
    TEXT = "text"


class Evidence(Struct, frozen=True, kw_only=True):
    """What a field map says for or against two records being the same: how much it counts, and how its values
    are compared."""

    name: str
    weight: Decimal
    likeness: Likeness
    place: Place


class LikelyRule(Struct, frozen=True, kw_only=True):
    """The scored match rule, which comes after all others.

    ``block``: pairs of keys; two records that share the value of one are compared. ``link``, ``ask``: from
    which score (0-1) on a pair is linked, or asked about; ``enough``: the weight of what must be alike for a
    link; ``agree``: field maps that must not contradict one; ``country``: the spec's, where phone numbers
    without a country's code are (two letters), or empty.
    """

    block: tuple[tuple[MatchKey, MatchKey], ...]
    evidence: tuple[Evidence, ...]
    agree: tuple[str, ...]
    link: Decimal
    ask: Decimal
    enough: Decimal
    country: str
    place: Place


class FieldMap(Struct, frozen=True, kw_only=True):
    """The named correspondence of one value across the two ends.

    ``left``, ``right``: paths, ``None`` for the end a computed map does not store at. ``to``: transforms, by
    the *target* system's name. ``ref``: the module whose links translate the value. ``otherwise``: by system,
    the identity there of the record that stands for none, or its natural key. ``each``: the maps inside one
    item of a list, with ``key`` the one of them that tells items apart (``None``: by the remote's own item
    ids and order). ``values``: pairs of (left, right) choice values, those of ``table`` where the map names
    one. ``direction`` is already resolved from the module's and the map's own. ``enforce``: a one-way map
    puts back its source's value. ``tolerance``: numbers that differ by no more are equal. ``taken``: by the
    target system's name, what is stored where another record holds the value that was to be stored.
    ``places``: by key of the map, where its value begins, or the key itself before a map or a list (``""``:
    the map's own name; ``values.0.crm``: one value of ``values``).
    """

    name: str
    place: Place
    left: str | None
    right: str | None
    direction: Direction
    to: Mapping[str, Expression] = field(default_factory=dict)
    conflicts: ConflictRule | None = None
    ref: str | None = None
    otherwise: Mapping[str, str] = field(default_factory=dict)
    each: Mapping[str, FieldMap] | None = None
    key: str | None = None
    values: tuple[tuple[Any, Any], ...] | None = None
    table: str | None = None
    enforce: bool = False
    tolerance: Decimal | None = None
    taken: Mapping[str, Expression] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


class ItemsRule(Struct, frozen=True, kw_only=True):
    """How the items of a list are told apart that has no ids for them. ``key``: fields of an item, the first
    filled one counts; ``first``: by field of an item, the field of the record itself that holds it for the
    first item. ``places``: of each name."""

    key: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


class End(Struct, frozen=True, kw_only=True):
    """One of a module's two ends: a system and its remote module, or a list inside the records of one
    (``Contacts.ContactPersons``), with ``items`` how they are told apart."""

    system: str
    module: str
    place: Place
    items: ItemsRule | None = None


class Limits(Struct, frozen=True, kw_only=True):
    """How much one pass of a module may do. ``deletes``: deletes, archives and voids, as a count or a share
    (0-1) of the links, whichever is given; ``operations``: writes in all; ``changes``: the share (0-1) of the
    pairs that may change at once."""

    deletes_count: int | None = None
    deletes_share: Decimal | None = Decimal("0.05")
    operations: int | None = 10_000
    changes_share: Decimal | None = Decimal("0.8")


class Reckoning(Struct, frozen=True, kw_only=True):
    """Which field maps of a module of documents hold their money: what `syncline reconcile` compares.

    ``date``, ``total`` and, where the module has them, ``currency``, ``rate`` and ``open`` (what is still
    owed) name field maps. ``void``: by system, an expression over ``record`` that is true for a document that
    counts for nothing, where the remote has no such state of its own.
    """

    date: str
    total: str
    currency: str | None = None
    rate: str | None = None
    open: str | None = None
    void: Mapping[str, Expression] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def maps(self) -> dict[str, str]:
        """By what it is (date, total, ...), the field map that holds it."""
        named = {name: getattr(self, name) for name in RECKONED}
        return {name: fmap for name, fmap in named.items() if fmap is not None}


#: What field maps can be named for, in the order in which they are told.
RECKONED = ("date", "total", "currency", "rate", "open")


class Module(Struct, frozen=True, kw_only=True):
    """A pair of remote record types kept in step. ``where``: by system, an expression over ``record`` that is
    true for records in scope. ``likely``: the scored match rule, after those of ``match``. ``recheck``: by
    system, an expression that names the day on which a record must be looked at again though nobody changes
    it, or nothing. ``conflicts`` is already resolved from the spec's, or from the ``owner``: the system whose
    word counts where another module writes the same records from a third one; ``owner_place``: where that is
    said. ``yields_to``: the module that keeps some records of a shared end: for those it has linked, this one
    creates nothing. ``creates``: by the system that is written to, an expression that is true for a record
    that is created there, also where that other module has it, false for one that is only matched until
    another record refers to it, and nothing for one of which the module's other rules decide.
    """

    name: str
    place: Place
    left: End
    right: End
    direction: Direction
    enabled: bool
    match: tuple[MatchRule, ...]
    where: Mapping[str, Expression]
    recheck: Mapping[str, Expression]
    fields: Mapping[str, FieldMap]
    conflicts: ConflictRule
    deletes: Mapping[str, DeleteRule]
    limits: Limits
    delete_places: Mapping[str, Place] = field(default_factory=dict)
    yields_to: str | None = None
    owner: str | None = None
    owner_place: Place | None = None
    creates: Mapping[str, Expression] = field(default_factory=dict)
    reconcile: Reckoning | None = None
    likely: LikelyRule | None = None

    @property
    def matches(self) -> bool:
        """Whether records that have never met can be recognised by a rule."""
        return bool(self.match) or self.likely is not None

    @property
    def systems(self) -> tuple[str, str]:
        return self.left.system, self.right.system

    def end(self, system: str) -> End:
        return self.left if self.left.system == system else self.right


class Schedule(Struct, frozen=True, kw_only=True):
    """When passes run: an interval, or cron text in a time zone (IANA name)."""

    every: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None


class Table(Struct, frozen=True, kw_only=True):
    """Values that correspond, row by row: by the row's name, by column. Columns are systems, or names of the
    author's own. ``fields``: by system, the field whose values its column holds, as ``Module.Field``.
    ``places``: of ``row.column`` and of ``fields.system``."""

    name: str
    place: Place
    rows: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(column for row in self.rows.values() for column in row))


class Spec(Struct, frozen=True, kw_only=True):
    """One client's spec. ``file``: the file that was asked for. ``transforms``: the macro files it imports,
    as written. ``modules``: the enabled and the disabled ones. ``digests``: for each module, a hash of
    everything that decides its values (not of environment values, names of files, limits or schedules)."""

    name: str
    file: str
    place: Place
    systems: Mapping[str, System]
    modules: Mapping[str, Module]
    schedule: Schedule | None = None
    transforms: tuple[Expression, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
