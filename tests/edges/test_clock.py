"""Daemon time against scripted clocks underneath: restarts, reboots, jumps, drift, a full disk, many readers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ACCEPTED_SLEW, JUMP, RESERVE, SLEW, Clock, ClockError, Jump, Raw, ScriptedClock

NOON = 1_790_000_000.0


@dataclass
class Machine:
    """A computer whose clocks a test turns."""

    boottime: float = 100.0
    offset: float = NOON - 100.0  # what the wall clock shows beyond the boottime
    boot: str = "first"
    raw: Raw = field(init=False)

    def __post_init__(self) -> None:
        self.raw = Raw(lambda: self.boottime, lambda: self.boottime + self.offset, lambda: self.boot)

    @property
    def wall(self) -> float:
        return self.boottime + self.offset

    def run(self, seconds: float) -> None:
        self.boottime += seconds

    def reboot(self, wall: float) -> None:
        self.boot += "'"
        self.boottime = 5.0
        self.offset = wall - 5.0


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_first_start_takes_the_wall_clock(tmp_path: Path, machine: Machine) -> None:
    assert Clock(tmp_path, machine.raw).now() == NOON


def test_it_follows_the_boottime_and_not_the_wall(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.run(10.0)
    machine.offset -= 86_400.0
    assert clock.now() == pytest.approx(NOON + 10.0, abs=1e-5)


def test_it_never_stands_still(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    readings = [clock.now() for _ in range(100)]
    assert all(later > earlier for earlier, later in pairwise(readings))


def test_a_restart_changes_nothing(tmp_path: Path, machine: Machine) -> None:
    Clock(tmp_path, machine.raw).now()
    machine.run(3600.0)
    machine.offset += 500.0
    assert Clock(tmp_path, machine.raw).now() == NOON + 3600.0


def test_after_a_reboot_it_takes_a_wall_clock_that_went_on(tmp_path: Path, machine: Machine) -> None:
    Clock(tmp_path, machine.raw).now()
    machine.reboot(wall=NOON + 7200.0)
    assert Clock(tmp_path, machine.raw).now() == NOON + 7200.0


def test_after_a_reboot_with_a_dead_battery_it_does_not_go_back(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.run(1000.0)
    before = clock.now()
    machine.reboot(wall=0.0)
    after = Clock(tmp_path, machine.raw)
    assert before < after.now() <= before + RESERVE
    assert after.check() == Jump(pytest.approx(-NOON, abs=1100.0))


def test_a_boot_that_nobody_can_name_is_known_by_its_boottime(tmp_path: Path, machine: Machine) -> None:
    machine.boot = ""
    before = Clock(tmp_path, machine.raw).now()
    machine.boottime, machine.offset = 5.0, NOON + 30.0
    assert Clock(tmp_path, machine.raw).now() == NOON + 35.0 > before


def test_small_drift_is_approached_slowly_and_reached(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.offset += 1.0
    assert clock.check() is None
    machine.run(100.0)
    assert clock.now() == pytest.approx(machine.wall - 1.0 + 100.0 * SLEW, abs=1e-3)
    machine.run(1.0 / SLEW)
    assert clock.now() == pytest.approx(machine.wall, abs=1e-3)
    assert clock.check() is None


def test_small_drift_backwards_makes_it_slower_and_never_still(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.offset -= 30.0
    clock.check()
    before = clock.now()
    machine.run(1000.0)
    assert clock.now() == pytest.approx(before + 1000.0 * (1 - SLEW), abs=1e-3)


def test_a_difference_too_small_to_matter_is_left_alone(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    written = (tmp_path / "clock.json").read_bytes()
    machine.offset += 0.01
    assert clock.check() is None
    assert (tmp_path / "clock.json").read_bytes() == written


@pytest.mark.parametrize("seconds", [JUMP + 1.0, -JUMP - 1.0, 86_400.0, -86_400.0])
def test_a_jump_is_reported_and_not_followed(tmp_path: Path, machine: Machine, seconds: float) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.offset += seconds
    assert clock.check() == Jump(pytest.approx(seconds, abs=1e-3))
    machine.run(60.0)
    assert clock.now() == pytest.approx(NOON + 60.0, abs=1e-3)


def test_an_accepted_jump_ahead_is_followed_at_once(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.offset += 86_400.0
    assert clock.accept() == 0.0
    assert clock.now() == pytest.approx(machine.wall, abs=1e-3)
    assert clock.check() is None


def test_an_accepted_jump_back_is_met_at_half_speed_and_no_longer_reported(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    machine.offset -= 86_400.0
    before = clock.now()
    assert clock.accept() == pytest.approx(86_400.0, abs=1e-3)
    machine.run(3600.0)
    assert clock.now() == pytest.approx(before + 3600.0 * ACCEPTED_SLEW, abs=1e-3)
    assert clock.check() is None
    machine.offset += 7200.0
    assert clock.check() is not None, "a second jump while the first is approached is a jump"
    machine.offset -= 7200.0
    machine.run(2 * 86_400.0 - 3600.0)
    assert clock.now() == pytest.approx(machine.wall, abs=1e-2)


def test_every_reader_of_a_home_agrees(tmp_path: Path, machine: Machine) -> None:
    one, other = Clock(tmp_path, machine.raw), Clock(tmp_path, machine.raw)
    machine.offset += 40_000.0
    one.accept()
    machine.run(50.0)
    assert other.now() == pytest.approx(one.now(), abs=1e-5)
    machine.offset += 5.0
    other.check()
    machine.run(1000.0)
    assert one.now() == pytest.approx(other.now(), abs=1e-5)


def test_another_process_reads_the_same_time(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    script = "import sys, pathlib; from monitor.clock import Clock; print(repr(Clock(pathlib.Path(sys.argv[1])).now()))"
    before = clock.now()
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert before < float(done.stdout) < clock.now()


def test_a_full_disk_does_not_stop_it_and_is_named(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    (tmp_path / "clock.tmp").mkdir()  # nothing can be written where a folder stands
    machine.run(RESERVE * 2)
    assert clock.now() == pytest.approx(NOON + RESERVE * 2)
    assert clock.problem == f"The clock file {tmp_path}/clock.json cannot be written: Is a directory."
    with pytest.raises(ClockError, match="cannot be written"):
        clock.accept()
    (tmp_path / "clock.tmp").rmdir()
    machine.run(RESERVE)
    clock.now()
    assert clock.problem is None


def test_a_file_that_was_removed_is_written_again(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    (tmp_path / "clock.json").unlink()
    machine.run(RESERVE)
    assert clock.now() == pytest.approx(NOON + RESERVE)
    assert Clock(tmp_path, machine.raw).now() == pytest.approx(NOON + RESERVE)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"boot": 1}', b'{"boot": "\xff"}'])
def test_a_damaged_file_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clock.json").write_bytes(content)
    with pytest.raises(ClockError, match=r"clock\.json is damaged .* Remove it"):
        Clock(tmp_path)


def test_a_home_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ClockError, match=r"clock\.json cannot be written: No such file or directory\.$"):
        Clock(tmp_path / "nowhere")


def test_the_ceiling_on_file_is_never_passed(tmp_path: Path, machine: Machine) -> None:
    clock = Clock(tmp_path, machine.raw)
    for _ in range(100):
        machine.run(3.7)
        now = clock.now()
        assert now <= json.loads((tmp_path / "clock.json").read_bytes())["ceiling"]


def test_threads_never_see_it_go_back(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    backwards: list[tuple[float, float]] = []

    def read() -> None:
        last = 0.0
        for _ in range(500):
            now = clock.now()
            if now <= last:
                backwards.append((last, now))
            last = now

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backwards == []


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.floats(0.0, 5000.0)),
        st.tuples(st.just("wall"), st.floats(-200_000.0, 200_000.0)),
        st.tuples(st.just("restart"), st.just(0.0)),
        st.tuples(st.just("reboot"), st.floats(-200_000.0, 200_000.0)),
        st.tuples(st.just("check"), st.just(0.0)),
        st.tuples(st.just("accept"), st.just(0.0)),
    ),
    max_size=20,
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    return tmp_path_factory


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_whatever_happens_time_goes_on(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, float]]
) -> None:
    home, machine = tmp_path_factory.mktemp("home"), Machine()
    clock = Clock(home, machine.raw)
    last = clock.now()
    for move, amount in moves:
        boottime = machine.boottime
        if move == "run":
            machine.run(amount)
        elif move == "wall":
            machine.offset += amount
        elif move == "reboot":
            machine.reboot(machine.wall + amount)
        elif move == "check":
            clock.check()
        elif move == "accept":
            clock.accept()
        if move in ("restart", "reboot"):
            machine.run(0.001)  # no restart is quicker
            clock = Clock(home, machine.raw)
        now = clock.now()
        assert now >= last
        if move == "run":
            assert now - last >= (machine.boottime - boottime) * ACCEPTED_SLEW - 1e-3
        last = now


def test_a_scripted_clock_goes_where_the_test_sends_it() -> None:
    clock = ScriptedClock(50.0)
    assert clock.now() == 50.0
    assert clock.advance(2.5) == clock.now() == 52.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1.0)


def test_the_lock_is_not_left_held(tmp_path: Path) -> None:
    Clock(tmp_path)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        Clock(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
