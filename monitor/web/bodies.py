"""What people's routes take: checked shapes, unknown fields refused."""

from __future__ import annotations

import json
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitor.core.rules.paths import path_problem

ANSWER = 16_384  # characters of an override's answer as JSON
_DEPTH = 20


def printable(text: str) -> str:
    if not text.isprintable() or text.isspace():
        raise ValueError("a name has printable characters only")
    return text


def _readable(text: str) -> str:
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in text):
        raise ValueError("text has no control characters but line breaks and tabs")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say something: white space alone is no reason")
    return _readable(text)


def _column(path: str) -> str:
    problem = path_problem(path)
    if problem is not None:
        raise ValueError(" ".join(problem))
    return path


def _plain(value: Any) -> Any:
    """JSON that the ledger and the audit log can keep as it is."""
    if _depth(value) > _DEPTH:
        raise ValueError(f"an answer is nested at most {_DEPTH} deep")
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("an answer holds no NaN and no infinity: JSON has no words for them") from None
    _encodable(value)
    if len(text) > ANSWER or "\\u0000" in text:
        raise ValueError(f"an answer is at most {ANSWER:,} characters of JSON, without NUL")
    return value


def _encodable(value: Any) -> None:
    """Half of a pair of UTF-16 is no character: an answer with one in it could not be sent to anybody."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("an answer holds no lone surrogates (\\ud800 to \\udfff): they are no characters") from None


def _depth(value: Any) -> int:
    level, deep = [value], 0
    while level and deep <= _DEPTH:
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        level = [item for items in inner for item in items]
        deep += 1
    return deep


Reason = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_said)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]
Person = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]
Login = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
Column = Annotated[str, Field(max_length=200), AfterValidator(_column)]
Answer = Annotated[Any, AfterValidator(_plain)]
Fields = Annotated[dict[str, Any], AfterValidator(_plain)]
Segment = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(printable)]
Time = Annotated[
    str,
    Field(max_length=60, examples=["2026-11-24T08:00:00Z"], json_schema_extra={"format": "date-time"}),
]
_Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
VerdictWord = Literal["real", "expected", "false", "unclear"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Touch(_Body):
    """What every act on an incident may carry."""

    note: Reason | None = None
    revision: int | None = Field(default=None, ge=0, description="refuse with 409 when the incident has a newer one")


class Acknowledge(Touch):
    take: bool = Field(default=False, description="become the owner even if somebody else is")
    for_seconds: float | None = Field(
        default=None, gt=0, le=30 * 86400, description="how long it stands; 8 h by default"
    )


class Note(_Body):
    note: Reason


class Assign(Touch):
    owner: Person | None = Field(description="null: nobody")


class Close(Touch):
    verdict: VerdictWord | None = None


class Verdict(Touch):
    verdict: VerdictWord


class Override(_Body):
    model: Name
    decision_id: Name
    verb: Literal["not_use", "disregard", "override", "reverse"]
    reason: Reason
    note: Reason | None = None
    answer: Answer = Field(default=None, description="what holds instead, any JSON; due with the verb override")
    reverses: Name | None = Field(default=None, description="the id of an override; due with the verb reverse")


class SetGate(_Body):
    state: Literal["auto", "review", "halt"]
    reason: Reason
    version: Name | None = Field(default=None, description="of this version only")
    segment: Segment | None = Field(default=None, description="of this segment only: column=value")
    operation: Name | None = Field(default=None, description="of this operation only")
    break_glass: bool = Field(
        default=False, description="end a halt without the second person or the time it has to stand; calls people"
    )


class GateAck(_Body):
    model: Name
    client: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]
    epoch: Annotated[str, Field(max_length=40), AfterValidator(printable)]
    generation: int = Field(strict=True, ge=0, le=2**53)
    state: Literal["auto", "review", "halt"]
    drill: Literal["auto", "review", "halt"] = "auto"


class GateDrill(_Body):
    model: Name
    timeout_seconds: float = Field(default=30.0, gt=0, le=60, description="how long to wait for everybody")


class AskDecision(_Body):
    """An answer about which a service asks a person."""

    model: Name
    decision_id: Name = Field(description="the id of the answer")
    mode: Literal["pre", "post"] = Field(default="pre", description="pre: the service waits; post: the answer is out")
    version: Name | None = None
    inputs: Fields = Field(default_factory=dict)
    proposed: Answer = Field(description="what the model answered, any JSON")
    fallback: Answer = Field(default=None, description="what holds if nobody decides in time, any JSON")
    deadline_seconds: float | None = Field(default=None, ge=1, le=3600, description="as the pack says, if left out")


class Decide(_Body):
    verdict: Literal["approve", "change", "reject"]
    reason: Reason
    answer: Answer = Field(default=None, description="what holds instead, any JSON; due with the verdict change")


class Reasoned(_Body):
    reason: Reason


class Matcher(_Body):
    name: Literal["model", "rule", "pack", "severity"]
    operator: Literal["=", "!=", "=~", "!~"] = "="
    value: Annotated[str, Field(max_length=200), AfterValidator(_readable)]


class Silence(_Body):
    """Its end is given by one of `ends_at` and `for_seconds`."""

    matchers: Annotated[list[Matcher], Field(min_length=1, max_length=20)]
    reason: Reason
    starts_at: Time | None = None
    ends_at: Time | None = None
    for_seconds: float | None = Field(default=None, gt=0, le=30 * 86400)


class _Lasting(_Body):
    reason: Reason
    expires_at: Time | None = Field(default=None, description="when it runs out and the one before is put back")


class AcceptReference(_Lasting):
    model: Name
    rule: Name | None = Field(default=None, description="pack/Rule; null: all rules of the model")


class AcceptIncident(_Lasting):
    pass


class Rollback(_Lasting):
    pass


class FitReference(_Lasting):
    """`fitted` holds what `overloop reference fit` made, by pack/Rule, each as base64."""

    model: Name
    fitted: Annotated[dict[Name, _Base64], Field(min_length=1, max_length=200)]
    source: Annotated[dict[str, str | int | float | None], Field(max_length=20)] = Field(
        default_factory=dict, description="what it was made from, for the record"
    )


class ColumnKind(_Body):
    column: Column
    kind: Literal["number", "category", "text", "vector", "id", "time", "secret"]


class LoginLink(_Body):
    next: Annotated[str, Field(max_length=500)] = Field(default="/", description="the page it leads to")


class NewToken(_Body):
    user: Login
    role: Literal["viewer", "operator", "supervisor", "admin", "ingest"]
    label: Annotated[str, Field(max_length=100), AfterValidator(_readable)] = ""
    days: float | None = Field(default=None, gt=0, le=3650, description="null: it never expires")


class NewUser(_Body):
    name: Login
    role: Literal["viewer", "operator", "supervisor", "admin"]


class Change(_Body):
    """A deploy, told by whoever deploys: shown beside the evidence."""

    model: Name
    version: Name
    at: Time | None = Field(default=None, description="now, unless it is given")
    note: Reason | None = None
