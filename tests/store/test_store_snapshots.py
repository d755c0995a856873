from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store.reserve import Reserve
from monitor.store.snapshots import Snapshot, SnapshotError, Snapshots


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def snapshots(tmp_path: Path, said: list[str]) -> Snapshots:
    return Snapshots(tmp_path / "snapshots" / "0", said.append)


def test_the_newest_at_or_before_a_step_is_found(snapshots: Snapshots) -> None:
    snapshots.write("fraud-eu", 10, b"ten")
    snapshots.write("fraud-eu", 20, b"twenty")
    snapshots.write("other", 15, b"")
    assert snapshots.newest("fraud-eu", 100) == Snapshot("fraud-eu", 20, b"twenty")
    assert snapshots.newest("fraud-eu", 20) == Snapshot("fraud-eu", 20, b"twenty")
    assert snapshots.newest("fraud-eu", 19) == Snapshot("fraud-eu", 10, b"ten")
    assert snapshots.newest("fraud-eu", 9) is None
    assert snapshots.newest("other", 15) == Snapshot("other", 15, b"")
    assert snapshots.newest("never", 15) is None


def test_two_generations_are_kept_and_files_are_for_their_owner(snapshots: Snapshots, tmp_path: Path) -> None:
    for seq in (10, 20, 30):
        path = snapshots.write("m", seq, b"x" * seq)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(tmp_path.rglob("*.snap"))) == 2
    assert not list(tmp_path.rglob("*.draft"))
    assert snapshots.newest("m", 29) == Snapshot("m", 20, b"x" * 20)
    snapshots.write("m", 30, b"again")
    assert snapshots.newest("m", 30) == Snapshot("m", 30, b"again")
    assert snapshots.newest("m", 29) == Snapshot("m", 20, b"x" * 20)


def test_a_future_that_never_came_is_dropped_instead_of_the_present(snapshots: Snapshots) -> None:
    """A ledger from a backup stands before snapshots that are still on the disk."""
    snapshots.write("m", 80, b"lost")
    snapshots.write("m", 90, b"lost")
    assert snapshots.newest("m", 50) is None
    snapshots.write("m", 50, b"now")
    assert snapshots.newest("m", 1000) == Snapshot("m", 50, b"now")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "m\0", "ü" * 300, "\ud800"])
def test_any_name_of_a_model_is_a_name_of_a_file(snapshots: Snapshots, name: str) -> None:
    snapshots.write(name, 1, b"state")
    assert snapshots.newest(name, 1) == Snapshot(name, 1, b"state")
    snapshots.forget(name)
    assert snapshots.newest(name, 1) is None


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=200), cut=st.integers(0, 400), at=st.integers(0, 400), flip=st.integers(1, 255))
def test_no_damage_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, at: int, flip: int
) -> None:
    said: list[str] = []
    snapshots = Snapshots(tmp_path_factory.mktemp("s"), said.append)
    path = snapshots.write("m", 7, data)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= flip
    for bad in (bytes(damaged), whole[: cut % len(whole)], whole + b"x"):
        path.write_bytes(bad)
        assert snapshots.newest("m", 7) is None
    assert len(said) == 3
    assert all("cannot be used" in sentence for sentence in said)
    path.write_bytes(whole)
    assert snapshots.newest("m", 7) == Snapshot("m", 7, data)


def test_a_damaged_newest_one_is_reported_and_the_one_before_is_used(snapshots: Snapshots, said: list[str]) -> None:
    snapshots.write("m", 10, b"ten")
    path = snapshots.write("m", 20, b"twenty")
    path.write_bytes(path.read_bytes()[:-1])
    assert snapshots.newest("m", 100) == Snapshot("m", 10, b"ten")
    assert said == [f"The snapshot {path} cannot be used: its checksum does not match, it is damaged or was cut short."]


def test_a_file_of_another_model_or_step_under_its_name_is_left_out(
    snapshots: Snapshots, said: list[str], tmp_path: Path
) -> None:
    theirs, mine = snapshots.write("other", 20, b"theirs"), snapshots.write("m", 20, b"mine")
    mine.write_bytes(theirs.read_bytes())
    assert snapshots.newest("m", 20) is None
    assert "is of model 'other' at step 20" in said[0]
    foreign = mine.with_name(mine.name.replace(f"{20:020d}", "notes"))
    foreign.write_bytes(b"")
    assert snapshots.newest("m", 20) is None
    assert any("is not a snapshot of ours" in sentence for sentence in said)


def test_another_format_says_which(snapshots: Snapshots, said: list[str]) -> None:
    path = snapshots.write("m", 1, b"x")
    path.write_bytes(b"OVERLOOP\x00\x01" + path.read_bytes()[10:])
    assert snapshots.newest("m", 1) is None
    assert "its format is 1, this program reads 2" in said[0]


def test_a_step_is_covered_when_every_model_has_two_that_can_be_read(snapshots: Snapshots) -> None:
    assert snapshots.covered([]) == 0
    snapshots.write("a", 10, b"x")
    snapshots.write("a", 20, b"x")
    snapshots.write("b", 15, b"x")
    assert snapshots.covered(["a"]) == 10
    assert snapshots.covered(["a", "b"]) == 0
    path = snapshots.write("b", 25, b"x")
    assert snapshots.covered(["a", "b"]) == 10
    snapshots.write("a", 30, b"x")
    assert snapshots.covered(["a", "b"]) == 15
    path.write_bytes(b"damaged")
    assert snapshots.covered(["a", "b"]) == 0


def test_a_snapshot_that_cannot_be_written_is_a_sentence_and_keeps_the_old_ones(snapshots: Snapshots) -> None:
    path = snapshots.write("m", 10, b"ten")
    blocked = path.with_name(path.name.replace(f"{10:020d}", f"{20:020d}"))
    blocked.with_suffix(".draft").mkdir()
    with pytest.raises(SnapshotError, match="snapshot of model 'm' at step 20 could not be written"):
        snapshots.write("m", 20, b"twenty")
    assert snapshots.newest("m", 100) == Snapshot("m", 10, b"ten")


def test_what_a_killed_writer_left_half_done_is_never_read(snapshots: Snapshots, tmp_path: Path) -> None:
    path = snapshots.write("m", 10, b"ten")
    path.with_name(path.name.replace(f"{10:020d}", f"{20:020d}")).with_suffix(".draft").write_bytes(b"half")
    assert snapshots.newest("m", 100) == Snapshot("m", 10, b"ten")
    snapshots.write("m", 20, b"twenty")
    assert not list(tmp_path.rglob("*.draft"))


# -- the reserve --------------------------------------------------------------------------------------------------


def test_the_reserve_is_real_space_and_is_given_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    assert not reserve.held
    assert reserve.release() is False
    assert reserve.ensure() and reserve.held and reserve.ensure()
    found = (tmp_path / "reserve").stat()
    assert found.st_size == 1 << 20
    assert found.st_blocks * 512 >= 1 << 20
    assert reserve.release() is True
    assert not reserve.held


def test_a_reserve_the_disk_has_no_room_for_leaves_nothing_behind(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 50)
    assert reserve.ensure() is False
    assert list(tmp_path.iterdir()) == []
