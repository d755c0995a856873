"""All that the engine counts, and its way to the front."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import ProcessCollector

from monitor.telemetry.alerts import AlertMetrics, NoticeMetrics
from monitor.telemetry.pump import PumpMetrics
from monitor.telemetry.registry import Labelled, Registry

EVERY = 1.0  # seconds between two writes while something changes
IDLE = 15.0  # the same while nothing does, so that the front knows that the engine lives


class EngineMetrics:
    """One for each engine process: `pump`, `alerts`, `notices`, `house`. Any thread may count."""

    def __init__(self, receivers: Mapping[str, str] | Iterable[str] = (), first: bool = True) -> None:
        """`receivers` are the names of those known, with the kind of each (Apprise if it is not said).

        Of what there is once, an engine that is not the `first` shows nothing.
        """
        self._registry = Registry()
        house = self._registry if first else Registry()
        self._written = float("-inf")
        ProcessCollector(namespace="overloop_engine", registry=self._registry.collectors)
        self.pump = PumpMetrics(self._registry)
        self.alerts = AlertMetrics(self._registry, house)
        self.notices = NoticeMetrics(
            house, receivers if isinstance(receivers, Mapping) else dict.fromkeys(receivers, "apprise")
        )
        self.house = HouseMetrics(self._registry, house)

    def exposition(self) -> bytes:
        return self._registry.exposition()

    def publish(self, write: Callable[[bytes], None], monotonic: float | None = None) -> bool:
        """Hand the exposition to `write` if that is due. Call it about once a second, from one thread."""
        at = time.monotonic() if monotonic is None else monotonic
        if at - self._written < (EVERY if self._registry.changed else IDLE):
            return False
        self._registry.changed, self._written = False, at
        write(self.exposition())
        return True


class HouseMetrics:
    """Rule books, the audit log, timed jobs, the clock. Times are daemon time."""

    def __init__(self, registry: Registry, house: Registry | None = None) -> None:
        """What only one engine does goes to `house`."""
        self._registry = r = registry
        self._reloaded = r.gauge("config_last_reload_successful", "1 if the rules last loaded were taken.")
        self._reloaded_at = r.moment("config_last_reload_success", "When rules were last taken.")
        self._hash = r.gauge("config_hash", "The first 48 bits of the digest of the rules in force.")
        self._jobs = Labelled(r.counter("jobs", "Runs of timed jobs, by how they went.", ["job", "outcome"]))
        r = house or registry
        self._audit_failures = r.counter("audit_write_failures", "Transactions with an audit entry that failed.")
        self._audit_ok = r.unset(
            r.gauge("audit_last_verify_successful", "1 if the audit log was whole when last checked.")
        )
        self._audit_at = r.moment("audit_last_verify_success", "When the audit log was last checked and whole.")
        self._heartbeat = r.moment("heartbeat_last_success", "When the heartbeat was last answered.")
        self._round = r.unset(
            r.gauge("watchdog_roundtrip_seconds", "From intake to courier, of the daemon's own event that goes round.")
        )
        self._jump = r.gauge("clock_jump_seconds", "How far the wall clock jumped from daemon time; 0: it did not.")

    def reloaded(self, taken: bool, at: float, digest: str) -> None:
        """Rules were loaded and taken, or refused; `digest` (hex) is the one now in force."""
        self._registry.changed = True
        self._reloaded.set(taken)
        if taken:
            self._reloaded_at.set(at)
        self._hash.set(int(digest[:12] or "0", 16))

    def audit_write_failed(self) -> None:
        self._audit_failures.inc()

    def audit_verified(self, intact: bool, at: float) -> None:
        self._audit_ok.set(intact)
        if intact:
            self._audit_at.set(at)

    def job(self, name: str, outcome: str) -> None:
        """One run of a timed job: `outcome` is done, failed, missed or overrun."""
        self._jobs(name, outcome).inc()

    def heartbeat(self, at: float) -> None:
        self._heartbeat.set(at)

    def roundtrip(self, seconds: float) -> None:
        """The daemon's own event has come round in so many seconds."""
        self._registry.changed = True
        self._round.set(seconds)

    def clock_jump(self, seconds: float) -> None:
        self._jump.set(seconds)
