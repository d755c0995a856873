"""Posting files: numbered, so that the same command typed again sends nothing twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from threading import Event

from monitor.cli.context import Exit
from monitor.cli.events_files import Reading, Source
from monitor.cli.http import Daemon
from monitor.client.delivery import FINAL, Delivery, Outcome
from monitor.client.http import Connection
from monitor.sources.follow import Follower

BATCH_LINES = 1_000
BATCH_BYTES = 1 << 20
PATIENCE = 60.0  # seconds without an answer before the command gives up
POLL = 0.25  # seconds between looks at a followed file
SHOWN = 5  # rejected lines in the summary


class Stopped(Exception):  # noqa: N818 - an ending, not a mistake
    """The daemon took no more; the text is a sentence."""

    def __init__(self, sentence: str, code: Exit) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(slots=True)
class Summary:
    """What became of everything that was sent."""

    what: str
    files: int = 0
    counts: Outcome = field(default_factory=Outcome)
    refusals: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome, name: str, numbers: list[int]) -> None:
        self.counts = self.counts.plus(outcome)
        for line, reason in outcome.refusals:
            if len(self.refusals) < SHOWN and 0 < line <= len(numbers):
                self.refusals.append(f"{name} line {numbers[line - 1]}: {reason}")

    def sentences(self) -> list[str]:
        c = self.counts
        sent = c.accepted + c.duplicates + c.rejected
        files = "" if not self.files else f" from {self.files} file{'s' * (self.files != 1)}"
        what = self.what if sent != 1 else self.what.removesuffix("s")
        first = (
            f"Sent {sent:,} {what}{files}: {c.accepted:,} accepted, {c.duplicates:,} sent before, "
            f"{c.rejected:,} rejected."
        )
        more = c.rejected - len(self.refusals)
        beyond = [f"… and {more:,} more."] if self.refusals and more > 0 else []
        return [first, *(f"  {refusal}" for refusal in self.refusals), *(f"  {line}" for line in beyond)]


class Post:
    """Posts batches to one daemon and waits for each answer. Raises Stopped."""

    def __init__(self, daemon: Daemon, reading: Reading, live: bool, patience: float = PATIENCE) -> None:
        self._url = daemon.url
        self._route = "truth" if reading.truth else "events"
        self._patience = patience
        self._deadline = 0.0
        headers = {"Overloop-Source": "file", **({"Overloop-Live": "1"} if live else {})}
        self._delivery = Delivery(
            Connection(daemon.url, daemon.token, 30.0),
            Event(),
            lambda: self._deadline,
            headers=headers,
            final=FINAL | {401, 403},
        )

    def send(self, lines: list[bytes], producer: str, sequence: int) -> Outcome:
        self._deadline = time.monotonic() + self._patience
        outcome = self._delivery.resend(self._route, lines, producer, sequence)
        if outcome.lost and outcome.status != 409:
            if outcome.status:
                raise Stopped(f"The daemon refused: {outcome.problem}", Exit.REFUSED)
            raise Stopped(
                f"Nothing was taken for {self._patience:.0f} s: {outcome.problem}. Run the same command again when "
                f"the daemon at {self._url} is back: it goes on where it stopped.",
                Exit.UNREACHABLE,
            )
        return outcome

    def close(self) -> None:
        self._delivery.close()


def source(path: Path, reading: Reading) -> Source:
    """A file to send; what has no id of its own gets one that is the same each time."""
    name = "standard input" if str(path) == "-" else path.name
    return Source(path, reading, name, producer_of(path, reading)[5:17])


def producer_of(path: Path, reading: Reading) -> str:
    """A name for this content read in this way: sent again, it is known. Standard input has a new one each time."""
    if str(path) == "-":
        return f"send-{os.urandom(16).hex()}"
    status = path.stat()
    text = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{reading.describe()}"
    return f"send-{blake2b(text.encode(), digest_size=16).hexdigest()}"


def send_file(post: Post, from_: Source, producer: str, summary: Summary, moved: Callable[[], None]) -> None:
    """Send one file in batches; `moved` is called after each. Raises Stopped, MappingError, OSError."""
    for sequence, batch in enumerate(_batches(from_.lines()), 1):
        numbers, lines = [number for number, _ in batch], [line for _, line in batch]
        outcome = post.send(lines, producer, sequence)
        if outcome.status == 409:  # this number was used for other bytes: an older version read the file otherwise
            outcome = post.send(lines, f"send-{os.urandom(16).hex()}", 1)
        summary.add(outcome, from_.name, numbers)
        moved()
    summary.files += 1


def follow(post: Post, follower: Follower, summary: Summary, name: str, say: Callable[[str], None], once: bool) -> None:
    """Send new lines as they come, until interrupted (or, with `once`, until there are none)."""
    while True:
        piece = follower.next()
        for note in follower.notes:
            say(note)
        follower.notes.clear()
        if piece is None:
            if once:
                return
            time.sleep(POLL)
            continue
        if any(line.strip() for line in piece.lines):
            outcome = post.send(piece.lines, piece.producer, piece.sequence)
            if outcome.status == 409:
                follower.renumber(f"follow-{os.urandom(12).hex()}")
                continue
            before = summary.counts.rejected
            summary.add(outcome, name, list(range(1, len(piece.lines) + 1)))
            if summary.counts.rejected > before:
                say(f"{summary.counts.rejected - before} lines were rejected; the first: {outcome.problem}")
        follower.done()


def _batches(lines: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for number, line in lines:
        if batch and (len(batch) >= BATCH_LINES or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, line))
        size += len(line)
    if batch:
        yield batch
