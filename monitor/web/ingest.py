"""`POST /v1/events` and `POST /v1/truth`: from the socket to the durable byte.

Raw ASGI: at a post of one event the framework would cost more than everything else together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from queue import SimpleQueue
from typing import Any, Literal

import msgspec

from monitor.formats.native import Checked, Checker
from monitor.formats.secrets import Secrets
from monitor.formats.split import Unreadable
from monitor.spool import Flags, Lines, Post, Receipt, Spool, Totals, id_hashes, partition_of
from monitor.web import intake_body
from monitor.web.intake_backlog import Backlog
from monitor.web.intake_body import Caps, GoneError, Receive
from monitor.web.intake_headers import Headers, Number, flags_of, number_of
from monitor.web.intake_writer import Writer
from monitor.web.problems import Problem, document

Kind = Literal["events", "truth"]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Told = Callable[[Kind, str, int, int], None]  # kind, source, lines received, lines rejected: once a post
Authorise = Callable[[Headers], object]  # raises Problem, or answers one, when the sender may not post

_SHOWN = 1_000  # rejected lines that an answer lists
_QUICK_SENT = 16 << 10
_STOP_SECONDS = 10.0
_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one post; `rejected` has a line number and a sentence for each line that was not taken."""

    accepted: int
    duplicates: int
    rejected: list[tuple[int, str]]

    def body(self) -> bytes:
        shown = [{"line": line, "reason": reason} for line, reason in self.rejected[:_SHOWN]]
        answer: dict[str, Any] = {"accepted": self.accepted, "rejected": shown, "duplicates": self.duplicates}
        if len(self.rejected) > _SHOWN:
            answer["rejected_beyond"] = len(self.rejected) - _SHOWN
        return _ENCODE(answer)


@dataclass(frozen=True, slots=True)
class Stats:
    """For metrics and accounting: totals since the home was made, and what waits for an answer now."""

    totals: Totals
    pending_posts: int
    pending_bytes: int
    dedup_since: float | None  # of the partition that reaches back least
    trouble: str | None


@dataclass(slots=True)
class _Prepared:
    posts: list[Post]
    rejected: list[tuple[int, str]]
    size: int


class Intake:
    """Everything between the server and the spool. `events` and `truth` are ASGI applications for the two routes.

    `wake` is called from the writer's thread after each commit. `authorise` gets the headers with lower-case names.
    `observed` gives the offset up to which a partition's lines are observed; the writer's thread asks it once a second.
    Without it nothing is refused for waiting. `told` hears of every post that was taken.
    """

    def __init__(
        self,
        spool: Spool,
        secrets: Secrets,
        *,
        now: Callable[[], float],
        authorise: Authorise,
        wake: Callable[[], None] = lambda: None,
        partitions: int = 1,
        caps: Caps | None = None,
        observed: Callable[[int], int] | None = None,
        told: Told = lambda kind, source, received, rejected: None,
    ) -> None:
        self._spool, self._partitions, self.authorise = spool, partitions, authorise
        self.caps, self._told = caps or Caps(), told
        backlog = Backlog() if observed is None else Backlog(partial(self._waiting, observed), self.caps.waiting_events)
        self._writer = Writer(spool, now, wake, self.caps.pending_bytes, self.caps.pending_posts, backlog, partitions)
        self._pool = ThreadPoolExecutor(2, "intake-check")
        self.memory = intake_body.Memory(self.caps.pending_bytes)
        self.use(secrets)
        self.events = Door(self, "events")
        self.truth = Door(self, "truth")

    def use(self, secrets: Secrets) -> None:
        """Treat columns as a new rule book, or what a person said of a column, asks for: from the next post on."""
        self._here = _Checkers(secrets)
        self._beside: SimpleQueue[_Checkers] = SimpleQueue()
        for _ in range(2):
            self._beside.put(_Checkers(secrets))

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> bool:
        """Make durable what was handed over, then end; False if the disk did not answer in ten seconds."""
        self._pool.shutdown(wait=False)
        return self._writer.stop(_STOP_SECONDS)

    def trouble(self) -> str | None:
        """Why nothing can be taken at the moment, or None: then the front is ready as far as intake goes."""
        return self._writer.trouble

    def refused_since_commit(self, partition: int) -> int:
        """Refused posts that the spool's totals do not have yet; they are counted in partition 0."""
        return self._writer.refused if partition == 0 else 0

    def stats(self) -> Stats:
        """Raises SpoolError if the spool cannot be read."""
        each = [self._spool.totals(partition) for partition in range(self._partitions)]
        since = [at for p in range(self._partitions) if (at := self._spool.dedup_since(p)) is not None]
        posts, size = self._writer.pending
        totals = Totals(*map(sum, zip(*each, strict=True)))
        return Stats(totals, posts, size, max(since, default=None), self.trouble())

    async def submit(
        self, kind: Kind, body: bytes, flags: Flags, number: Number | None = None, coding: str = ""
    ) -> Answer:
        """Check a body, make what is good in it durable, and say what became of it. Raises Problem."""
        prepared = self._prepared_here(kind, body, coding, flags, number)
        if prepared is None:
            prepared = await self._prepared_beside(kind, body, coding, flags, number)
        receipt = await self._writer.put(prepared.posts, prepared.size)
        if receipt.conflict and number is not None:
            raise Problem(
                409,
                f"Post {number.sequence} of producer {number.producer!r} was taken before with other content. "
                f"A producer that starts anew needs a new name, or must go on counting.",
            )
        return self.told(kind, flags, receipt, prepared.rejected)

    def at_once(
        self, kind: Kind, body: bytes, flags: Flags, coding: str = ""
    ) -> tuple[asyncio.Future[Receipt], list[tuple[int, str]]] | None:
        """As `submit` begins, for a small post without a number that is there as a whole: what will be its receipt, and
        the rejected lines. None if it is not so small once it is inflated. Raises Problem."""
        self._writer.check()
        prepared = self._prepared_here(kind, body, coding, flags, None)
        return None if prepared is None else (self._writer.put(prepared.posts, prepared.size), prepared.rejected)

    def told(self, kind: Kind, flags: Flags, receipt: Receipt, rejected: list[tuple[int, str]]) -> Answer:
        """Count a post that is durable; what its sender is to hear."""
        self._told(kind, flags.source, receipt.accepted + receipt.duplicates + len(rejected), len(rejected))
        return Answer(receipt.accepted, receipt.duplicates, rejected)

    def check(self) -> None:
        """Raises Problem while no post would be taken, so that none need be read."""
        self._writer.check()

    @property
    def pending_posts(self) -> int:
        """Posts that wait for the disk now."""
        return self._writer.pending[0]

    def refused(self) -> None:
        """Count a post that was turned away as a whole."""
        self._writer.refuse()

    def _waiting(self, observed: Callable[[int], int]) -> int:
        """By offsets and not by totals: what a damaged file has lost waits for nobody."""
        spool, partitions = self._spool, range(self._partitions)
        done = sum(spool.accepted_at(partition, observed(partition)) for partition in partitions)
        return sum(spool.totals(partition).accepted for partition in partitions) - done

    def _prepared_here(
        self, kind: Kind, body: bytes, coding: str, flags: Flags, number: Number | None
    ) -> _Prepared | None:
        """None if it is so large, perhaps only once it is inflated, that the event loop must not wait for it."""
        quick = self.caps.quick_bytes
        if len(body) > (_QUICK_SENT if coding else quick):
            return None
        try:
            text = intake_body.inflate(body, coding, min(quick, self.caps.body_bytes))
            return self._check(self._here, kind, text, flags, number)
        except Problem as problem:
            if problem.status != 413:
                raise
        return None

    async def _prepared_beside(
        self, kind: Kind, body: bytes, coding: str, flags: Flags, number: Number | None
    ) -> _Prepared:
        try:
            beside = asyncio.get_running_loop().run_in_executor(
                self._pool, self._inflate_and_check, kind, body, coding, flags, number
            )
        except RuntimeError as problem:  # the pool was shut down
            raise intake_body.unavailable("The daemon is stopping", 5) from problem
        return await beside

    def _inflate_and_check(
        self, kind: Kind, body: bytes, coding: str, flags: Flags, number: Number | None
    ) -> _Prepared:
        text = intake_body.inflate(body, coding, self.caps.body_bytes)
        queue = self._beside
        checkers = queue.get()
        try:
            return self._check(checkers, kind, text, flags, number)
        finally:
            queue.put(checkers)

    def _check(self, checkers: _Checkers, kind: Kind, text: bytes, flags: Flags, number: Number | None) -> _Prepared:
        try:
            checked = checkers.of(kind).check(text)
        except Unreadable as problem:
            raise Problem(400, str(problem)) from problem
        posts = _posts(kind, checked, self._partitions, flags)
        posts[0].rejected = len(checked.rejected)
        if number is not None:
            digest = blake2b(text, digest_size=16).digest()
            for post in posts:
                post.producer, post.sequence, post.digest = number.producer, number.sequence, digest
        return _Prepared(posts, checked.rejected, len(text))


class Door:
    """One route as an ASGI application."""

    def __init__(self, intake: Intake, kind: Kind) -> None:
        self._intake, self._kind = intake, kind

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except GoneError:
            return
        except Problem as problem:
            await document(problem)(scope, receive, send)
            return
        body = answer.body()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise Problem(405, f"{scope['method']} is not for this route: use POST.", {"Allow": "POST"})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        verdict = self._intake.authorise(headers)
        if isinstance(verdict, Problem):
            raise verdict
        try:
            self._intake.check()
            coding = intake_body.coding_of(headers)
            number = number_of(headers)
            with self._intake.memory.hold() as take:
                body = await intake_body.read(receive, headers, self._intake.caps.body_bytes, take)
                return await self._intake.submit(self._kind, body, flags_of(headers), number, coding)
        except GoneError:
            raise
        except Exception:
            self._intake.refused()
            raise


class _Checkers:
    def __init__(self, secrets: Secrets) -> None:
        self._events = Checker("events", secrets)
        self._truth = Checker("truth", secrets)

    def of(self, kind: Kind) -> Checker:
        return self._events if kind == "events" else self._truth


def _posts(kind: Kind, checked: Checked, partitions: int, flags: Flags) -> list[Post]:
    """One for partition 0, which counts the rejected lines, and one for every other partition with lines."""
    hashes = id_hashes(checked.models, checked.ids) if kind == "events" else b""
    lines = checked.apart if checked.text is None else Lines(checked.text, len(checked.ids))
    if partitions == 1:
        return [Post(kind, lines, hashes, 0, flags)]
    return _by_partition(kind, checked, lines, hashes, partitions, flags)


def _by_partition(
    kind: Kind, checked: Checked, lines: Sequence[bytes], hashes: bytes, partitions: int, flags: Flags
) -> list[Post]:
    rows: dict[int, list[int]] = {0: []}
    of_model = {model: partition_of(model, partitions) for model in set(checked.models)}
    for row, model in enumerate(checked.models):
        rows.setdefault(of_model[model], []).append(row)
    posts: list[Post] = []
    for partition, own in sorted(rows.items()):
        if len(own) == len(lines):
            posts.append(Post(kind, lines, hashes, partition, flags))
            continue
        some = b"".join([hashes[8 * row : 8 * row + 8] for row in own])
        posts.append(Post(kind, [lines[row] for row in own], some, partition, flags))
    return posts
