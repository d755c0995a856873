"""The bank: what watching remembers, for one partition. Rebuilt from snapshots and recorded steps."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from monitor.core.modelwatch import ModelWatch
from monitor.core.rules.model import Book
from monitor.core.state import StateError, dump, load

MAX_MODELS = 10_000


class Bank:
    """Models and their watchers. `unwatched` counts batches of models beyond `max_models`: they are not watched."""

    def __init__(self, partition: int, book: Book, max_models: int = MAX_MODELS) -> None:
        self.partition = partition
        self.book = book
        self.max_models = max_models
        self.models: dict[str, ModelWatch] = {}
        self.unwatched = 0
        self.at = 0.0  # daemon time of the last step
        self.seq = 0

    def part(self, model: str, at: float) -> ModelWatch | None:
        """The part of a model, made at its first event; None when the bank is full."""
        known = self.models.get(model)
        if known is None and len(self.models) < self.max_models:
            known = self.models[model] = ModelWatch(model, self.book, at)
        if known is None:
            self.unwatched += 1
        return known

    def adopt(self, book: Book, at: float, seq: int) -> None:
        """Watch by another book from now on. Models that it expects by name are watched before their first event."""
        self.book = book
        for part in self.models.values():
            if part.seq < seq:
                part.adopt(book)
        for model in book.expected_models():
            self.part(model, at)

    def retire(self, model: str) -> None:
        """Forget a model."""
        self.models.pop(model, None)

    def memory(self) -> int:
        """Bytes held, estimated."""
        return sum(part.memory() for part in self.models.values())

    def dump(self, model: str) -> bytes:
        """One model's part as bytes."""
        return dump(self.models[model].save())

    def dump_index(self) -> bytes:
        """What belongs to the bank and to no model."""
        names = sorted(self.models)
        head = {"v": 1, "at": self.at, "seq": self.seq, "book": self.book.digest}
        return dump({**head, "models": names, "unwatched": self.unwatched})

    def digest(self) -> str:
        """sha256 (hex) over all that watching remembers; the numbers of steps, which a restart adds to, left out."""
        parts = {name: {**part.save(), "seq": 0} for name, part in self.models.items()}
        return sha256(dump(parts)).hexdigest()

    def restore(self, data: bytes, books: Callable[[str], Book]) -> tuple[str, list[str]]:
        """Put back one model's part. Answers its name and the keys of rules that start afresh. Raises StateError."""
        saved = load(data)
        if not isinstance(saved, dict) or "name" not in saved:
            raise StateError("these bytes are not a model's part of a bank")
        part = ModelWatch(saved["name"], books(saved["book"]), saved["since"])
        afresh = part.load(saved)
        self.models[part.name] = part
        return part.name, afresh

    def restore_index(self, data: bytes, books: Callable[[str], Book]) -> list[str]:
        """Put back what `dump_index` held. Answers the names of the models the bank had then."""
        saved: Any = load(data)
        self.book = books(saved["book"])
        self.at, self.seq, self.unwatched = saved["at"], saved["seq"], saved["unwatched"]
        return list(saved["models"])
