"""The tables: everything that is remembered, and nothing else.

A *scope* is one module of one spec between two organisations; its two ends are side 0 (left) and
side 1 (right). Values and bases are JSON text with exact decimals. Instants are UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite would drop the zone, so it is stored there without and read back with."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _index_of_filled(name: str, scope: str, column: str) -> sa.Index:
    """An index that leaves out the rows without a value: nearly all of them, and each would be paid for.

    The migrations make it so in PostgreSQL too; to say so here would load its dialect into every process."""
    return sa.Index(name, scope, column, sqlite_where=sa.text(f"{column} IS NOT NULL"))


_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# --- who is connected ----------------------------------------------------------------------------

connection = sa.Table(
    "connection",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("base_url", sa.Text, nullable=False, server_default=""),
    sa.Column("organisation_id", sa.Text, nullable=False),
    sa.Column("organisation_name", sa.Text, nullable=False),
    sa.Column("grant", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),  # encrypted: tokens, their expiry, extras
    sa.Column("token_version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("status", sa.Text, nullable=False),  # connected | reconnect
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("account", sa.Text, nullable=False, server_default="{}"),  # JSON of contract.Account
    sa.Column("connected_at", Instant, nullable=False),
    sa.UniqueConstraint("spec", "system"),
)

# --- who may work, and how much ------------------------------------------------------------------

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("until", sa.Float, nullable=False),  # seconds since the epoch, by the database's clock
)

call = sa.Table(
    "call",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),  # connector + organisation
    sa.Column("at", sa.Float, nullable=False),  # seconds since the epoch
    sa.Column("cost", sa.Integer, nullable=False),
    sa.Column("until", sa.Float),  # in flight until then at the latest; null once answered
    sa.Column("owner", sa.Text),  # whose call it is
    sa.Index("ix_call_account_at", "account", "at"),
)

heard = sa.Table(
    "heard",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),  # connector + organisation
    sa.Column("event", sa.Text, primary_key=True),  # its id, as the connector tells it
    sa.Column("at", Instant, nullable=False),
)

catalogue = sa.Table(
    "catalogue",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),  # connector + organisation
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON of contract.Catalogue
)

sound = sa.Table(
    "sound",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # of a spec, and of all that it was checked against
    sa.Column("at", Instant, nullable=False),
)

# --- what is known of two ledgers ----------------------------------------------------------------

scope = sa.Table(
    "scope",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("module", sa.Text, nullable=False),
    sa.Column("left_org", sa.Text, nullable=False),
    sa.Column("right_org", sa.Text, nullable=False),
    sa.Column("left_module", sa.Text, nullable=False),
    sa.Column("right_module", sa.Text, nullable=False),
    sa.Column(
        "digest", sa.Text, nullable=False, server_default=""
    ),  # JSON: of the module, of each map, as approved
    sa.UniqueConstraint("spec", "module", "left_org", "right_org", "left_module", "right_module"),
)

cursor = sa.Table(
    "cursor",
    metadata,
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), primary_key=True),
    sa.Column("side", sa.SmallInteger, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("saved_at", Instant, nullable=False),
)

staged = sa.Table(
    "staged",
    metadata,
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), primary_key=True),
    sa.Column("side", sa.SmallInteger, primary_key=True),
    sa.Column("record", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),  # the order in which rows are reconciled
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("in_scope", sa.Boolean, nullable=False),
    sa.Column("ref_key", sa.Text),
    sa.Column("modified", Instant),
    sa.Column("read_at", Instant, nullable=False),
    sa.Column("print", sa.LargeBinary, nullable=False),
    sa.Column("own", sa.Text, nullable=False),  # JSON: the values by map
    sa.Column("more", sa.Text),  # JSON: faults, recheck and lost, where there are any
    sa.Column(
        "twin", sa.LargeBinary
    ),  # the same as that of a record at the other end that agrees in every map
    sa.Column("lock", sa.Text),
    sa.Column("merged_into", sa.Text),
    # pending: to be reconciled. Others rest, with a reason, until they or what they wait for change:
    # waiting (for a parent), ambiguous, conflict (asked), failed (again at `due`), dead, parked, ignored
    # (nothing to do, kept as a candidate for matching), locked.
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", Instant),
    sa.Index("ix_staged_scope_status_seq", "scope", "status", "seq"),
)

link = sa.Table(
    "link",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), nullable=False),
    sa.Column("left_id", sa.Text),
    sa.Column("right_id", sa.Text),
    sa.Column("left_key", sa.Text),
    sa.Column("right_key", sa.Text),
    sa.Column("left_version", sa.Text, nullable=False, server_default=""),
    sa.Column("right_version", sa.Text, nullable=False, server_default=""),
    sa.Column("left_print", sa.LargeBinary),
    sa.Column("right_print", sa.LargeBinary),
    sa.Column("left_state", sa.Text, nullable=False),
    sa.Column("right_state", sa.Text, nullable=False),
    sa.Column("left_base", sa.Text, nullable=False),
    sa.Column("right_base", sa.Text, nullable=False),
    sa.Column("open", sa.Text, nullable=False, server_default="[]"),  # JSON: the maps never agreed on
    # JSON: by side, the maps written whose stored value has not been seen yet
    sa.Column("sent", sa.Text, nullable=False, server_default="[[],[]]"),
    sa.Column("left_lock", sa.Text),
    sa.Column("right_lock", sa.Text),
    sa.Column("recheck", sa.Text),  # YYYY-MM-DD
    sa.Column("how", sa.Text, nullable=False),
    sa.Column("pass", _ID, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.UniqueConstraint("scope", "left_id"),
    sa.UniqueConstraint("scope", "right_id"),
    _index_of_filled("ix_link_scope_left_key", "scope", "left_key"),
    _index_of_filled("ix_link_scope_right_key", "scope", "right_key"),
    _index_of_filled("ix_link_scope_recheck", "scope", "recheck"),
)

match_key = sa.Table(
    "match_key",
    metadata,
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), primary_key=True),
    sa.Column("rule", sa.SmallInteger, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("side", sa.SmallInteger, primary_key=True),
    sa.Column("record", sa.Text, primary_key=True),
    sa.Index("ix_match_key_scope_side_record", "scope", "side", "record"),
    sqlite_with_rowid=False,
)

# what a full read has seen so far
seen = sa.Table(
    "seen",
    metadata,
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), primary_key=True),
    sa.Column("side", sa.SmallInteger, primary_key=True),
    sa.Column("record", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

# --- what was done -------------------------------------------------------------------------------

run = sa.Table(
    "pass",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("started", Instant, nullable=False),
    sa.Column("ended", Instant),
    sa.Column("status", sa.Text, nullable=False),  # running | done | failed | attention | stopped
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("totals", sa.Text, nullable=False, server_default="{}"),
)

operation = sa.Table(
    "operation",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), nullable=False),
    sa.Column("pass", _ID, nullable=False),
    sa.Column("side", sa.SmallInteger, nullable=False),  # the end that is written
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("link", _ID, nullable=False),
    sa.Column("record", sa.Text),  # at the written end; null for a create
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("body", sa.Text, nullable=False),  # JSON: what to write, what it was decided on, why
    # planned -> sent -> done | refused | conflict | gone | retry | cancelled; dead after the last try
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False, server_default=""),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),  # by the clock of the remote that it was sent to
    sa.Column("settled_at", Instant),
    sa.Index("ix_operation_scope_status", "scope", "status", "side", "kind", "id"),
    sa.Index("ix_operation_link", "link"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, nullable=False),
    sa.Column("pass", _ID, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("link", _ID),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("side", sa.SmallInteger),
    sa.Column("record", sa.Text),
    sa.Column(
        "detail", sa.Text, nullable=False
    ),  # JSON: fields (before, after, lost, rule), the remote's words
    sa.Index("ix_audit_link", "link"),
    _index_of_filled("ix_audit_scope_record", "scope", "record"),
    sa.Index("ix_audit_pass", "pass"),
)

question = sa.Table(
    "question",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), nullable=False),
    sa.Column("pass", _ID, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # conflict | ambiguous | deleted-and-edited | taken | merged
    sa.Column("subject", sa.Text, nullable=False),  # what it is about: unique while open
    sa.Column("link", _ID),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.UniqueConstraint("scope", "kind", "subject"),
)

decision = sa.Table(
    "decision",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("scope", _ID, sa.ForeignKey("scope.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # field | fate | match
    sa.Column("subject", sa.Text, nullable=False),  # what it is about, as the question it answers
    sa.Column("link", _ID),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.UniqueConstraint("scope", "kind", "subject"),
    sa.Index("ix_decision_link", "link"),
)
