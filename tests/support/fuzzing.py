"""What a parser of outside input is fuzzed as: bytes in; an answer, or the errors it names, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

Run = Callable[[bytes], object]
SECONDS = 3.0  # of processor time for one input, on a machine that is busy

# Pieces that parsers trip over, whatever they read.
PIECES = (
    b"", b"\0", b"\n", b"\r\n", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", "\u2028—é\U0001f600".encode(), b'"', b"\\", b"\\ud800",
    b"\\u0000", b"{", b"}", b"[", b"]", b"(", b")", b",", b":", b"=", b"~", b"!", b"-", b"+", b".", b"%", b"/", b"#", b"&",
    b"*", b"|", b"?", b"^", b"$", b"0", b"-0", b"1e999", b"NaN", b"-Infinity", b"null", b"true", b"9" * 30, b"9" * 5000,
    b"[" * 3000, b'{"a":' * 3000, b"(" * 3000, b"a" * 70_000, b"2026-11-24T08:00:00Z", b"9999-12-31T23:59:59+00:00",
    b"0001-01-01T00:00:00+23:59", b" ", b"\t", b"''", b"<<: *a", b"&a", b"!!python/object:os.system", b"../", b"%00", b"e=",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One parser. `run` raises what no answer may be; the errors that the parser names are answers and are caught in it.

    `seeds` are inputs that it reads, to begin from.
    """

    name: str
    run: Run
    seeds: tuple[bytes, ...]
    most: int = 1 << 16  # bytes of an input that are worth while

    def check(self, data: bytes) -> None:
        """Raises AssertionError where it takes too long, and whatever `run` raises."""
        began = time.process_time()
        self.run(data)
        took = time.process_time() - began
        assert took < SECONDS, f"{self.name}: {len(data):,} bytes took {took:.1f} s"


def text(data: bytes) -> str:
    """Text from any bytes: lone surrogates stay, as JSON and file names may have them; what else is wrong is replaced."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Seeds, whole and spoiled, and bytes of no sense at all."""
    edit = st.tuples(st.integers(0, 1 << 16), st.integers(0, 12), st.sampled_from(PIECES) | st.binary(max_size=6))
    seed = st.sampled_from(target.seeds)
    spoiled = st.builds(_spoil, seed, st.lists(edit, min_size=1, max_size=4))
    joined = st.builds(lambda one, other: one[: len(one) // 2] + other, seed, seed)
    return st.one_of(spoiled, spoiled, seed, joined, st.binary(max_size=200), st.text(max_size=60).map(str.encode))


def _spoil(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Cut out a few bytes in some places, and put others there."""
    for place, cut, put in edits:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + cut :]
    return data
