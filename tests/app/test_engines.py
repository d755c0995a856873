"""Engines by partition: however many there are, and whatever their number was before, they see and say the same."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from daemon_process import until
from sqlalchemy import select

from monitor.app import word
from monitor.app.engine import Engine
from monitor.app.errors import StartError
from monitor.app.home import Home, make
from monitor.app.prepare import prepare
from monitor.app.selfcheck import SelfCheck
from monitor.settings import Settings
from monitor.spool import Post, Spool, id_hash, partition_of
from monitor.store.ledger import standing, take_partition, totals
from monitor.store.tables import audit, evidence, incidents

MODELS = [f"m{i}" for i in range(6)]
PACK = """
pack: tests
models: ["m*"]
rules:
- alert: Moved
  detect: {shift: inputs.x, with: adwin, budget: none}
  severity: high
- alert: Low
  count: {of: output.confidence < 0.2, above: 3, over: 10m}
  severity: high
"""
EACH = 600  # events of a model
T0 = time.time() - 60.0  # within the window of the rule that counts, however late the events are observed
Seen = Counter[tuple[Any, ...]]


class World:
    """A home with two partitions, whose events are in the spool before any engine starts."""

    def __init__(self, folder: Path, partitions: int = 2) -> None:
        rules = folder / "rules" / "tests"
        rules.mkdir(parents=True)
        (rules / "pack.yaml").write_text(PACK)
        self.settings = Settings(
            home=folder / "home", rules=(folder / "rules",), listen="127.0.0.1:0", partitions=partitions
        )
        self.home, self.partitions = make(folder / "home"), partitions
        self.posted: Counter[str] = Counter()
        prepare(self.home, self.settings)

    def of(self, engines: int) -> Settings:
        return Settings.from_json({**self.settings.to_json(), "engines": engines})

    def post(self, events: int) -> None:
        """So many more of each model, the same in every world; from the middle on a column of each moves."""
        with Spool.open(self.home.spool, self.partitions) as spool:
            for model in MODELS:
                first = self.posted[model]
                lines = [_line(model, first + i) for i in range(events)]
                hashes = [id_hash(model, f"e{first + i}") for i in range(events)]
                spool.append(partition_of(model, self.partitions), [Post("events", lines, hashes)], T0 + first)
                self.posted[model] += events

    def run(self, engines: int) -> None:
        """Start engines, wait until they have observed all there is, and stop them."""
        started = self.start(engines)
        self.caught_up()
        for engine in started:
            assert engine.failure is None
            engine.stop()

    def start(self, engines: int) -> list[Engine]:
        settings = self.of(engines)
        word.forget(self.home.run)
        prepare(self.home, settings)
        made = [Engine(Home(settings.home), settings, number) for number in range(engines)]
        for engine in made:
            engine.start()
        return made

    def caught_up(self) -> None:
        with Spool.open(self.home.spool, self.partitions, write=False) as spool:
            ends = [spool.end(partition) for partition in range(self.partitions)]
        until(lambda: self.cursors() == ends, f"the engines do not come to {ends}")

    def cursors(self) -> list[int]:
        with self.home.database() as database, database.read() as connection:
            found = [standing(connection, partition) for partition in range(self.partitions)]
        return [0 if taken is None else taken.cursor for taken in found]

    def seen(self) -> Seen:
        """What ADWIN found, to the last digit: it does not depend on where steps are cut."""
        columns = [evidence.c[name] for name in ("column", "segment", "statistic", "value", "expected", "n", "at")]
        wanted = select(incidents.c.model, *columns).join(incidents).where(incidents.c.rule == "Moved")
        with self.home.database() as database, database.read() as connection:
            return Counter(tuple(row) for row in connection.execute(wanted))

    def opened(self) -> list[tuple[str, str]]:
        """Each incident's rule and model."""
        with self.home.database() as database, database.read() as connection:
            return sorted((i.rule, i.model) for i in connection.execute(select(incidents.c.rule, incidents.c.model)))

    def totals(self) -> Counter[str]:
        with self.home.database() as database, database.read() as connection:
            return sum((Counter(totals(connection, p)) for p in range(self.partitions)), Counter())

    def audited(self, kind: str) -> list[dict[str, Any]]:
        with self.home.database() as database, database.read() as connection:
            rows = connection.execute(select(audit.c.body).where(audit.c.kind == kind))
            return [json.loads(body)["body"] for (body,) in rows]


def _line(model: str, number: int) -> bytes:
    draw = random.Random(f"{model} {number}")
    x = draw.gauss(4.0 if number >= EACH / 2 else 0.0, 1.0)
    confidence = 0.1 if model in MODELS[:3] and number % 50 == 0 else 0.9
    event = {"id": f"e{number}", "model": model, "inputs": {"x": x}, "output": {"confidence": confidence}}
    return json.dumps(event).encode()


def stop(engines: Sequence[Engine]) -> None:
    for engine in engines:
        engine.stop()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One engine and one partition over all events."""
    made = World(tmp_path_factory.mktemp("plain"), partitions=1)
    for _ in range(3):
        made.post(EACH // 3)
    made.run(1)
    assert {row[0] for row in made.seen()} == set(MODELS)
    return made


def test_the_models_of_these_tests_are_in_both_partitions() -> None:
    assert {partition_of(model, 2) for model in MODELS} == {0, 1}


def test_two_engines_find_what_one_finds(world: World, plain: World) -> None:
    for _ in range(3):
        world.post(EACH // 3)
    world.run(2)
    assert world.seen() == plain.seen()
    assert world.opened() == plain.opened()
    assert world.totals()["observed"] == plain.totals()["observed"] == EACH * len(MODELS)


def test_another_number_of_engines_goes_on_where_the_last_one_stopped(world: World, plain: World) -> None:
    for engines in (1, 2, 1):
        world.post(EACH // 3)
        world.run(engines)
    assert world.seen() == plain.seen()
    assert world.opened() == plain.opened()
    assert world.totals()["observed"] == EACH * len(MODELS)
    assert sorted(entry["partition"] for entry in world.audited("engine_started")) == [0, 0, 0, 1, 1, 1]


def test_what_there_is_once_is_in_the_first_engine_and_the_rest_in_each(world: World) -> None:
    first, second = made = world.start(2)
    until(lambda: all(engine.ready for engine in made), "the engines are not ready")
    names = [{thread.name for thread in engine._threads} for engine in made]
    jobs = [{job.name for job in engine.timers._scheduler.get_jobs()} for engine in made]
    stop(made)
    assert names == [{"desk", "courier", "pump-0"}, {"pump-1"}]
    assert jobs[1] == {"retention", "memory"} < jobs[0] and "checkpoint" in jobs[0]
    assert first.keeper is not None and second.keeper is None


def test_an_engine_whose_partition_is_taken_stops_and_the_other_goes_on(world: World) -> None:
    first, second = made = world.start(2)
    until(lambda: all(engine.ready for engine in made), "the engines are not ready")
    with world.home.database() as database:
        take_partition(database, 1, first.clock.now())
    world.post(5)
    second.wake("pump-0", "pump-1")
    until(lambda: second.failure, "the engine whose partition was taken goes on")
    assert second.fenced and "Partition 1 was taken by another engine" in str(second.failure)
    until(lambda: world.cursors()[0] > 0, "the other engine stands still")
    assert first.failure is None and world.cursors()[1] == 0
    stop(made)


def test_their_words_add_up(world: World) -> None:
    world.post(10)
    made = world.start(2)
    world.caught_up()
    until(lambda: all(engine.beat() for engine in made) and word.last(world.home.run, 2)["ready"], "no word of both")
    said = word.last(world.home.run, 2)
    assert [one["partitions"] for one in said["engines"]] == [[0], [1]] and said["partitions"] == [0, 1]
    assert said["began"] == min(one["began"] for one in said["engines"])
    stop(made)
    said = word.last(world.home.run, 2)
    assert not said["ready"] and not any(one["ready"] for one in said["engines"])


def test_the_daemon_judges_itself_by_all_engines(world: World) -> None:
    world.post(10)
    made = world.start(2)
    world.caught_up()
    until(lambda: made[0].telling.failed is not None, "nobody has counted the detectors")
    word.leave(world.home.run, {"detectors_disabled": 2, "snapshots_failing": True, "losses": ["Something."]}, 1)
    assert made[0].keeper is not None
    facts = SelfCheck(made[0], made[0].keeper.desk).facts(made[0].clock.now())
    stop(made)
    assert (facts.detectors_failed, facts.snapshots_failing, facts.waiting) == (2, True, 0)
    assert facts.lost_at is not None and not math.isnan(facts.lost_at)


def test_more_partitions_than_a_home_with_events_has_are_refused(world: World) -> None:
    world.run(2)
    prepare(world.home, Settings.from_json({**world.settings.to_json(), "partitions": 3}))  # nothing was ever sent
    world.post(1)
    more = Settings.from_json({**world.settings.to_json(), "partitions": 4, "engines": 4})
    with pytest.raises(StartError, match=r"in 2 partitions, and engines = 4 asks for 4: .* Start with partitions = 2"):
        prepare(world.home, more)
    with pytest.raises(StartError, match=r"partition 1, but the settings ask for 1 only: .* partitions = 2"):
        prepare(world.home, Settings.from_json({**world.settings.to_json(), "partitions": 1}))


def test_models_are_spread_evenly_and_always_alike() -> None:
    names = [f"model-{i}" for i in range(1000)]
    for partitions in (2, 3, 4):
        counts = Counter(partition_of(name, partitions) for name in names)
        assert max(counts.values()) < 1.2 * 1000 / partitions
    assert [partition_of(f"m{i}", 2) for i in range(8)] == [0, 1, 0, 0, 1, 0, 1, 0]
