"""First tables, and the guards that keep the audit log append-only.

The guards prevent accidents; evidence of tampering is the Merkle tree's work. INSERT OR REPLACE would pass SQLite's
UPDATE and DELETE triggers, so an entry is refused unless it is the next one.

Revision ID: 0001
Revises: none
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ONLY_APPEND = "the audit log is append-only"
ONLY_NEXT = "an audit entry must be the next one"
ONLY_GROW = "the audit frontier only grows"


def upgrade() -> None:
    _tables()
    _guards()


def _tables() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_table(
        "audit_frontier",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_frontier"),
    )
    op.create_table(
        "books",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("loaded_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_books"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_facts"),
    )
    op.create_table(
        "gates",
        sa.Column("scope", sa.String(length=1000), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=True),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_gates"),
    )
    op.create_table(
        "gate_clients",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("client", sa.String(length=100), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.String(length=40), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("drill", sa.String(length=10), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("model", "client", name="pk_gate_clients"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("decision_id", sa.String(length=200), nullable=False),
        sa.Column("mode", sa.String(length=4), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("proposed", sa.Text(), nullable=False),
        sa.Column("fallback", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("model", "decision_id", name="uq_decisions_model"),
    )
    op.create_index("ix_decisions_waiting", "decisions", ["state", "deadline_at"])
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("pack", sa.String(length=100), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("segment", sa.String(length=400), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.Column("latches", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("runbook_url", sa.Text(), nullable=True),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("cleared_at", sa.Double(), nullable=True),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.Column("closed_by", sa.String(length=100), nullable=True),
        sa.Column("owner", sa.String(length=100), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=100), nullable=True),
        sa.Column("acknowledged_at", sa.Double(), nullable=True),
        sa.Column("acknowledged_until", sa.Double(), nullable=True),
        sa.Column("acknowledged_effect", sa.Double(), nullable=True),
        sa.Column("worsened_at", sa.Double(), nullable=True),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("opening", sa.String(length=12), nullable=False),
        sa.Column("evidence_at", sa.Double(), nullable=True),
        sa.Column("orphaned", sa.Text(), nullable=True),
        sa.Column("gate", sa.String(length=10), nullable=True),
        sa.Column("gate_held", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("escalation", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_rule", "incidents", ["pack", "rule", "model"])
    op.create_index("ix_incidents_state", "incidents", ["state", "opened_at"])

    op.create_table(
        "models",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("first_seen", sa.Double(), nullable=True),
        sa.Column("last_seen", sa.Double(), nullable=True),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("late_by", sa.Double(), nullable=True),
        sa.Column("estimates", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("model", name="pk_models"),
    )
    op.create_table(
        "overrides",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("decision_id", sa.String(length=200), nullable=False),
        sa.Column("verb", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("reverses", sa.String(length=36), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_overrides"),
    )
    op.create_index("ix_overrides_model", "overrides", ["model", "at"])

    op.create_table(
        "partitions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("book", sa.String(length=64), nullable=False),
        sa.Column("desk_seq", sa.BigInteger(), nullable=False),
        sa.Column("totals", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partition", name="pk_partitions"),
    )
    op.create_table(
        "quarantine",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "offset", name="pk_quarantine"),
    )
    op.create_table(
        "references",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_references"),
        sa.UniqueConstraint("model", "version", name="uq_references_model"),
    )
    op.create_table(
        "reference_bodies",
        sa.Column("reference", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("armed_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["reference"], ["references.id"], name="fk_reference_bodies_reference"),
        sa.PrimaryKeyConstraint("reference", "rule", name="pk_reference_bodies"),
    )

    op.create_table(
        "rule_states",
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("segment", sa.String(length=400), nullable=False),
        sa.Column("historical", sa.Boolean(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("last_true", sa.Double(), nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=True),
        sa.Column("paused", sa.Double(), nullable=False),
        sa.Column("unknown_since", sa.Double(), nullable=True),
        sa.Column("muted_since", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("rule", "model", "segment", "historical", name="pk_rule_states"),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("matchers", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
    )
    op.create_table(
        "steps",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("from_offset", sa.BigInteger(), nullable=False),
        sa.Column("to_offset", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("book", sa.String(length=64), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "seq", name="pk_steps"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("user", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("used_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("parent", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "wanted_marks",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("step_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_wanted_marks"),
    )
    op.create_index("ix_wanted_marks_open", "wanted_marks", ["partition", "step_seq"])

    op.create_table(
        "evidence",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=False),
        sa.Column("column", sa.String(length=200), nullable=False),
        sa.Column("segment", sa.String(length=400), nullable=False),
        sa.Column("statistic", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("expected", sa.Double(), nullable=True),
        sa.Column("effect", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_evidence_incident"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
    )
    op.create_index("ix_evidence_incident", "evidence", ["incident", "id"])

    op.create_table(
        "notes",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_notes_incident"),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_incident", "notes", ["incident"])

    op.create_table(
        "notices",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("incident", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=60), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_notices_incident"),
        sa.PrimaryKeyConstraint("key", name="pk_notices"),
    )
    op.create_index("ix_notices_due", "notices", ["state", "due_at"])
    op.create_index("ix_notices_incident", "notices", ["incident"])


def _guards() -> None:
    empty = {"id": 1, "size": 0, "peaks": b""}
    frontier = sa.table("audit_frontier", *(sa.column(name) for name in empty))
    op.execute(frontier.insert().values(**empty))
    if op.get_bind().dialect.name == "sqlite":
        _guards_of_sqlite()
    else:
        _guards_of_postgresql()


def _guards_of_sqlite() -> None:
    next_seq = "(SELECT coalesce(max(seq), -1) + 1 FROM audit)"
    for name, when, then in (
        ("audit_no_update", "BEFORE UPDATE ON audit", f"RAISE(ABORT, '{ONLY_APPEND}')"),
        ("audit_no_delete", "BEFORE DELETE ON audit", f"RAISE(ABORT, '{ONLY_APPEND}')"),
        ("audit_next", f"BEFORE INSERT ON audit WHEN NEW.seq <> {next_seq}", f"RAISE(ABORT, '{ONLY_NEXT}')"),
        ("audit_frontier_no_delete", "BEFORE DELETE ON audit_frontier", f"RAISE(ABORT, '{ONLY_GROW}')"),
        (
            "audit_frontier_grows",
            "BEFORE UPDATE ON audit_frontier WHEN NEW.size <= OLD.size OR NEW.id <> OLD.id",
            f"RAISE(ABORT, '{ONLY_GROW}')",
        ),
    ):
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT {then}; END")


def _guards_of_postgresql() -> None:
    for name, condition, message in (
        ("audit_refuse", "true", ONLY_APPEND),
        ("audit_next", "NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM audit)", ONLY_NEXT),
        ("audit_frontier_refuse", "true", ONLY_GROW),
        ("audit_frontier_grows", "NEW.size <= OLD.size OR NEW.id <> OLD.id", ONLY_GROW),
    ):
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {condition} THEN RAISE EXCEPTION '{message}'; END IF; RETURN NEW; END $$"
        )
    for name, when, function in (
        ("audit_no_change", "BEFORE UPDATE OR DELETE ON audit FOR EACH ROW", "audit_refuse"),
        ("audit_no_truncate", "BEFORE TRUNCATE ON audit FOR EACH STATEMENT", "audit_refuse"),
        ("audit_next", "BEFORE INSERT ON audit FOR EACH ROW", "audit_next"),
        ("audit_frontier_no_delete", "BEFORE DELETE ON audit_frontier FOR EACH ROW", "audit_frontier_refuse"),
        (
            "audit_frontier_no_truncate",
            "BEFORE TRUNCATE ON audit_frontier FOR EACH STATEMENT",
            "audit_frontier_refuse",
        ),
        ("audit_frontier_grows", "BEFORE UPDATE ON audit_frontier FOR EACH ROW", "audit_frontier_grows"),
    ):
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()")
