"""Structured logs on standard error: JSON lines, text for a terminal, or text with priorities for the journal.

Every record has an `action`, which programs may match; the sentence is for people. The records of libraries take the
same way.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.types import EventDict, Processor

from monitor.telemetry.redaction import Redactor

Format = Literal["auto", "json", "console", "journal"]
# syslog's priorities, which the journal reads from the start of each line
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
# Below these levels libraries are noise, or (apprise, urllib3) write addresses with their secrets.
FLOORS = {
    "apprise": logging.INFO,
    "urllib3": logging.INFO,
    "asyncio": logging.INFO,
    "alembic": logging.WARNING,
    "apscheduler": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,  # its name alarms people who only see it say that it has started
}


def configure_logging(
    format_: Format = "auto",
    level: str = "info",
    redactor: Redactor | None = None,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Route all logging of this process to `stream`, standard error by default. Call it once, at the start."""
    stream = stream or sys.stderr
    kind = _detect(stream, environ) if format_ == "auto" else format_
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        _named_action,
    ]
    formatter = _Formatter(redactor or Redactor(), kind == "journal", shared, _renderer(kind))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, floor in FLOORS.items():
        logging.getLogger(name).setLevel(max(floor, root.level))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # so that loggers of modules follow when a test configures anew
    )


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Redacts the finished text, whatever made it, and gives every line of it the priority the journal expects."""

    def __init__(self, redactor: Redactor, prefixed: bool, shared: list[Processor], renderer: Processor) -> None:
        super().__init__(processors=[self.remove_processors_meta, renderer], foreign_pre_chain=shared)
        self._redactor, self._prefixed = redactor, prefixed

    def format(self, record: logging.LogRecord) -> str:
        text = self._redactor(super().format(record))
        if not self._prefixed:
            return text
        priority = PRIORITIES.get(record.levelname.lower(), 5)
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def _detect(stream: TextIO, environ: Mapping[str, str]) -> Format:
    """The journal says in $JOURNAL_STREAM which file it reads; that it is set is not enough, it is inherited."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return "json"
    if environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}":
        return "journal"
    return "console" if stream.isatty() else "json"


def _renderer(kind: Format) -> Processor:
    if kind == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return _text(when=kind == "console")


def _text(when: bool) -> Callable[[Any, str, EventDict], str]:
    """A sentence, then the rest as name=value. Control characters are made visible: they could forge lines."""

    def render(_: Any, __: str, record: EventDict) -> str:
        exception = record.pop("exception", None)
        at, level, logger = record.pop("at", ""), record.pop("level", ""), record.pop("logger", "")
        head = f"{at} {level:<8}" if when else ""
        rest = "".join(f" {name}={_visible(str(value))}" for name, value in record.items() if name != "event")
        tail = "".join(f"\n  {_visible(line)}" for line in str(exception or "").splitlines())
        return f"{head}{_visible(str(record.get('event', '')))} logger={logger}{rest}{tail}"

    return render


def _visible(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _named_action(_: Any, __: str, record: EventDict) -> EventDict:
    """Records of libraries, and of ours that name none, are known by their logger."""
    record.setdefault("action", record.get("logger") or "log")
    return record
