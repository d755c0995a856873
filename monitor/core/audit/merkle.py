"""The Merkle tree of RFC 6962, section 2.1 (the same in RFC 9162): hashes, and the state needed to append."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the roots of the perfect subtrees (peaks), largest first, one per set bit of `size`.

    Appending costs one hash on average and log2(size) at worst, whatever the size of the log.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf hash."""
        peaks, bits = list(self.peaks), self.size
        while bits & 1:
            leaf = node_hash(peaks.pop(), leaf)
            bits >>= 1
        return Frontier(self.size + 1, (*peaks, leaf))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        grown = self
        for leaf in leaves:
            grown = grown.append(leaf)
        return grown

    @property
    def root(self) -> bytes:
        """The tree head: what one number says about every entry."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def ranges(self) -> list[tuple[int, int]]:
        """The entries [start, stop) under each peak."""
        found, start = [], 0
        for bit in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> bit & 1:
                found.append((start, start + (1 << bit)))
                start += 1 << bit
        return found

    def pack(self) -> bytes:
        """The peaks one after another."""
        return b"".join(self.peaks)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """The reverse of `pack`. Raises ValueError if there cannot be so many peaks for that size."""
        if size < 0 or len(packed) != HASH_SIZE * size.bit_count():
            raise ValueError(f"a tree of {size} leaves cannot have {len(packed)} bytes of peaks")
        return cls(size, tuple(packed[i : i + HASH_SIZE] for i in range(0, len(packed), HASH_SIZE)))
