"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def index_filled(name: str, table: str, column: str) -> None:
    filled = sa.text(f"{column} IS NOT NULL")
    columns = ["scope", column]
    op.create_index(name, table, columns, unique=False, sqlite_where=filled, postgresql_where=filled)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", ID, nullable=False),
        sa.Column("pass", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link", ID, nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_link", "audit", ["link"], unique=False)
    op.create_index("ix_audit_pass", "audit", ["pass"], unique=False)
    index_filled("ix_audit_scope_record", "audit", "record")
    op.create_table(
        "call",
        sa.Column("id", ID, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("until", sa.Float(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call")),
    )
    op.create_index("ix_call_account_at", "call", ["account", "at"], unique=False)
    op.create_table(
        "catalogue",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_catalogue")),
    )
    op.create_table(
        "connection",
        sa.Column("id", ID, nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), server_default="", nullable=False),
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("organisation_name", sa.Text(), nullable=False),
        sa.Column("grant", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("account", sa.Text(), server_default="{}", nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection")),
        sa.UniqueConstraint("spec", "system", name=op.f("uq_connection_spec_system")),
    )
    op.create_table(
        "lease",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_lease")),
    )
    op.create_table(
        "pass",
        sa.Column("id", ID, nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("totals", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pass")),
    )
    op.create_table(
        "scope",
        sa.Column("id", ID, nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("left_org", sa.Text(), nullable=False),
        sa.Column("right_org", sa.Text(), nullable=False),
        sa.Column("left_module", sa.Text(), nullable=False),
        sa.Column("right_module", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scope")),
        sa.UniqueConstraint(
            "spec",
            "module",
            "left_org",
            "right_org",
            "left_module",
            "right_module",
            name=op.f("uq_scope_spec_module_left_org_right_org_left_module_right_module"),
        ),
    )
    op.create_table(
        "heard",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "event", name=op.f("pk_heard")),
    )
    op.create_table(
        "sound",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sound")),
    )
    op.create_table(
        "cursor",
        sa.Column("scope", ID, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_cursor_scope")),
        sa.PrimaryKeyConstraint("scope", "side", name=op.f("pk_cursor")),
    )
    op.create_table(
        "link",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", ID, nullable=False),
        sa.Column("left_id", sa.Text(), nullable=True),
        sa.Column("right_id", sa.Text(), nullable=True),
        sa.Column("left_key", sa.Text(), nullable=True),
        sa.Column("right_key", sa.Text(), nullable=True),
        sa.Column("left_version", sa.Text(), server_default="", nullable=False),
        sa.Column("right_version", sa.Text(), server_default="", nullable=False),
        sa.Column("left_print", sa.LargeBinary(), nullable=True),
        sa.Column("right_print", sa.LargeBinary(), nullable=True),
        sa.Column("left_state", sa.Text(), nullable=False),
        sa.Column("right_state", sa.Text(), nullable=False),
        sa.Column("left_base", sa.Text(), nullable=False),
        sa.Column("right_base", sa.Text(), nullable=False),
        sa.Column("open", sa.Text(), server_default="[]", nullable=False),
        sa.Column("sent", sa.Text(), server_default="[[],[]]", nullable=False),
        sa.Column("left_lock", sa.Text(), nullable=True),
        sa.Column("right_lock", sa.Text(), nullable=True),
        sa.Column("recheck", sa.Text(), nullable=True),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("pass", ID, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_link_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint("scope", "left_id", name=op.f("uq_link_scope_left_id")),
        sa.UniqueConstraint("scope", "right_id", name=op.f("uq_link_scope_right_id")),
    )
    index_filled("ix_link_scope_left_key", "link", "left_key")
    index_filled("ix_link_scope_recheck", "link", "recheck")
    index_filled("ix_link_scope_right_key", "link", "right_key")
    op.create_table(
        "match_key",
        sa.Column("scope", ID, nullable=False),
        sa.Column("rule", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_match_key_scope")),
        sa.PrimaryKeyConstraint("scope", "rule", "key", "side", "record", name=op.f("pk_match_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_match_key_scope_side_record", "match_key", ["scope", "side", "record"], unique=False)
    op.create_table(
        "operation",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", ID, nullable=False),
        sa.Column("pass", ID, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("link", ID, nullable=False),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_operation_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
        sa.UniqueConstraint("key", name=op.f("uq_operation_key")),
    )
    op.create_index("ix_operation_link", "operation", ["link"], unique=False)
    op.create_index(
        "ix_operation_scope_status", "operation", ["scope", "status", "side", "kind", "id"], unique=False
    )
    op.create_table(
        "question",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", ID, nullable=False),
        sa.Column("pass", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("link", ID, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_question_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
        sa.UniqueConstraint("scope", "kind", "subject", name=op.f("uq_question_scope_kind_subject")),
    )
    op.create_table(
        "decision",
        sa.Column("id", ID, nullable=False),
        sa.Column("scope", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("link", ID, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_decision_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint("scope", "kind", "subject", name=op.f("uq_decision_scope_kind_subject")),
    )
    op.create_index("ix_decision_link", "decision", ["link"], unique=False)
    op.create_table(
        "seen",
        sa.Column("scope", ID, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_seen_scope")),
        sa.PrimaryKeyConstraint("scope", "side", "record", name=op.f("pk_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged",
        sa.Column("scope", ID, nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("in_scope", sa.Boolean(), nullable=False),
        sa.Column("ref_key", sa.Text(), nullable=True),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("print", sa.LargeBinary(), nullable=False),
        sa.Column("own", sa.Text(), nullable=False),
        sa.Column("more", sa.Text(), nullable=True),
        sa.Column("twin", sa.LargeBinary(), nullable=True),
        sa.Column("lock", sa.Text(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["scope"], ["scope.id"], name=op.f("fk_staged_scope")),
        sa.PrimaryKeyConstraint("scope", "side", "record", name=op.f("pk_staged")),
    )
    op.create_index("ix_staged_scope_status_seq", "staged", ["scope", "status", "seq"], unique=False)
