"""Rule books: all of the new one, or the old one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pumping import PACK, T0, World

from monitor.core.rules.compile import Source
from monitor.core.rules.diagnose import Diagnostic
from monitor.core.rules.model import Book
from monitor.runtime.books import BookRefused, Shelf
from monitor.store.database import Database, LedgerUnavailable


def test_a_book_that_cannot_be_written_down_is_not_in_force_anywhere(world: World) -> None:
    before = world.shelf.current
    with Database.open(world.folder / "ledger.db", patience=0.2) as other:
        blocking = other.write(world.clock.now())
        blocking.__enter__()
        with pytest.raises(LedgerUnavailable):
            world.load(PACK.replace("3m", "5m"))
        blocking.__exit__(None, None, None)
    assert world.shelf.current is before
    world.drain()
    assert world.standing().book == before.digest


def test_bad_rules_keep_the_old_book_and_the_refusal_is_on_record(world: World) -> None:
    before = world.shelf.current
    with pytest.raises(BookRefused, match=r"tests/pack.yaml:\d+:\d+: error"):
        world.load(PACK.replace("share:", "shares:"))
    assert world.shelf.current is before
    (entry,) = world.entries("book_refused")
    assert "This rule does not say what it watches" in entry["problems"][0]


def test_a_book_is_found_again_by_its_digest_by_whoever_did_not_load_it(world: World) -> None:
    digest = world.shelf.current.digest
    other = Shelf(())
    assert other.resolve(world.database, digest).digest == digest
    with pytest.raises(KeyError, match="does not hold the rule book"):
        other.resolve(world.database, "nobody's")


def test_a_folder_without_packs_is_refused_with_its_name(world: World) -> None:
    with pytest.raises(BookRefused, match="holds no pack"):
        Shelf((world.folder / "spool",)).load()
    with pytest.raises(BookRefused, match="There is no such folder"):
        Shelf((world.folder / "nowhere",)).load()


class Slow(Shelf):
    """Its first load takes until `go`."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        super().__init__(folders)
        self.go, self.loaded = threading.Event(), threading.Event()

    def load(self) -> tuple[Book, Source, list[Diagnostic]]:
        found = super().load()
        if not self.loaded.is_set():
            self.loaded.set()
            assert self.go.wait(20.0)
        return found


def test_of_two_reloads_at_once_the_one_that_read_last_comes_into_force_last(world: World) -> None:
    shelf = Slow((world.folder / "rules",))
    first, second = (threading.Thread(target=shelf.reload, args=(world.database, T0, "signal")) for _ in range(2))
    first.start()
    assert shelf.loaded.wait(20.0)
    changed = PACK.replace("3m", "5m")
    (world.folder / "rules" / "tests" / "pack.yaml").write_text(changed)
    second.start()
    second.join(0.2)  # without a turn of its own it would be through by now
    shelf.go.set()
    first.join()
    second.join()
    assert shelf.current.digest == Shelf((world.folder / "rules",)).load()[0].digest
