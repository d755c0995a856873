"""What stands in addresses: names, ids, and how much of a list is wanted."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator

from monitor.core.audit.kinds import KINDS
from monitor.web.bodies import printable


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"no audit entry is of the kind {kind[:40]!r}; there are {', '.join(sorted(KINDS))}")
    return kind


State = Literal["open", "acknowledged", "recovered", "closed"]
Model = Annotated[str, Path(min_length=1, max_length=200), AfterValidator(printable)]
Id = Annotated[str, Path(min_length=1, max_length=200), AfterValidator(printable)]
OfModel = Annotated[str | None, Query(min_length=1, max_length=200, description="of one model only")]
OfRule = Annotated[str | None, Query(min_length=1, max_length=201, description="Name, or pack/Name")]
Kind = Annotated[str, Query(json_schema_extra={"enum": sorted(KINDS)}), AfterValidator(_kind)]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many, at most")]
After = Annotated[str | None, Query(min_length=1, max_length=100, description="what `next` of the page before said")]
Before = Annotated[int | None, Query(ge=0, le=2**53, description="what `next` of the page before said")]
