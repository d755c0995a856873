"""The daemon as processes that are killed: nothing is lost, nothing is counted twice, nobody is left behind."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

import pytest
from daemon_process import PACK, Daemon, Poster, Receiver, alive, descendants, until

from monitor.spool import Spool

Make = Callable[..., Daemon]
BAD = [{"id": f"bad{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(5)]
GOOD = [{"id": f"good{i}", "model": "m", "output": {"confidence": 0.9}} for i in range(50)]


def ids_in_the_spool(daemon: Daemon) -> list[str]:
    import json

    with Spool.open(daemon.home / "spool", write=False) as spool:
        return [json.loads(line)["id"] for r in spool.read(0, 0, 10**9) for line in r.payload.split(b"\n")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_every_answered_event_is_counted_once_and_no_orphan_is_left(
    daemon: Daemon, seed: int
) -> None:
    draw = random.Random(seed)
    daemon.start()
    poster = Poster(daemon)
    poster.start()
    victims = ["engine", "front", "parent", "engine", "front"]
    draw.shuffle(victims)
    for victim in victims:
        goal = len(poster.answered) + draw.randrange(5, 60)
        until(lambda goal=goal: len(poster.answered) >= goal, "no post is answered")
        if victim == "parent":
            daemon.kill()  # asserts that no orphan is left
            daemon.start()
        else:
            pid = daemon.child(victim)
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not alive(pid), "it is still there")
    until(lambda goal=len(poster.answered) + 10: len(poster.answered) >= goal, "no post is answered at the end")
    poster.stop()
    daemon.ready()
    kept = ids_in_the_spool(daemon)
    assert len(kept) == len(set(kept)) and set(poster.answered) <= set(kept)
    daemon.observed(len(kept))
    assert daemon.stop() == 0


def test_a_terminated_daemon_ends_cleanly_and_starts_where_it_stopped(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*GOOD)
    daemon.observed(len(GOOD))
    family = daemon.family()
    assert len(family) >= 3
    assert daemon.stop() == 0
    assert not [pid for pid in family if alive(pid)]
    assert list((daemon.home / "snapshots" / "0").glob("*.snap"))
    daemon.start()
    assert [line["replayed"] for line in daemon.said("restored")] == [0, 0]
    daemon.observed(len(GOOD))


def test_an_incident_is_told_although_the_engine_dies_right_after_it_opened(
    make_daemon: Make, receiver: Receiver
) -> None:
    daemon = make_daemon(environ={"OVERLOOP_NOTIFY": receiver.url}, toml='[notices]\ngroup_wait = "2s"\n').start()
    daemon.accept(*BAD)
    incident = daemon.incident()
    os.kill(daemon.child("engine"), signal.SIGKILL)
    until(lambda: receiver.messages, "nobody was told")
    assert all(incident["id"] in message["message"] for message in receiver.messages)
    until(lambda: daemon.incident()["notices"][0]["state"] == "delivered", "the delivery is not on record")
    engine = daemon.child("engine")
    family = descendants(engine)
    assert family  # it has a helper that sends
    os.kill(engine, signal.SIGKILL)
    until(lambda: not [pid for pid in family if alive(pid)], "a helper outlives its engine", seconds=2.0)
    daemon.ready()
    daemon.kill()


def test_an_acknowledgement_stands_after_everything_was_killed(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*BAD)
    incident = daemon.incident()
    status, answer = daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})
    assert (status, answer["state"]) == (200, "acknowledged")
    for pid in reversed(daemon.family()):
        os.kill(pid, signal.SIGKILL)
    assert daemon.process is not None
    daemon.process.wait()
    daemon.start()
    after = daemon.incident()
    assert (after["id"], after["state"], after["acknowledged_by"]) == (incident["id"], "acknowledged", "admin")


def test_while_the_engine_stands_still_events_are_taken_and_people_can_act(daemon: Daemon) -> None:
    daemon.start()
    daemon.accept(*BAD)
    incident = daemon.incident()
    engine = daemon.child("engine")
    os.kill(engine, signal.SIGSTOP)
    try:
        daemon.accept(*GOOD)
        status, answer = daemon.ask(f"/v1/incidents/{incident['id']}/acknowledge", {})
        assert (status, answer["state"]) == (200, "acknowledged")
        assert daemon.accounting()["waiting"] == len(GOOD)
        until(lambda: not daemon.is_ready(), "the daemon still says that it is ready")
    finally:
        os.kill(engine, signal.SIGCONT)
    daemon.observed(len(GOOD) + len(BAD))
    daemon.ready()


def test_readiness_goes_with_the_engine_and_comes_back_with_it(daemon: Daemon) -> None:
    daemon.start()
    before = daemon.ask("/-/engine")[1]
    os.kill(daemon.child("engine"), signal.SIGKILL)
    until(lambda: not daemon.is_ready(), "the daemon still says that it is ready", seconds=5.0)
    assert "engine" in daemon.ask("/-/ready")[1]["detail"]
    daemon.ready()
    after = daemon.ask("/-/engine")[1]
    assert after["pid"] != before["pid"] and after["ready"]


def test_a_word_of_the_engine_is_about_a_turn_begun_after_the_question(daemon: Daemon) -> None:
    daemon.start()
    for i in range(3):
        daemon.accept({"id": f"x{i}", "model": "m", "output": {"confidence": 0.9}})
        status, word = daemon.ask("/-/engine")
        assert status == 200 and word["turns"] > 0
        assert daemon.accounting()["waiting"] == 0


def test_signals_to_the_parent_reload_the_rules_or_keep_the_old_ones(daemon: Daemon) -> None:
    daemon.start()
    book = daemon.said("start") and daemon.ask("/-/engine")[1]
    assert book
    daemon.pack("pack: tests\nmodels: [\n")
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: daemon.said("reload_refused"), "the bad rules are not refused")
    daemon.pack(
        'pack: tests\nmodels: ["*"]\nrules:\n- alert: High\n'
        "  count: {of: output.confidence > 0.8, above: 3, over: 10m}\n  severity: high\n"
    )
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: daemon.said("reloaded"), "the rules are not loaded")
    daemon.accept(*GOOD)
    assert daemon.incident("High")["state"] == "open"


def test_after_a_storm_of_signals_the_last_files_are_in_force(daemon: Daemon) -> None:
    daemon.start()
    front = daemon.child("front")
    daemon.pack(PACK.replace("above: 3", "above: 2"))
    for _ in range(300):
        os.kill(front, signal.SIGHUP)
    until(lambda: daemon.said("reloaded"), "the rules are not loaded")
    daemon.accept(*({"id": f"s{i}", "model": "m", "output": {"confidence": 0.1}} for i in range(3)))
    daemon.incident()
    assert daemon.stop() == 0


def test_two_partitions_watch_their_own_models_and_lose_nothing(make_daemon: Make) -> None:
    daemon = make_daemon(toml="partitions = 2\n").start()
    models = [f"model-{i}" for i in range(8)]
    events = [
        {"id": f"{m}-{i}", "model": m, "output": {"confidence": 0.1 if m < "model-2" else 0.9}}
        for i in range(10)
        for m in models
    ]
    daemon.accept(*events)
    daemon.observed(len(events))
    os.kill(daemon.child("engine"), signal.SIGKILL)
    daemon.accept({"id": "one more", "model": "model-5", "output": {"confidence": 0.9}})
    daemon.observed(len(events) + 1)
    assert sorted(i["model"] for i in daemon.incidents() if i["rule"] == "Low") == ["model-0", "model-1"]
    assert daemon.stop() == 0
