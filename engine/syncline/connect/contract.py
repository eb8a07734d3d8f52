"""The connector contract: what a plugin tells the engine, and what the engine asks of it.

Everything a plugin needs is importable from ``syncline.connect``; nothing here names a remote.

Values
------
A record's values keep the shape of the remote's JSON: nested dicts and lists. The connector brings
the leaves to one form, so that the engine can compare them without knowing the remote:

======== =============================================================================
text     ``str``
number   ``int`` or ``decimal.Decimal``; never ``float``
boolean  ``bool``
date     ``str``, ``YYYY-MM-DD``: a calendar day, never moved through a time zone
instant  ``str``, ``YYYY-MM-DDTHH:MM:SS[.fff]Z``: always UTC
nothing  ``None`` where the remote says null or empty; absent where the remote did not say
======== =============================================================================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import force_setattr

from syncline.connect.errors import EventRefused
from syncline.connect.secrets import redact
from syncline.printable import one_line

if TYPE_CHECKING:
    from syncline.connect.http import HttpClient
    from syncline.connect.sandbox import Sandbox, SandboxSettings

Values = Mapping[str, Any]

#: So much of what a remote says of one write is kept.
MAX_WORDS, MAX_WARNINGS = 2_000, 20


def _said(words: str) -> str:
    """A remote's words as they may be kept and shown."""
    return one_line(redact(str(words)))[:MAX_WORDS]


# --- what a remote module looks like -------------------------------------------------------------


class FieldType(StrEnum):
    """How a field's value is compared, checked and written."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"
    CHOICE = "choice"
    REFERENCE = "reference"
    OBJECT = "object"
    LIST = "list"


class Reference(Struct, frozen=True, kw_only=True):
    """Where a reference field points.

    ``path``: the key inside the value that holds the other record's identity (``"id"`` when the
    value is ``{"id": ..., "name": ...}``), or ``None`` when the value itself is the identity.
    ``by``: ``"id"`` when that identity is the record's id, ``"key"`` when it is ``Record.key``.
    ``where``: a field of that module and the value it has in those records that alone may be referred to.
    """

    module: str
    path: str | None = None
    by: str = "id"
    where: tuple[str, str] | None = None


class Field(Struct, frozen=True, kw_only=True):
    """One field of a remote module, or of an object or list item inside it.

    ``read_only``: the remote computes it or refuses to take it; a map may only read it.
    ``create_only``: taken when the record is made, fixed afterwards.
    ``required``: a create without it is refused, and it cannot be emptied.
    ``clearable``: a value can be taken away again; where the remote has no way to say so, it is not.
    ``max_length``: in characters; ``places``: decimals kept by the remote.
    ``choices``: the values the remote accepts, ``None`` when open.
    ``fields``: of an OBJECT, or of one item of a LIST.
    ``item_id``: for a LIST, the key of the remote's own id of an item, if it has one.
    ``item_key``: for a LIST, the key whose value tells the items apart (``PhoneType``): such a list
    is addressed as ``Phones[PhoneType=DEFAULT].PhoneNumber`` and a write sends only named items.
    ``blank_is_null``: the remote does not tell an empty text from no value (nearly all of them).
    ``moves``: of a CHOICE that is a state, by each value those that a write may put in its place; a value
    that is nobody's successor is the remote's own to reach (paid, overdue). ``None``: any for any.
    """

    name: str
    type: FieldType = FieldType.TEXT
    label: str = ""
    required: bool = False
    clearable: bool = True
    read_only: bool = False
    create_only: bool = False
    unique: bool = False
    custom: bool = False
    max_length: int | None = None
    places: int | None = None
    choices: tuple[str, ...] | None = None
    reference: Reference | None = None
    fields: tuple[Field, ...] = ()
    item_id: str | None = None
    item_key: str | None = None
    blank_is_null: bool = True
    moves: Mapping[str, tuple[str, ...]] | None = None


class Capabilities(Struct, frozen=True, kw_only=True):
    """What can be done with the records of a remote module, as data.

    Batch sizes count records a call; 0 means the call does not exist. ``conditional``: an update can
    be refused by the remote when the record changed since a given version. ``idempotency_s``: how
    many seconds the remote remembers an idempotency key, 0 when it knows none. ``returns_stored``:
    a write's reply holds the whole record as stored (else the engine takes what was sent, and the
    next read of that version corrects it). ``deletions``: changes include deleted records. ``void``: a
    document can be ended so that it stays and counts for nothing; one that never counted (a draft) is
    ended by a void in whatever way the remote has.
    """

    create_batch: int = 0
    update_batch: int = 0
    archive: bool = False
    void: bool = False
    delete: bool = False
    read_ids_batch: int = 1
    incremental: bool = True
    conditional: bool = False
    idempotency_s: int = 0
    returns_stored: bool = False
    deletions: bool = False


class RemoteModule(Struct, frozen=True, kw_only=True):
    """One kind of record of a remote. ``lookup``: reference data that is read but never synced."""

    name: str
    label: str = ""
    fields: tuple[Field, ...] = ()
    capabilities: Capabilities = Capabilities()
    lookup: bool = False

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


class Catalogue(Struct, frozen=True):
    """The remote modules of a connector: built in (offline), or as one organisation has them."""

    modules: tuple[RemoteModule, ...]

    def module(self, name: str) -> RemoteModule | None:
        return next((m for m in self.modules if m.name == name), None)


# --- what is read --------------------------------------------------------------------------------


class State(StrEnum):
    """Whether a record still counts. A voided document stays and is still read: its values go on being true
    of it, and nothing can be written to it."""

    LIVE = "live"
    ARCHIVED = "archived"
    VOIDED = "voided"
    DELETED = "deleted"


class Lock(Struct, frozen=True, kw_only=True):
    """Why the remote would refuse a change of this record, and which top-level fields it still takes."""

    reason: str
    editable: frozenset[str] = frozenset()


class Record(Struct, frozen=True, kw_only=True):
    """One remote item as read. Nobody changes one.

    ``version``: the remote's modified stamp or etag, compared for equality only.
    ``modified``: the instant of the last change by the remote's clock, aware and in UTC, if it says.
    ``key``: the natural key by which other records may refer to it (an item's code).
    ``complete``: a field of the catalogue that is absent from ``values`` is null, not unknown.
    A deleted record may have no values.
    """

    id: str
    version: str
    values: Values
    state: State = State.LIVE
    modified: datetime | None = None
    key: str | None = None
    lock: Lock | None = None
    complete: bool = False
    merged_into: str | None = None


class Page(Struct, frozen=True, kw_only=True):
    """Some records, and the cursor from which a read goes on after them.

    The engine stores ``cursor`` in the transaction that stages ``records``: given back later, it must
    lead to everything not yet delivered (repeats are harmless, gaps are not). ``last``: this read has
    reached the present. ``since``: where only changes from some instant on were asked for, that instant by
    the remote's clock; live records from before it show that the remote did not heed the question.
    ``left_out``: how many of those are not among ``records``, since each would have cost a call of its own.
    """

    records: Sequence[Record]
    cursor: str
    last: bool
    since: datetime | None = None
    left_out: int = 0


class Event(Struct, frozen=True, kw_only=True):
    """A remote's word that a record has changed: a hint to read it, never what it holds.

    ``id``: the same for every delivery of the same event, ``None`` where the remote tells nothing that is.
    """

    module: str
    record: str
    id: str | None = None


# --- what is written -----------------------------------------------------------------------------


class WriteKind(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    ARCHIVE = "archive"
    RESTORE = "restore"
    VOID = "void"
    DELETE = "delete"


class Item(Struct, frozen=True, kw_only=True):
    """One item of a list to be stored; ``id`` is the remote's own id of the item it replaces, if any.
    ``unchanged``: that item holds these values already, so that a remote which keeps the items it is not
    told of need not be told of this one."""

    values: Values
    id: str | None = None
    unchanged: bool = False


class Items(Struct, frozen=True, kw_only=True):
    """A list as it shall be after the write: every item, in order, and the ids of those to remove."""

    items: tuple[Item, ...]
    removed: tuple[str, ...] = ()


class Write(Struct, frozen=True, kw_only=True):
    """One intended write.

    ``values`` has the remote's shape and holds only what shall change; a LIST with an ``item_id`` is
    given as :class:`Items`; a list with an ``item_key`` as its named items; a reference already in the
    remote's form. ``key``: the idempotency key, stable over retries of this write, at most 64
    characters. ``version`` and ``read_at``: the record's version that the decision was made on, and
    when (by the remote's clock, aware UTC) it was read, for conditional updates.
    """

    kind: WriteKind
    key: str
    id: str | None = None
    values: Values = field(default_factory=dict)
    version: str | None = None
    read_at: datetime | None = None


class OutcomeKind(StrEnum):
    """What became of one write, by what the engine does next."""

    DONE = "done"
    RETRY = "retry"  # transient: try the same write again later
    REFUSED = "refused"  # the record's content is not accepted; a person or a new edit must help
    CONFLICT = "conflict"  # the record changed since it was read: read it again and decide afresh
    TAKEN = "taken"  # another record holds the unique value that was to be stored
    GONE = "gone"  # the record to change no longer exists
    UNKNOWN = "unknown"  # sent, but no answer: ask `settle` before anything else


class Outcome(Struct, frozen=True, kw_only=True):
    """The fate of one write, in the remote's own words, secrets among them masked.

    ``record``: as stored, complete, when the remote says (``Capabilities.returns_stored``); otherwise
    ``id`` and ``version`` alone. ``field``: the remote field at fault. ``other_id``: for TAKEN, the record
    that holds the unique value, if the remote tells. ``warnings``: accepted, but. ``missed``: of a record
    that was made, the fields of the write that it was refused, where they take calls of their own; they are
    decided again, as an update.
    """

    kind: OutcomeKind
    id: str | None = None
    version: str | None = None
    record: Record | None = None
    message: str = ""
    code: str = ""
    field: str | None = None
    other_id: str | None = None
    retry_after_s: float | None = None
    warnings: tuple[str, ...] = ()
    missed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        # Here, so that no connector can forget it; nearly every outcome is without words.
        if self.message or self.code or self.field or self.other_id or self.warnings:
            for name in ("message", "code", "field", "other_id"):
                if words := getattr(self, name):
                    force_setattr(self, name, _said(words))
            force_setattr(self, "warnings", tuple(map(_said, self.warnings[:MAX_WARNINGS])))


class SentWrite(Struct, frozen=True, kw_only=True):
    """A write that was sent without an answer being seen; ``sent_at`` is aware UTC, by the remote's clock.
    ``under_way``: whether the remote may still be at work on it, so that nothing of it may be sent again."""

    write: Write
    sent_at: datetime
    under_way: bool = False


# --- who is at the other end ---------------------------------------------------------------------


class Organisation(Struct, frozen=True, kw_only=True):
    """``name``: as the remote has it, on one line."""

    id: str
    name: str

    def __post_init__(self) -> None:
        force_setattr(self, "name", _said(self.name))


class Account(Struct, frozen=True, kw_only=True):
    """What `check` learns about a connection. ``timezone``: an IANA name; ``server_time``: aware UTC.
    ``pages``: by remote module, the address at which a person sees a record in the remote's own screens, with
    ``{id}`` in the place of its id.
    """

    organisation: Organisation
    currency: str | None = None
    timezone: str | None = None
    country: str | None = None
    scopes: tuple[str, ...] = ()
    server_time: datetime | None = None
    warnings: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)


# --- limits and sign-in, declared as data --------------------------------------------------------


class Limits(Struct, frozen=True, kw_only=True):
    """How much an organisation may be asked, and the headers in which the remote says what is left.

    ``per_day`` counts cost units in a rolling 24 hours (a call costs 1 unless the connector says
    otherwise when it makes the call).
    """

    concurrent: int = 5
    per_minute: int | None = None
    per_day: int | None = None
    minute_left_header: str | None = None
    day_left_header: str | None = None
    problem_header: str | None = None


class Grant(StrEnum):
    CODE = "code"
    CLIENT_CREDENTIALS = "client-credentials"
    GRANT_TOKEN = "grant-token"  # noqa: S105 - the name of a flow


class OAuth(Struct, frozen=True, kw_only=True):
    """How a remote does OAuth 2.0, as data; the engine runs the flow, stores and refreshes the tokens.

    ``client_auth``: how the client proves itself at the token endpoint, ``"basic"`` or ``"body"``.
    ``header``: the scheme word before the access token in the Authorization header.
    ``expired_marks``: a 401 whose body contains one of these (any case) is worth one refresh; any other
    401 means the connection must be authorised anew. ``keep``: keys of the token reply that the
    connector wants back in :attr:`Connection.extras`, beside those of ``callback_keep`` from the
    redirect. ``no_scope_check``: token replies do not say which scopes were granted.
    """

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...]
    revoke_url: str | None = None
    scope_separator: str = " "
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    pkce: bool = True
    client_auth: str = "basic"
    header: str = "Bearer"
    grants: tuple[Grant, ...] = (Grant.CODE,)
    client_credentials_params: Mapping[str, str] = field(default_factory=dict)
    expired_marks: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    callback_keep: tuple[str, ...] = ()


class Connection(Struct, frozen=True, kw_only=True):
    """An authorised account, as a connector sees it.

    ``options``: the system's own options from the spec, valid against ``Connector.options_schema``,
    ``base_url`` among them when given. ``extras``: what the token reply and the redirect said
    (``OAuth.keep``). ``organisation``: ``None`` until one has been chosen.
    """

    options: Mapping[str, Any]
    http: HttpClient
    extras: Mapping[str, str] = field(default_factory=dict)
    organisation: Organisation | None = None


# --- the two things a plugin implements ----------------------------------------------------------


class Session(ABC):
    """One connection in use. Every method may raise the errors of :mod:`syncline.connect.errors`."""

    @abstractmethod
    def organisations(self) -> Sequence[Organisation]:
        """The organisations that this sign-in may use; the spec or a person chooses one."""

    @abstractmethod
    def check(self) -> Account:
        """Who is at the other end, with the chosen organisation: one or two calls, nothing written."""

    @abstractmethod
    def discover(self) -> Catalogue:
        """The remote modules and fields as this organisation has them, custom fields included."""

    @abstractmethod
    def read(self, module: str, cursor: str | None, fields: frozenset[str]) -> Iterator[Page]:
        """Changes since ``cursor``, everything when it is ``None``; ends after the page with ``last``.

        ``fields``: the top-level fields wanted; the connector may deliver more, never fewer. Archived
        and deleted records are delivered as such where the remote tells. Pages must be safe against
        records moving while they are read, and every page's cursor must be resumable.
        """

    @abstractmethod
    def read_ids(self, module: str, ids: Sequence[str], fields: frozenset[str]) -> Sequence[Record]:
        """The records with these ids, in any order, those unknown to the remote left out. Strongly
        consistent: sees every write that was answered before the call."""

    @abstractmethod
    def count(self, module: str) -> int | None:
        """How many live records there are, or ``None`` when the remote cannot say cheaply."""

    @abstractmethod
    def write(self, module: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Send one batch: all of one kind, no more than the capability's batch size. One outcome per
        write, in order. A failure of the whole call before anything can have been stored is raised;
        one after which something may have been stored is an UNKNOWN outcome for each write."""

    @abstractmethod
    def settle(self, module: str, sent: Sequence[SentWrite]) -> Sequence[Outcome | None]:
        """What became of creates whose answer was lost: DONE with the id, or ``None`` when the remote
        certainly does not have it. Looks only where a write is visible at once (never a lagging index).
        A record that is told with it is as it is now: somebody may have edited it since.

        Where a create takes several calls, what was broken off between them is finished here; while it is
        under way that might be done twice, and the outcome is UNKNOWN with the id until then."""

    def other_writers(self) -> Sequence[str]:
        """What else is seen to write this organisation's records, one sentence each: a link of the remote's
        own with another system, for instance. `syncline doctor` alone asks: a few calls, nothing written.
        Where the remote tells nothing of the kind, this stays as it is."""
        return ()


class Connector(ABC):
    """A plugin's description of one remote API. Stateless; costs nothing to construct."""

    name: str
    title: str
    documentation: str = ""
    limits: Limits = Limits()
    #: JSON Schema (2020-12, an object) of the options that a system of this connector may set in a
    #: spec, beyond those the engine knows: connector, base_url, client_id, client_secret, organisation.
    options_schema: Mapping[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}}

    @abstractmethod
    def catalogue(self) -> Catalogue:
        """The remote modules as every organisation has them, known offline."""

    def catalogue_for(self, options: Mapping[str, Any]) -> Catalogue:
        """The same, for a system with these options; a connector whose options declare no modules of their
        own leaves this as it is. Options of a spec that is only checked may hold something else than text
        where the environment is to give it."""
        return self.catalogue()

    @abstractmethod
    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        """How to sign in with these options; ``callback``: the redirect's parameters, empty before it."""

    @abstractmethod
    def open(self, connection: Connection) -> Session:
        """A session on an authorised connection; makes no call."""

    def events(
        self,
        options: Mapping[str, Any],
        organisation: Organisation,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Sequence[Event]:
        """What a webhook's delivery says has changed in an organisation, in the delivery's order; other
        organisations' records and kinds that are no module left out. ``headers``: names in lower case;
        ``body``: the very bytes that came.

        Raises EventRefused unless the delivery proves, by what ``options`` hold, that the remote sent it;
        makes no call. A connector without webhooks leaves this as it is.
        """
        raise EventRefused(f"{self.title} sends no webhooks", fix="its changes are read by every pass")

    @abstractmethod
    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        """The loopback server that behaves like this remote."""
