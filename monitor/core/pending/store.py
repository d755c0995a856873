"""The rows of events that wait: ring arrays, in blocks of 4,096 that are dropped whole, oldest first."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.core.events import Bools, Floats, Ints
from monitor.core.pending.cells import NOTHING, Cells, Dictionary, boxed
from monitor.core.pending.index import IdIndex
from monitor.core.state import StateError
from monitor.core.windows.hashing import Hashes

BLOCK = 4096
_INDEX = 12  # bytes a row in the index, about


@dataclass(slots=True)
class Block:
    """What a block of rows has besides its rows."""

    values: Dictionary = field(default_factory=Dictionary)
    versions: dict[str | None, int] = field(default_factory=dict)
    newest: float = -np.inf  # clock


class Store:
    """Rows are numbered from 0 on, for ever; `base` is the oldest kept, `end` the next."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.base = 0
        self.end = 0
        self.blocks: deque[Block] = deque()
        self.index = IdIndex()
        self._types = {"id": "u8", "clock": "f8", "version": "u2", "joined": "?", **{f".{c}": "u8" for c in columns}}
        self._rows: dict[str, npt.NDArray[Any]] = {name: np.zeros(64, dtype=t) for name, t in self._types.items()}

    @property
    def space(self) -> int:
        """Rows that the newest block still takes; a new one takes BLOCK."""
        return BLOCK - self.end % BLOCK

    def adopt(self, columns: tuple[str, ...]) -> None:
        """Keep these columns from now on. Events that are kept already have no value in those that are new."""
        fields = {f".{column}": column for column in (*self.columns, *columns)}
        for name, column in fields.items():
            if column not in columns:
                del self._types[name], self._rows[name]
            elif name not in self._types:
                self._types[name] = "u8"
                self._rows[name] = np.full(len(self._rows["id"]), NOTHING)
        self.columns = columns

    def size(self) -> int:
        """Bytes needed for the rows kept, estimated, the same on every machine and for every history."""
        row = _INDEX + sum(np.dtype(t).itemsize for t in self._types.values())
        return (self.end - self.base) * row + sum(block.values.size for block in self.blocks)

    def find(self, ids: Hashes, oldest: Floats) -> Ints:
        """The row of each id whose clock is not before `oldest`; -1 where there is none."""

        def matches(rows: Ints, which: Ints) -> Bools:
            match: Bools = (self.get("id", rows) == ids[which]) & (self.get("clock", rows) >= oldest[which])
            return match

        return self.index.find(ids, self.base, matches)

    def append(
        self, ids: Hashes, clock: Floats, versions: list[str | None], joined: Bools, columns: dict[str, list[Any]]
    ) -> int:
        """Keep rows of new ids, at most `space` of them. Answers how many values were too big to keep."""
        if self.end % BLOCK == 0:
            self.blocks.append(Block())
        self._grow(len(ids))
        block, rows = self.blocks[-1], np.arange(self.end, self.end + len(ids))
        folded = block.values.folded
        known = block.versions
        codes = np.array([known.setdefault(version, len(known)) for version in versions], dtype=np.uint16)
        fields: dict[str, npt.NDArray[Any]] = {"id": ids, "clock": clock, "version": codes, "joined": joined}
        for name, values in fields.items():
            self.set(name, rows, values)
        for column in self.columns:
            self.set(f".{column}", rows, block.values.encode(columns[column]))
        block.newest = max(block.newest, float(clock.max()))
        self.end += len(ids)
        if not self.index.add(ids, rows):
            self._reindex()
        return block.values.folded - folded

    def get(self, name: str, rows: Ints) -> npt.NDArray[Any]:
        """One field of some rows."""
        array = self._rows[name]
        return array[rows % len(array)]

    def set(self, name: str, rows: Ints, values: npt.NDArray[Any] | bool) -> None:
        """Write one field of some rows."""
        array = self._rows[name]
        array[rows % len(array)] = values

    def values(self, column: str, rows: Ints) -> list[Any]:
        """A column's values as they came (whole numbers as floats)."""
        cells: Cells = self.get(f".{column}", rows)
        values: list[Any] = cells.view(np.float64).tolist()
        which, codes = boxed(cells)
        blocks = (rows[which] // BLOCK).tolist()
        tables = {block: self._block(block * BLOCK).values.table for block in set(blocks)}
        for i, block, code in zip(which, blocks, codes, strict=True):
            values[i] = tables[block][code]
        return values

    def versions(self, rows: Ints) -> list[str | None]:
        """The version of each row's event."""
        codes, blocks = self.get("version", rows).tolist(), (rows // BLOCK).tolist()
        names = {block: list(self._block(block * BLOCK).versions) for block in set(blocks)}
        return [names[block][code] for block, code in zip(blocks, codes, strict=True)]

    def drop_before(self, clock: float) -> int:
        """Forget blocks whose rows are all older; answers how many of these never got their truth."""
        lost = 0
        while len(self.blocks) > 1 and self.blocks[0].newest < clock:
            lost += self.drop()
        return lost

    def drop(self) -> int:
        """Forget the oldest block, a full one; answers how many of its rows never got their truth."""
        self.blocks.popleft()
        rows = np.arange(self.base, self.base + BLOCK)
        self.base += BLOCK
        return int(np.count_nonzero(~self.get("joined", rows)))

    def unjoined(self) -> int:
        """Rows that have not got their truth."""
        return int(np.count_nonzero(~self.get("joined", np.arange(self.base, self.end))))

    def memory(self) -> int:
        """Bytes held."""
        text = sum(block.values.size for block in self.blocks)
        return sum(array.nbytes for array in self._rows.values()) + self.index.memory() + text

    def save(self) -> Any:
        """State for `core.state.dump`."""
        rows = np.arange(self.base, self.end)
        blocks = [{"values": b.values.values(), "versions": list(b.versions), "newest": b.newest} for b in self.blocks]
        fields = {name: self.get(name, rows) for name in self._types}
        return {"base": self.base, "end": self.end, "columns": list(self.columns), "blocks": blocks, "rows": fields}

    def load(self, saved: Any) -> None:
        """Continue from `save`. Raises StateError if it kept other columns."""
        if saved["columns"] != list(self.columns):
            raise StateError(f"pending events keep columns {saved['columns']}, the rules read {list(self.columns)}")
        self.base = self.end = saved["base"]
        self.blocks = deque(
            Block(Dictionary(b["values"]), {version: code for code, version in enumerate(b["versions"])}, b["newest"])
            for b in saved["blocks"]
        )
        self._grow(saved["end"] - saved["base"])
        self.end = saved["end"]
        for name in self._types:
            self.set(name, np.arange(self.base, self.end), saved["rows"][name])
        self._reindex()

    def _block(self, row: int) -> Block:
        return self.blocks[row // BLOCK - self.base // BLOCK]

    def _reindex(self) -> None:
        self.index.rebuild(self.get("id", np.arange(self.base, self.end)), self.base)

    def _grow(self, more: int) -> None:
        """Room for more rows; beyond a block an eighth at a time, so that most of what is held is in use."""
        capacity, needed = len(self._rows["id"]), self.end - self.base + more
        if needed <= capacity:
            return
        capacity = max(needed, 2 * capacity if capacity < BLOCK else capacity * 9 // 8)
        rows = np.arange(self.base, self.end)
        for name, kind in self._types.items():
            kept, self._rows[name] = self.get(name, rows), np.zeros(capacity, dtype=kind)
            self.set(name, rows, kept)
