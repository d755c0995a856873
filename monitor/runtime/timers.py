"""Housekeeping by the clock on the wall: retention, checkpoints, snapshots, digests, the outside heartbeat.

Nothing that must happen depends on it: deadlines of people belong to the desk, retries to the courier.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

Ran = Literal["done", "failed", "missed", "overrun"]
_WORDS: dict[int, Ran] = {
    EVENT_JOB_MISSED: "missed",  # it could not start within a minute of its time
    EVENT_JOB_MAX_INSTANCES: "overrun",  # its last run was not over yet
}
_GRACE = 60  # seconds a run may be late; the library's own default of 1 s skips runs on a busy disk
_FIRST = 5.0  # seconds after the start before the first runs, so that they do not slow the start down
_THREADS = 4
_LOOK = 10.0  # seconds between two looks at the wall clock
_ADDRESS = re.compile(r"\S+://\S+")  # it may be a secret, as that of an outside heartbeat is

log = structlog.get_logger("timers")


@dataclass(frozen=True, slots=True)
class Job:
    """`run` every `every` seconds, or daily at `daily` = (hour, minute) UTC. Give exactly one. Names are unique."""

    name: str
    run: Callable[[], object]
    every: float | None = None
    daily: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.every is None) == (self.daily is None):
            raise ValueError(f'job "{self.name}" needs either "every" or "daily"')


class Timers:
    """Runs jobs in background threads, never two runs of one job at once; runs that piled up are made one.

    `report` is told the job's name and how a run went; it is called from those threads.
    """

    def __init__(self, jobs: Sequence[Job], report: Callable[[str, Ran], None]) -> None:
        names = [job.name for job in jobs]
        if len(set(names)) < len(names):
            raise ValueError(f"two jobs have the same name: {', '.join(sorted(names))}")
        self._report = report
        self._scheduler = _Scheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(_THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": _GRACE},
        )
        self._scheduler.add_listener(self._heard, sum(_WORDS))
        for job in jobs:
            self._scheduler.add_job(self._run, args=(job,), id=job.name, name=job.name, **_when(job))

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """No new runs. Runs under way are not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _run(self, job: Job) -> None:
        """Failures are told here, because the library would print them with all that their texts may hold."""
        try:
            job.run()
        except Exception as error:
            problem = f"{type(error).__name__}: {_ADDRESS.sub('(an address)', str(error))}"
            log.error(
                "A timed job failed; it runs again at its next time.",
                action="job_failed",
                job=job.name,
                problem=problem,
            )
            self._report(job.name, "failed")
        else:
            self._report(job.name, "done")

    def _heard(self, event: Any) -> None:
        how = _WORDS[event.code]
        log.warning("A timed job did not run at its time.", action=f"job_{how}", job=event.job_id)
        self._report(event.job_id, how)


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]  # the library has no types
    """Notices when the wall clock jumps. The library knows only at what time on the wall a job is due, so a clock that
    went back a day would stop every job for a day.
    """

    _ahead: float | None = None  # of the wall clock, before the one that nobody sets, when last looked at

    def _process_jobs(self) -> float:
        ahead = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        if self._ahead is not None and abs(ahead - self._ahead) > _GRACE:
            self._plan_anew()
        self._ahead = ahead
        wait = super()._process_jobs()
        return _LOOK if wait is None else float(min(wait, _LOOK))

    def _plan_anew(self) -> None:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            regular = isinstance(job.trigger, IntervalTrigger)
            due = now + timedelta(seconds=_FIRST) if regular else job.trigger.get_next_fire_time(None, now)
            job.modify(next_run_time=due)


def _when(job: Job) -> dict[str, Any]:
    if job.daily is not None:
        hour, minute = job.daily
        return {"trigger": "cron", "hour": hour, "minute": minute}
    first = datetime.now(UTC) + timedelta(seconds=min(_FIRST, job.every or 0.0))
    return {"trigger": "interval", "seconds": job.every, "next_run_time": first}
