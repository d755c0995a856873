"""Tables of the ledger, the same on SQLite and PostgreSQL. Times are seconds since 1970 UTC, as doubles.

JSON is stored as text that we wrote ourselves. Names of constraints are fixed so that migrations can name them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys only

facts = Table(  # single values: clock anchor, home id, hash key id, gate epoch
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

partitions = Table(
    "partitions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),  # raised by each engine that takes the partition
    Column("seq", BigInteger, nullable=False),  # of the last committed step
    Column("cursor", BigInteger, nullable=False),  # spool offset up to which events are observed
    Column("at", Double, nullable=False),  # of the last committed step
    Column("book", String(64), nullable=False),  # digest in force
    Column("desk_seq", BigInteger, nullable=False),  # raised by every human write
    Column("totals", Text, nullable=False),  # JSON: observed, quarantined, findings, ...
)

steps = Table(
    "steps",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("from_offset", BigInteger, nullable=False),
    Column("to_offset", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("book", String(64), nullable=False),
    Column("marks", Text, nullable=False),  # JSON list
)

books = Table(
    "books",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("source", Text, nullable=False),  # JSON: file path -> text, enough to compile it again
    Column("loaded_at", Double, nullable=False),
)

wanted_marks = Table(
    "wanted_marks",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("partition", Integer, nullable=False),
    Column("mark", Text, nullable=False),  # JSON
    Column("created_at", Double, nullable=False),
    Column("step_seq", BigInteger),  # the step that placed it; NULL = still wanted
    Index("ix_wanted_marks_open", "partition", "step_seq"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("model", String(200), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Double, nullable=False),
)

models = Table(  # every model ever seen or expected
    "models",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("first_seen", Double),
    Column("last_seen", Double),
    Column("events", BigInteger, nullable=False),
    Column("late_by", Double),  # seconds, of the newest event, if it was taken for history
    Column("estimates", Text, nullable=False),  # JSON list: performance that is estimated without truth
    Column("versions", Text, nullable=False),  # JSON list, newest last
    Column("columns", Text, nullable=False),  # JSON: path -> kind
    Column("retired_at", Double),
)

rule_states = Table(
    "rule_states",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("segment", String(400), primary_key=True),
    Column("historical", Boolean, primary_key=True),
    Column("since", Double, nullable=False),
    Column("firing", Boolean, nullable=False),
    Column("last_true", Double, nullable=False),
    Column("incident", String(36)),
    Column("paused", Double, nullable=False),
    Column("unknown_since", Double),
    Column("muted_since", Double),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("pack", String(100), nullable=False),
    Column("rule", String(100), nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", String(200)),
    Column("segment", String(400), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("stage", String(10), nullable=False),
    Column("historical", Boolean, nullable=False),
    Column("latches", Boolean, nullable=False),
    Column("state", String(12), nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("summary", Text, nullable=False),
    Column("meaning", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("runbook_url", Text),
    Column("occurrence", Integer, nullable=False),
    Column("cleared_at", Double),
    Column("closed_at", Double),
    Column("closed_by", String(100)),
    Column("owner", String(100)),
    Column("acknowledged_by", String(100)),
    Column("acknowledged_at", Double),
    Column("acknowledged_until", Double),
    Column("acknowledged_effect", Double),
    Column("worsened_at", Double),
    Column("effect", Double),
    Column("seen", Boolean, nullable=False),
    Column("opening", String(12), nullable=False),
    Column("evidence_at", Double),
    Column("orphaned", Text),
    Column("gate", String(10)),
    Column("gate_held", Boolean, nullable=False),
    Column("verdict", String(10)),
    Column("revision", BigInteger, nullable=False),
    Column("escalation", Text),  # JSON: the policy that held when it was opened
    Index("ix_incidents_state", "state", "opened_at"),
    Index("ix_incidents_rule", "pack", "rule", "model"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("incident", String(36), ForeignKey("incidents.id", name="fk_evidence_incident"), nullable=False),
    Column("column", String(200), nullable=False),
    Column("segment", String(400), nullable=False),
    Column("statistic", String(60), nullable=False),
    Column("value", Double),
    Column("expected", Double),
    Column("effect", Double),
    Column("low", Double),
    Column("high", Double),
    Column("n", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_evidence_incident", "incident", "id"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("incident", String(36), ForeignKey("incidents.id", name="fk_notes_incident"), nullable=False),
    Column("at", Double, nullable=False),
    Column("author", String(100), nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_incident", "incident"),
)

notices = Table(
    "notices",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("incident", String(36), ForeignKey("incidents.id", name="fk_notices_incident"), nullable=False),
    Column("target", String(100), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("holder", String(60)),
    Column("lease_until", Double),
    Column("finished_at", Double),
    Column("problem", Text),
    Index("ix_notices_due", "state", "due_at"),
    Index("ix_notices_incident", "incident"),
)

gates = Table(
    "gates",
    metadata,
    Column("scope", String(1000), primary_key=True),  # core.oversight.scopes
    Column("state", String(10), nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("by", String(100), nullable=False),
    Column("incident", String(36)),
    Column("asked", Text),  # JSON: who asked that the halt end, where it takes two
)

gate_clients = Table(  # processes of services that follow a model's gate, and how far they have
    "gate_clients",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("client", String(100), primary_key=True),  # its own name for itself: host, process, a random part
    Column("user", String(100), nullable=False),  # whose token it has
    Column("epoch", String(40), nullable=False),
    Column("generation", BigInteger, nullable=False),  # that it applied last
    Column("state", String(10), nullable=False),  # of the whole model, as it answers now
    Column("drill", String(10), nullable=False),  # as it answers for the operation that is rehearsed
    Column("applied_at", Double, nullable=False),  # when it said so
    Column("seen_at", Double, nullable=False),
)

decisions = Table(  # answers about which a service asked a person
    "decisions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("decision_id", String(200), nullable=False),
    Column("mode", String(4), nullable=False),  # pre: the service waits; post: the answer is out
    Column("version", String(200)),
    Column("inputs", Text, nullable=False),  # JSON, secret columns hashed or left out
    Column("proposed", Text, nullable=False),  # JSON: what the model answered
    Column("fallback", Text, nullable=False),  # JSON: what holds if nobody decides in time
    Column("state", String(10), nullable=False),  # waiting, approved, changed, rejected, expired
    Column("answer", Text),  # JSON: what holds, once it is decided
    Column("generation", BigInteger, nullable=False),  # of the gate by which it was asked
    Column("asked_by", String(100), nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("deadline_at", Double, nullable=False),
    Column("decided_by", String(100)),
    Column("decided_at", Double),
    Column("reason", Text),
    UniqueConstraint("model", "decision_id", name="uq_decisions_model"),
    Index("ix_decisions_waiting", "state", "deadline_at"),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("matchers", Text, nullable=False),  # JSON
    Column("starts_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("reason", Text, nullable=False),
)

overrides = Table(
    "overrides",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("decision_id", String(200), nullable=False),
    Column("verb", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text),
    Column("answer", Text),  # JSON
    Column("reverses", String(36)),
    Column("at", Double, nullable=False),
    Column("by", String(100), nullable=False),
    Index("ix_overrides_model", "model", "at"),
)

references = Table(
    "references",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("rule", String(200)),  # NULL = all rules of the model
    Column("version", Integer, nullable=False),
    Column("source", Text, nullable=False),  # what it was made from, JSON
    Column("author", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),  # until when it was accepted; NULL = until further notice
    Column("ended_at", Double),  # when it ran out and another one was put in its place
    UniqueConstraint("model", "version", name="uq_references_model"),
)

reference_bodies = Table(  # what was fitted, once it is: the whole of what a rule watched by
    "reference_bodies",
    metadata,
    Column(
        "reference", String(36), ForeignKey("references.id", name="fk_reference_bodies_reference"), primary_key=True
    ),
    Column("rule", String(200), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("armed_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("role", String(12), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),
)

tokens = Table(  # API tokens, login links and sessions: only hashes are kept
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),  # sha256 hex of the secret
    Column("kind", String(10), nullable=False),  # api, login, session
    Column("user", String(100), nullable=False),
    Column("role", String(12), nullable=False),
    Column("label", String(100), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("used_at", Double),
    Column("revoked_at", Double),
    Column("parent", String(36)),  # of a login link or session: the token it was made from, and ends with
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=False),  # from 0, without gaps
    Column("at", Double, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("body", LargeBinary),  # canonical bytes exactly as hashed
    Column("leaf", LargeBinary, nullable=False),  # SHA-256(0x00 || body)
)

audit_frontier = Table(
    "audit_frontier",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("size", BigInteger, nullable=False),
    Column("peaks", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", Double, nullable=False),
    Column("note", Text),  # the same, signed
)
