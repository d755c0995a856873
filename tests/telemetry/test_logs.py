"""Logs: every record is one JSON object or text in the journal's form, has an action, and holds no secret."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.telemetry.logs import FLOORS, configure_logging
from monitor.telemetry.redaction import Redactor

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Logging into a string; put back afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def start(format_: Any = "json", level: str = "info", redactor: Redactor | None = None) -> io.StringIO:
        configure_logging(format_, level, redactor, stream, {})
        return stream

    yield start
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
    for name in FLOORS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_record_is_one_json_object_with_its_action(configure: Configure) -> None:
    stream = configure()
    structlog.get_logger("pump").info("The engine continues.", action="restored", seq=7, name="Zoë")
    record = json.loads(stream.getvalue())
    at = record.pop("at")
    assert at.endswith("Z")
    assert record == {
        "event": "The engine continues.",
        "action": "restored",
        "level": "info",
        "logger": "pump",
        "seq": 7,
        "name": "Zoë",
    }


def test_records_of_libraries_take_the_same_way(configure: Configure) -> None:
    stream = configure()
    logging.getLogger("uvicorn.error").warning("port %d in use", 8420)
    record = json.loads(stream.getvalue())
    assert (record["event"], record["action"], record["level"]) == ("port 8420 in use", "uvicorn.error", "warning")


def test_a_warning_of_python_is_a_record(configure: Configure) -> None:
    stream = configure()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_an_exception_is_part_of_its_record(configure: Configure) -> None:
    stream = configure()
    for log in (structlog.get_logger("pump"), logging.getLogger("library")):
        try:
            raise RuntimeError("broken")
        except RuntimeError:
            log.exception("It failed.")
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert "RuntimeError: broken" in ours["exception"]
    assert "RuntimeError: broken" in theirs["exception"]


def test_what_is_below_the_level_is_not_written(configure: Configure) -> None:
    stream = configure(level="warning")
    structlog.get_logger("pump").info("quiet", action="quiet")
    assert stream.getvalue() == ""


def test_apprise_and_urllib3_never_write_debug_records_which_hold_secrets(configure: Configure) -> None:
    stream = configure(level="debug")
    logging.getLogger("apprise").debug("payload with a token")
    logging.getLogger("urllib3.connectionpool").debug("POST /bottoken")
    structlog.get_logger("pump").debug("shown", action="shown")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["shown"]


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2)]
)
def test_the_journal_gets_a_priority_on_every_line(configure: Configure, level: str, priority: int) -> None:
    stream = configure("journal", level="debug")
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        getattr(structlog.get_logger("pump"), level)("It failed.", action="failed", exc_info=True)
    lines = stream.getvalue().splitlines()
    assert lines[0] == f"<{priority}>It failed. logger=pump action=failed"
    assert len(lines) > 3
    assert all(line.startswith(f"<{priority}>  ") for line in lines[1:])


@pytest.mark.parametrize("format_", ["json", "console", "journal"])
def test_text_from_outside_cannot_forge_a_line(configure: Configure, format_: str) -> None:
    stream = configure(format_)
    evil = "fraud\n<2>all is lost\x1b[31m\r\u2028\x9b"
    structlog.get_logger("pump").info(f"New model {evil}.", action="model_seen", model=evil)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.parametrize("format_", ["json", "console", "journal"])
def test_a_secret_is_hidden_wherever_it_stands(configure: Configure, format_: str) -> None:
    redactor = Redactor()
    secret = 'pa"ss/wörd&1'
    redactor.add(secret)
    stream = configure(format_, redactor=redactor)
    log = structlog.get_logger("courier")
    try:
        raise RuntimeError(f"cannot reach slack://{secret}/x")
    except RuntimeError:
        log.exception(f"Failed for {secret}.", action="failed", url=f"https://x/?k={secret}", nested={"a": [secret]})
    logging.getLogger("apprise").warning("to %s and slack://hooks/pa%%22ss%%2Fw%%C3%%B6rd%%261", secret)
    text = stream.getvalue()
    assert "wörd" not in text
    assert "w\\u00f6rd" not in text
    assert "w%C3%B6rd" not in text
    assert text.count("***") >= 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mailto://joe:pw@example.org", "mailto://***@example.org"),
        ("Authorization: Bearer abc.def-1/+==", "Authorization: Bearer ***"),
        ("token ovl_0123456789abcdef", "token ***"),
        ("see https://example.org/a@b", "see https://example.org/a@b"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_unnamed(text: str, expected: str) -> None:
    assert Redactor()(text) == expected


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_no_known_secret_survives(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    hidden = redactor(before + secret + after)
    assert secret not in hidden or secret in before + "***" + after


def test_the_format_is_found_from_the_stream(tmp_path: Path, configure: Configure) -> None:
    configure()
    with (tmp_path / "log").open("w+") as stream:
        status = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        for environ in (journal, {"JOURNAL_STREAM": "8:1"}, {}):
            configure_logging("auto", "info", None, stream, environ)
            structlog.get_logger("x").info("hello", action="greet")
        first, second, third = (tmp_path / "log").read_text().splitlines()
    assert first == "<6>hello logger=x action=greet"
    assert json.loads(second)["event"] == json.loads(third)["event"] == "hello"


def test_a_terminal_gets_text(configure: Configure) -> None:
    configure()
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as stream:
        configure_logging("auto", "info", None, stream, {})
        structlog.get_logger("x").warning("hello", action="greet")
        stream.flush()
        shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert shown.split(" ", 1)[1].rstrip() == "warning hello logger=x action=greet"
