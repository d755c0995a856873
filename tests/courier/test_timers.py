"""Jobs by the clock: they run, they never overlap, and what goes wrong is told."""

from __future__ import annotations

import threading
from queue import Queue

import pytest

from monitor.runtime.timers import Job, Timers


@pytest.fixture
def heard():
    return Queue()


def running(jobs, heard):
    timers = Timers(jobs, lambda name, how: heard.put((name, how)))
    timers.start()
    return timers


def test_a_job_runs_and_runs_again(heard):
    timers = running([Job("retention", lambda: None, every=0.05)], heard)
    assert [heard.get(timeout=5) for _ in range(2)] == [("retention", "done")] * 2
    timers.stop()


def test_a_job_that_raises_is_told_and_runs_again(heard):
    def fail():
        raise OSError("disk on fire")

    timers = running([Job("checkpoint", fail, every=0.05)], heard)
    assert [heard.get(timeout=5) for _ in range(2)] == [("checkpoint", "failed")] * 2
    timers.stop()


def test_the_log_of_a_failure_holds_no_address(heard, capsys):
    def fail():
        raise ValueError("cannot fetch https://example.com/planted-secret now")

    timers = running([Job("heartbeat", fail, every=0.05)], heard)
    assert heard.get(timeout=15) == ("heartbeat", "failed")
    timers.stop()
    shown = capsys.readouterr()
    assert "ValueError: cannot fetch (an address) now" in shown.out and "planted" not in shown.out + shown.err


def test_a_job_that_is_still_running_is_not_started_again_and_that_is_told(heard):
    release, at_once, most = threading.Event(), [], []

    def slow():
        at_once.append(1)
        most.append(len(at_once))
        release.wait(10)
        at_once.pop()

    timers = running([Job("snapshots", slow, every=0.05), Job("other", lambda: None, every=3600)], heard)
    told = [heard.get(timeout=5) for _ in range(2)]
    assert ("snapshots", "overrun") in told
    release.set()
    while heard.get(timeout=5) != ("snapshots", "done"):
        pass
    timers.stop()
    assert max(most) == 1


def test_stopping_does_not_wait_for_a_stuck_job(heard):
    started, release = threading.Event(), threading.Event()
    timers = running([Job("stuck", lambda: (started.set(), release.wait(10)), every=0.05)], heard)
    assert started.wait(5)
    timers.stop()
    assert not release.is_set()
    release.set()
    timers.stop()


def test_a_daily_job_is_due_at_its_time_in_utc(heard):
    timers = running([Job("digest", lambda: None, daily=(6, 30))], heard)
    (job,) = timers._scheduler.get_jobs()
    due = job.next_run_time
    assert (due.hour, due.minute, due.utcoffset().total_seconds()) == (6, 30, 0)
    assert job.misfire_grace_time == 60 and job.coalesce and job.max_instances == 1
    timers.stop()


@pytest.mark.parametrize("when", [{}, {"every": 1.0, "daily": (0, 0)}])
def test_a_job_without_one_clear_time_is_refused(when):
    with pytest.raises(ValueError, match='job "x" needs either'):
        Job("x", lambda: None, **when)


def test_two_jobs_of_one_name_are_refused(heard):
    with pytest.raises(ValueError, match="same name: x, x"):
        running([Job("x", lambda: None, every=1.0), Job("x", lambda: None, every=2.0)], heard)
