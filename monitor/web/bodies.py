"""What people's routes take: checked shapes, unknown fields refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(min_length=1, max_length=4000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Touch(_Body):
    """What every act on an incident may carry."""

    note: Text | None = None
    revision: int | None = Field(default=None, description="refuse with 409 when the incident has a newer revision")


class Acknowledge(Touch):
    take: bool = Field(default=False, description="become the owner even if somebody else is")
    for_seconds: float | None = Field(
        default=None, gt=0, le=7 * 86400, description="how long it stands; 8 h by default"
    )


class Note(Touch):
    note: Annotated[str, Field(min_length=1, max_length=4000)]


class Assign(Touch):
    owner: Name


class Close(Touch):
    verdict: Literal["real", "expected", "false", "unclear"] | None = None


class Verdict(Touch):
    verdict: Literal["real", "expected", "false", "unclear"]


class Override(_Body):
    model: Name
    decision_id: Name
    verb: Literal["not_use", "disregard", "override", "reverse"]
    reason: Reason
    note: Text | None = None
    answer: Any = None
    reverses: str | None = None


class SetGate(_Body):
    state: Literal["auto", "review", "halt"]
    reason: Reason


class Reasoned(_Body):
    reason: Reason


class Matcher(_Body):
    name: Literal["model", "rule", "pack", "severity"]
    operator: Literal["=", "!=", "=~", "!~"] = "="
    value: Annotated[str, Field(max_length=200)]


class Silence(_Body):
    matchers: Annotated[list[Matcher], Field(min_length=1, max_length=20)]
    reason: Reason
    starts_at: str | None = None
    ends_at: str | None = None
    for_seconds: float | None = Field(default=None, gt=0, le=90 * 86400)


class AcceptReference(_Body):
    model: Name
    rule: str | None = None
    reason: Reason


class ColumnKind(_Body):
    column: Name
    kind: Literal["number", "category", "text", "vector", "id", "time", "secret"]


class LoginLink(_Body):
    next: str = "/"


class NewToken(_Body):
    user: Name
    role: Literal["viewer", "operator", "supervisor", "admin", "ingest"]
    label: Annotated[str, Field(max_length=100)] = ""
    days: float | None = Field(default=None, gt=0, le=3650)


class NewUser(_Body):
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
    role: Literal["viewer", "operator", "supervisor", "admin"]


class Change(_Body):
    """A deploy, told by whoever deploys: shown beside the evidence."""

    model: Name
    version: Name
    at: str | None = None
    note: Text | None = None
