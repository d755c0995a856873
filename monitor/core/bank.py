"""The bank: what watching remembers, for one partition. Rebuilt from snapshots and recorded steps."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from monitor.core.events import Batch
from monitor.core.modelwatch import ModelWatch
from monitor.core.rules.model import Book
from monitor.core.state import StateError, dump, load
from monitor.core.watcher import Mark

MAX_MODELS = 2_000  # about 2 GB under the shipped packs
MAX_WAITING = 200  # models that have a reference before their first event
FORMAT = 2  # 1: without `retired` and `waiting`
REMEMBERED = 90 * 86400.0  # seconds after which nothing recorded before a retirement can still be waiting
Owns = Callable[[str], bool]


class Bank:
    """Models and their watchers. Models beyond `max_models`, and any new ones while it is `closed` because its memory
    is used up, are not watched; `unwatched` counts their batches.

    `owns` says which models belong to this partition. `seq` and `at` are of the last step. While steps are run again,
    a model's part may be ahead of others (`ModelWatch.as_of`), and so may what belongs to no model: a step at or
    before `seq` changes only the parts that are behind it.
    """

    def __init__(
        self, partition: int, book: Book, max_models: int = MAX_MODELS, owns: Owns = lambda model: True
    ) -> None:
        self.partition = partition
        self.book = book
        self.max_models = max_models
        self.owns = owns
        self.models: dict[str, ModelWatch] = {}
        self.unwatched = 0
        self.unplaced = 0  # references given for models that did not come while there was room for them to wait
        self.closed = False
        self.at = 0.0
        self.seq = 0
        self.retired: dict[str, float] = {}  # model -> events recorded before are of the one that was retired
        self.waiting: dict[str, dict[str, Mark]] = {}  # model not met yet -> rule -> the reference given for it
        self.lost: dict[str, int] = {}  # model whose part is still to be made again -> the step that first made it

    def part(self, model: str, book: Book, at: float, seq: int) -> ModelWatch | None:
        """The part of a model as of step `seq`, made when the model first appears; None if it is not watched."""
        known = self.models.get(model)
        if known is not None:
            return known
        anew = seq > self.seq
        if not self.owns(model) or not (anew or self.lost.get(model, seq + 1) <= seq):
            return None
        if anew and (self.closed or len(self.models) >= self.max_models):
            self.unwatched += 1
            return None
        self.lost.pop(model, None)
        made = self.models[model] = ModelWatch(model, book, at, seq)
        for mark in self.waiting.get(model, {}).values():
            made.apply(mark)
        return made

    def keep_waiting(self, mark: Mark, seq: int) -> None:
        """Keep a reference that was given for a model before its first event, until it is to learn its own after all.

        It stays when the model has come: its part may have to be made again.
        """
        if mark.model is None or mark.model in self.models or not self.owns(mark.model) or seq <= self.seq:
            return
        waiting = self.waiting.pop(mark.model, {})
        kept = {rule: one for rule, one in waiting.items() if mark.rule not in (None, rule)}
        if mark.rule is not None and "fitted" in (mark.body or {}):
            kept[mark.rule] = mark
        if kept:
            self.waiting[mark.model] = kept
        if len(self.waiting) > MAX_WAITING:  # one whose model has come, or else the one that has waited longest
            longest = next((name for name in self.waiting if name in self.models), next(iter(self.waiting)))
            self.unplaced += longest not in self.models
            del self.waiting[longest]

    def adopt(self, book: Book, at: float, seq: int) -> None:
        """Watch by another book from now on. Models that it expects by name are watched before their first event."""
        if seq > self.seq:
            self.book = book
        for part in self.models.values():
            if part.as_of < seq:
                part.adopt(book)
        for model in book.expected_models():
            self.part(model, book, at, seq)

    def close(self, full: bool, seq: int) -> None:
        """Take no more models, or take them again."""
        if seq > self.seq:
            self.closed = full

    def tick(self, at: float, seq: int) -> None:
        """Time has passed: histories that nothing has come of for long are dropped."""
        for part in self.models.values():
            if part.as_of < seq:
                part.tick(at)

    def retire(self, model: str, until: float, seq: int) -> None:
        """Forget a model, unless it has been met again since; what was recorded before `until` brings it not back."""
        if model in self.models and self.models[model].as_of < seq:
            del self.models[model]
        if seq > self.seq:
            self.waiting.pop(model, None)
            self.retired = {name: at for name, at in self.retired.items() if at > until - REMEMBERED} | {model: until}

    def watched(self, batch: Batch) -> Batch:
        """The rows that concern a model as it is now, and not one of that name that a person retired since."""
        until = self.retired.get(batch.model)
        if until is None or not batch.n or batch.recorded_at[0] >= until:
            return batch
        return batch.take(np.flatnonzero(batch.recorded_at >= until))

    def passed(self, at: float, seq: int) -> None:
        """Step `seq` is done."""
        if seq > self.seq:
            self.at, self.seq = at, seq

    def memory(self) -> int:
        """Bytes held, estimated."""
        return sum(part.memory() for part in self.models.values())

    def failures(self) -> int:
        """How many rules are switched off because they failed, over all models."""
        return sum(len(part.failed) for part in self.models.values())

    # -- state --------------------------------------------------------------------------------------------------

    def dump(self, model: str) -> bytes:
        """One model's part as bytes."""
        return dump(self.models[model].save())

    def dump_index(self) -> bytes:
        """What belongs to the bank and to no model."""
        born = {name: part.born for name, part in self.models.items()}
        head = {"v": FORMAT, "at": self.at, "seq": self.seq, "book": self.book.digest}
        waiting = {
            model: [[m.at, rule, m.body or {}] for rule, m in sorted(marks.items())]
            for model, marks in self.waiting.items()
        }
        rest = {"unwatched": self.unwatched, "closed": self.closed, "retired": self.retired, "waiting": waiting}
        rest |= {"unplaced": self.unplaced, "order": list(self.waiting)}
        return dump({**head, "born": born, **rest})

    def digest(self) -> str:
        """sha256 (hex) over all that watching remembers of its models, whatever way it came into memory."""
        return sha256(dump({name: part.save() for name, part in self.models.items()})).hexdigest()

    def restore(self, data: bytes, seq: int, born: int, books: Callable[[str], Book]) -> list[str]:
        """Put back one model's part, made at step `born`, as of step `seq`.

        Answers the keys of rules that start afresh. Raises StateError.
        """
        saved = load(data)
        try:
            part = ModelWatch(saved["name"], books(saved["book"]), saved["since"], born)
            afresh = part.load(saved)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise StateError(f"it is no state of a model that this program can read: {problem!r}") from problem
        part.as_of = seq
        self.models[part.name] = part
        return afresh

    def restore_index(self, data: bytes, books: Callable[[str], Book]) -> dict[str, int]:
        """Put back what `dump_index` held. Answers the models of then, each with the step that made it.

        Raises StateError.
        """
        saved: Any = load(data)
        try:
            if saved["v"] not in (1, FORMAT):
                raise StateError(f"the index of the bank has version {saved['v']}, this program reads {FORMAT}")
            self.book = books(saved["book"])
            self.at, self.seq = saved["at"], saved["seq"]
            self.unwatched, self.closed = saved["unwatched"], saved["closed"]
            self.retired = dict(saved.get("retired", {}))
            self.waiting = {
                model: {rule: Mark("reference", at, model, rule, body=body) for at, rule, body in marks}
                for model, marks in saved.get("waiting", {}).items()
            }
            self.waiting = {name: self.waiting[name] for name in saved.get("order", sorted(self.waiting))}
            self.unplaced = saved.get("unplaced", 0)
            return {name: born for name, born in saved["born"].items() if self.owns(name)}
        except (KeyError, TypeError, AttributeError) as problem:
            raise StateError(f"the index of the bank cannot be read: {problem!r}") from problem
