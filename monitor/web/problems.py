"""Errors as RFC 9457 problem documents: one sentence that says what happened and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


class Problem(Exception):  # noqa: N818 - an answer, not a mistake
    """Something to answer with. `extra` goes into the document; `headers` to the response."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.extra = status, detail, dict(headers or {}), extra


def document(problem: Problem) -> JSONResponse:
    """The problem as a response."""
    title = HTTPStatus(problem.status).phrase
    body = {"type": "about:blank", "title": title, "status": problem.status, "detail": problem.detail, **problem.extra}
    return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of the application as a problem document."""

    @app.exception_handler(Problem)
    async def _ours(_: Request, problem: Problem) -> JSONResponse:
        return document(problem)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, invalid: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in invalid.errors()]
        return document(Problem(422, "The request is not what this route takes: " + "; ".join(found[:5]) + "."))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.url.path}: {error.detail}."
        return document(Problem(error.status_code, detail, error.headers))

    @app.exception_handler(Exception)
    async def _fault(_: Request, __: Exception) -> JSONResponse:
        return document(Problem(500, "The daemon made a mistake answering this request; its log has the details."))
