from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.sources.follow import Follower, FollowError


class Reader:
    """Takes what a follower gives, as the command does."""

    def __init__(self, path: Path, state: Path) -> None:
        self.path, self.state = path, state
        self.follower = Follower(path, state, "p")
        self.got: list[bytes] = []

    def take(self) -> list[bytes]:
        """All new lines, each piece answered."""
        new: list[bytes] = []
        while (piece := self.follower.next()) is not None:
            new += piece.lines
            self.follower.done()
        self.got += new
        return new

    def restart(self) -> None:
        self.follower.close()
        self.follower = Follower(self.path, self.state, "p")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path / "app.log", tmp_path / "state.json")
    yield one
    one.follower.close()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_new_lines_are_given_once_and_half_a_line_waits_for_its_end(reader: Reader) -> None:
    assert reader.take() == []
    append(reader.path, "one\ntwo\nthr")
    assert reader.take() == [b"one", b"two"]
    assert reader.take() == []
    append(reader.path, "ee\n")
    assert reader.take() == [b"three"]
    reader.restart()
    append(reader.path, "four\n")
    assert reader.take() == [b"four"] and reader.follower.notes == []


def test_a_file_moved_away_is_read_to_its_end_before_the_new_one(reader: Reader) -> None:
    append(reader.path, "one\n")
    assert reader.take() == [b"one"]
    append(reader.path, "two\nno end of line")
    reader.path.rename(reader.path.with_name("app.log.1"))
    assert reader.take() == [b"two"]
    append(reader.path, "three\n")
    assert reader.take() == [b"no end of line", b"three"]
    assert reader.follower.notes == []


def test_rotation_while_nobody_reads_loses_nothing_even_twice(reader: Reader) -> None:
    append(reader.path, "one\ntwo\n")
    reader.take()
    append(reader.path, "three\n")
    reader.follower.close()
    for number, text in enumerate(("four\nfive\n", "six\n", "seven\n")):
        for older in range(number + 1, 0, -1):
            rotated = reader.path.with_name(f"app.log.{older}")
            if rotated.exists():
                rotated.rename(reader.path.with_name(f"app.log.{older + 1}"))
        reader.path.rename(reader.path.with_name("app.log.1"))
        append(reader.path, text)
        os.utime(reader.path, ns=(10**18 + number, 4 * 10**18 + number))
    reader.restart()
    assert reader.take() == [b"three", b"four", b"five", b"six", b"seven"]


def test_a_file_that_was_emptied_is_read_from_its_beginning(reader: Reader) -> None:
    append(reader.path, "a long first line\n")
    reader.take()
    reader.path.write_text("short\n")
    assert reader.take() == [b"short"]
    reader.path.write_text("longer than before\nand more\n")
    assert reader.take() == [b"longer than before", b"and more"]
    assert [note.rpartition(" was ")[2] for note in reader.follower.notes] == [
        "emptied and is read from its beginning."
    ] * 2


def test_what_was_about_to_be_posted_is_the_same_after_a_crash(reader: Reader) -> None:
    append(reader.path, "one\ntwo\n")
    first = reader.follower.next()
    append(reader.path, "three\n")
    reader.restart()  # the answer never came
    again = reader.follower.next()
    assert again == first and again is not None and again.lines == [b"one", b"two"]
    reader.follower.done()
    following = reader.follower.next()
    assert following is not None and (following.lines, following.sequence) == ([b"three"], 2)


def test_a_number_known_for_other_bytes_is_left_for_a_new_name(reader: Reader) -> None:
    append(reader.path, "one\n")
    reader.follower.next()
    reader.follower.renumber("q")
    piece = reader.follower.next()
    assert piece is not None and (piece.producer, piece.sequence, piece.lines) == ("q", 1, [b"one"])
    reader.follower.done()
    reader.restart()
    append(reader.path, "two\n")
    piece = reader.follower.next()
    assert piece is not None and (piece.producer, piece.sequence) == ("q", 2)


def test_a_replaced_file_whose_old_one_is_gone_is_read_anew_and_said_so(reader: Reader) -> None:
    append(reader.path, "one\n")
    reader.take()
    reader.follower.close()
    other = reader.path.with_name("other")
    append(other, "new\n")
    other.rename(reader.path)
    reader.restart()
    assert reader.take() == [b"new"]
    assert "is another file than before and the old one is gone" in reader.follower.notes[0]


def test_many_lines_come_in_bounded_pieces_and_an_endless_line_in_parts(reader: Reader) -> None:
    append(reader.path, "x\n" * 2_500 + "y" * 2_500_000 + "\nlast\n")
    sizes = []
    while (piece := reader.follower.next()) is not None:
        sizes.append((len(piece.lines), sum(map(len, piece.lines))))
        reader.follower.done()
    assert [count for count, _ in sizes[:3]] == [1_000, 1_000, 500]
    assert max(size for _, size in sizes) <= 1 << 20
    assert sum(count for count, _ in sizes) == 2_500 + 3 + 1


def test_a_state_that_cannot_be_read_is_named(reader: Reader) -> None:
    reader.state.write_text("{broken")
    with pytest.raises(FollowError, match="delete it to begin anew"):
        reader.restart()
