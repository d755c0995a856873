"""The disk after a power cut: what was synced is there, what was not is lost or half kept, page by page."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path

import pytest
from disk_image import PAGE, Disk
from system_calls import Call

ROOT = Path("/h")


class Script:
    """Calls as a program makes them, one after the other."""

    def __init__(self) -> None:
        self.disk, self.lines = Disk(ROOT), count()

    def call(self, name: str, where: str, *texts: bytes, words: tuple[str, ...] = ("", "", "")) -> None:
        line = next(self.lines)
        made = Call(name, where, texts, words, sum(map(len, texts)) if "write" in name else 0, line, line)
        if "sync" in name:
            self.disk.begin(made)
        self.disk.apply(made)

    def create(self, path: str, folder_too: bool = True) -> None:
        self.call("openat", path, words=("", "", "O_RDWR|O_CREAT"))
        if folder_too:
            self.call("fsync", str(Path(path).parent))

    def write(self, path: str, at: int, data: bytes) -> None:
        self.call("pwrite64", path, data, words=("", str(at)))


@pytest.fixture
def script() -> Script:
    return Script()


def found(disk: Disk, into: Path, seed: int | None = None) -> dict[str, bytes]:
    disk.image(into, None if seed is None else random.Random(seed))
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


def test_what_is_synced_is_there_and_what_is_written_later_is_not(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.write("/h/a", 0, b"one")
    script.call("fdatasync", "/h/a")
    script.write("/h/a", 0, b"two")
    assert found(script.disk, tmp_path / "1") == {"a": b"one"}
    assert script.disk.names["/h/a"].whole == b"two"


def test_a_sync_of_another_file_makes_nothing_safe(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.create("/h/b")
    script.write("/h/a", 0, b"one")
    script.call("fdatasync", "/h/b")
    assert found(script.disk, tmp_path / "1") == {"a": b"", "b": b""}


def test_a_write_during_a_sync_is_not_part_of_it(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.write("/h/a", 0, b"one")
    sync = Call("fdatasync", "/h/a", (), ("",), 0, 100, 102)
    script.disk.begin(sync)
    script.write("/h/a", 0, b"two")
    script.disk.apply(sync)
    assert found(script.disk, tmp_path / "1") == {"a": b"one"}


def test_a_name_is_safe_with_its_folder(script: Script, tmp_path: Path) -> None:
    script.create("/h/a.new", folder_too=False)
    script.write("/h/a.new", 0, b"one")
    script.call("fsync", "/h/a.new")
    assert found(script.disk, tmp_path / "1") == {}
    script.call("fsync", "/h")
    script.call("rename", "", b"/h/a.new", b"/h/a")
    assert found(script.disk, tmp_path / "2") == {"a.new": b"one"}
    script.call("fsync", "/h")
    assert found(script.disk, tmp_path / "3") == {"a": b"one"}


def test_an_unlinked_file_comes_back_until_its_folder_is_synced(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.call("unlink", "", b"/h/a")
    assert found(script.disk, tmp_path / "1") == {"a": b""}
    script.call("fsync", "/h")
    assert found(script.disk, tmp_path / "2") == {}


def test_half_of_the_later_pages_are_kept_whole(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.write("/h/a", 0, bytes(64 * PAGE))
    script.call("fdatasync", "/h/a")
    script.write("/h/a", 100, b"x" * (64 * PAGE - 100))
    content = found(script.disk, tmp_path / "1", seed=1)["a"]
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    kinds = [set(page[100:]) for page in pages]
    assert len(pages) == 64 and all(len(kind) == 1 for kind in kinds)
    assert 16 < sum(kind == {ord("x")} for kind in kinds) < 48
    assert found(script.disk, tmp_path / "2", seed=1)["a"] == content
    assert found(script.disk, tmp_path / "3", seed=2)["a"] != content


def test_of_half_of_the_names_none_is_kept_without_those_before_it(script: Script, tmp_path: Path) -> None:
    for letter in "abcdef":
        script.create(f"/h/{letter}", folder_too=False)
    kept = {"".join(sorted(found(script.disk, tmp_path / str(seed), seed))) for seed in range(40)}
    assert kept <= {"", "a", "ab", "abc", "abcd", "abcde", "abcdef"} and len(kept) > 3


def test_a_cut_file_is_cut_and_the_shared_memory_is_left_out(script: Script, tmp_path: Path) -> None:
    script.create("/h/a")
    script.create("/h/a-shm")
    script.write("/h/a", 0, b"abcdef")
    script.call("ftruncate", "/h/a", words=("", "2"))
    script.call("fsync", "/h/a")
    assert found(script.disk, tmp_path / "1") == {"a": b"ab"}
