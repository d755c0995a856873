"""What a group of posts will add to a partition, decided before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, groupby

import numpy as np
import numpy.typing as npt

from monitor.spool.model import Lines, Post, Receipt, Record
from monitor.spool.recent import Hashes

RECORD_LINES = 2_000
RECORD_ALONE = 500  # lines of a post that make a record of their own: copying them together costs, and gains nothing
RECORD_BYTES = 4 << 20

Producers = dict[str, tuple[int, bytes]]  # producer -> sequence and digest of its last post


@dataclass(slots=True)
class Plan:
    """The lines of one post that are new, their hashes, and what its sender will be told."""

    post: Post
    lines: Sequence[bytes]
    hashes: Hashes
    receipt: Receipt


def plan(
    posts: Sequence[Post], known: Callable[[Hashes], npt.NDArray[np.bool_]], producers: Producers
) -> tuple[list[Plan], Producers]:
    """A plan per post, and the producers' numbers after them (only those that changed)."""
    moved: Producers = {}
    sent = [post.hashes if isinstance(post.hashes, bytes) else b"".join(post.hashes) for post in posts]
    together = np.frombuffer(b"".join(sent), dtype="<u8").astype(np.uint64)
    plans: list[Plan] = []
    start = 0
    for post, hashes in zip(posts, sent, strict=True):
        end = start + len(hashes) // 8
        plans.append(_by_number(post, together[start:end], producers, moved))
        start = end
    _leave_out_known_ids([p for p in plans if p.post.kind == "events" and p.lines], known)
    return plans, moved


def pack(plans: Sequence[Plan], partition: int, first: int, at: float) -> Iterator[tuple[Record, bytes]]:
    """The new lines in order as records of one kind and flags, bounded in lines and bytes, with their hashes."""
    for (kind, flags), run in groupby((p for p in plans if p.lines), lambda p: (p.post.kind, p.post.flags)):
        same = list(run)
        hashes = np.concatenate([item.hashes for item in same]).astype("<u8").tobytes()
        start = 0
        for count, text in _texts([item.lines for item in same]):
            record = Record(partition, first, count, kind, at, flags, text)
            yield record, hashes[8 * start : 8 * (start + count)]
            start, first = start + count, record.end


def _texts(parts: Sequence[Sequence[bytes]]) -> Iterator[tuple[int, bytes]]:
    """The lines of all parts in order, as texts of so many lines each. A part is cut only where it is too large."""
    together: list[bytes] = []
    count = size = last = 0
    for lines, text in (piece for part in parts for piece in _pieces(part)):
        full = count + lines > RECORD_LINES or size + len(text) > RECORD_BYTES
        if count and (full or max(lines, last) >= RECORD_ALONE):
            yield count, b"\n".join(together)
            together, count, size = [], 0, 0
        together.append(text)
        count, size, last = count + lines, size + len(text), lines
    yield count, b"\n".join(together)


def _pieces(part: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    if len(part) == 1:
        yield 1, part[0]
        return
    if isinstance(part, Lines) and len(part) <= RECORD_LINES and len(part.text) <= RECORD_BYTES:
        yield len(part), part.text
        return
    lines = list(part)
    for start, end in _cuts(lines):
        yield end - start, b"\n".join(lines[start:end])


def _cuts(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for end, length in enumerate(map(len, lines)):
        if end > start and (end - start >= RECORD_LINES or size + length > RECORD_BYTES):
            yield start, end
            start, size = end, 0
        size += length
    yield start, len(lines)


def _by_number(post: Post, hashes: Hashes, producers: Producers, moved: Producers) -> Plan:
    """Take the whole post, or none of it if its producer has sent this number before."""
    if post.producer is None:
        return Plan(post, post.lines, hashes, Receipt(len(post.lines), 0))
    last = moved.get(post.producer) or producers.get(post.producer)
    if last is None or post.sequence > last[0]:
        moved[post.producer] = (post.sequence, post.digest)
        return Plan(post, post.lines, hashes, Receipt(len(post.lines), 0))
    conflict = post.sequence == last[0] and post.digest != last[1]
    return Plan(post, (), hashes[:0], Receipt(0, 0 if conflict else len(post.lines), conflict))


def _leave_out_known_ids(plans: list[Plan], known: Callable[[Hashes], npt.NDArray[np.bool_]]) -> None:
    if not plans:
        return
    together = np.concatenate([item.hashes for item in plans])
    fresh = ~known(together)
    in_order = np.sort(together)
    if (in_order[1:] == in_order[:-1]).any():
        first_of_each = np.zeros(len(together), dtype=np.bool_)
        first_of_each[np.unique(together, return_index=True)[1]] = True
        fresh &= first_of_each
    if fresh.all():
        return
    start = 0
    for item in plans:
        mask = fresh[start : start + len(item.lines)]
        start += len(item.lines)
        item.lines = list(compress(item.lines, mask.tolist()))
        item.hashes = item.hashes[mask]
        item.receipt = Receipt(len(item.lines), len(mask) - len(item.lines))
