"""Two engines as processes: either may be killed, the other goes on, and everything adds up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from daemon_process import Daemon, alive, until
from prometheus_client.parser import text_string_to_metric_families

from monitor.spool import partition_of

Make = Callable[..., Daemon]
OF = [next(f"m{i}" for i in range(20) if partition_of(f"m{i}", 2) == partition) for partition in (0, 1)]


def events(model: str, first: int, count: int, confidence: float = 0.9) -> list[dict[str, object]]:
    return [{"id": f"{i}", "model": model, "output": {"confidence": confidence}} for i in range(first, first + count)]


def counted(daemon: Daemon) -> dict[str, float]:
    """Events observed by each engine since it was started."""
    families = text_string_to_metric_families(daemon.text("/metrics"))
    found = [family for family in families if family.name == "overloop_events_observed"]
    return {sample.labels["engine"]: sample.value for sample in found[0].samples} if found else {}


@pytest.mark.slow
def test_either_engine_is_killed_and_the_other_goes_on(make_daemon: Make) -> None:
    daemon = make_daemon(toml="engines = 2\n").start()
    sent = 0
    for number, role in enumerate(("engine", "engine-1")):
        victim, spared = daemon.child(role), daemon.child("engine-1" if role == "engine" else "engine")
        for model in OF:
            daemon.accept(*events(model, sent, 10))
        sent += 10
        daemon.observed(2 * sent)
        os.kill(victim, signal.SIGSTOP)  # so that it has not observed what comes now when it is killed
        for model in OF:
            daemon.accept(*events(model, sent, 10))
        sent += 10
        until(lambda sent=sent: daemon.accounting()["observed"] == 2 * sent - 10, "the other does not go on")
        os.kill(victim, signal.SIGKILL)
        until(lambda victim=victim: not alive(victim), "it is still there")
        daemon.observed(2 * sent)
        daemon.ready()
        assert alive(spared) and daemon.child(role) != victim, number
    status, said = daemon.ask("/-/engine")
    assert status == 200 and [one["partitions"] for one in said["engines"]] == [[0], [1]]
    assert {one["pid"] for one in said["engines"]} == {daemon.child("engine"), daemon.child("engine-1")}
    for model in OF:
        daemon.accept(*events(model, sent, 5, confidence=0.1))
    daemon.observed(2 * sent + 10)
    until(lambda: {i["model"] for i in daemon.incidents() if i["rule"] == "Low"} == set(OF), "an incident is missing")
    until(lambda: sorted(counted(daemon)) == ["0", "1"], "an engine has no numbers")
    family = daemon.family()
    assert daemon.stop() == 0
    assert not [pid for pid in family if alive(pid)]
    assert all(list((daemon.home / "snapshots" / str(partition)).glob("*.snap")) for partition in (0, 1))


@pytest.mark.slow
def test_the_parent_is_killed_and_the_next_daemon_has_fewer_engines(make_daemon: Make) -> None:
    daemon = make_daemon(toml="partitions = 2\nengines = 2\n").start()
    for model in OF:
        daemon.accept(*events(model, 0, 20))
    daemon.kill()  # asserts that no orphan is left
    daemon.config.write_text("partitions = 2\n")
    daemon.start()
    for model in OF:
        daemon.accept(*events(model, 20, 5, confidence=0.1))
    daemon.observed(50)
    assert {line["partition"] for line in daemon.said("restored")[-2:]} == {0, 1}
    until(lambda: {i["model"] for i in daemon.incidents() if i["rule"] == "Low"} == set(OF), "an incident is missing")
    assert daemon.stop() == 0


@pytest.mark.slow
def test_more_engines_than_partitions_with_events_are_refused_in_a_sentence(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*events("m", 0, 1))
    assert daemon.stop() == 0
    daemon.config.write_text("engines = 2\n")
    daemon.launch()
    assert daemon.process is not None and daemon.process.wait(40) == 3
    said = daemon.log.read_text()
    assert "are in 1 partition, and engines = 2 asks for 2" in said and "Traceback" not in said
