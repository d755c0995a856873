"""What the writer's thread does when the spool fails, and by itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from monitor.spool import Limits, Options, Post, Spool
from monitor.web.intake_backlog import Backlog
from monitor.web.intake_body import Caps
from monitor.web.intake_writer import Writer

LINE = '{{"id":"{}","model":"{}","output":{{"x":1}}}}'


def event(id_: Any, model: str = "m") -> bytes:
    return LINE.format(id_, model).encode()


@contextmanager
def broken(site: Any, partition: int = 0) -> Iterator[None]:
    """While this lasts the table of records is away, and every append to the partition fails."""
    files = sorted(site.spool._folders[partition].glob("*.db"))
    with closing(sqlite3.connect(files[-1], isolation_level=None)) as other:
        other.execute("ALTER TABLE records RENAME TO away")
        yield
        other.execute("ALTER TABLE away RENAME TO records")


class Attempts:
    """A clock that tells when the thread looks at it, which it does before each append."""

    def __init__(self) -> None:
        self.made = Event()

    def __call__(self) -> float:
        self.made.set()
        return 1_000.0


def test_a_locked_spool_is_answered_503_and_works_again(site: Any) -> None:
    other = sqlite3.connect(next(site.spool._folders[0].glob("*.db")), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reply = site.post(event("a"))
    assert reply.status == 503 and reply.headers["retry-after"] == "1"
    other.execute("ROLLBACK")
    other.close()
    assert site.post(event("a")).json["accepted"] == 1
    assert site.intake.trouble() is None
    site.intake.stop()
    assert site.spool.totals(0)[:4] == (1, 0, 0, 1)


def test_a_writer_that_fails_says_so_to_everybody_and_never_hangs(site: Any, together: Any) -> None:
    site.spool.close()  # whatever it is that breaks: the next append raises
    replies = together([site.send(event(n)) for n in range(5)])
    assert {reply.status for reply in replies} == {503}
    assert site.post(event("later")).status == 503
    assert "writer failed" in site.intake.trouble()


def test_one_passing_failure_does_not_end_intake_and_loses_nothing(make_site: Any) -> None:
    site = make_site(now=(attempts := Attempts()))
    assert site.post(event("a")).status == 202
    with broken(site):
        replies = [site.post(event(n)) for n in range(3)]
        assert [reply.status for reply in replies] == [503] * 3
        assert "no such table: records" in replies[0].json["detail"] and replies[0].headers["retry-after"] == "5"
        assert "Nothing of this post was kept: send it again in 5 s." in replies[2].json["detail"]
        assert "no such table: records" in site.intake.trouble()
        attempts.made.clear()
        assert attempts.made.wait(10)  # it keeps trying
        assert site.intake.trouble() is not None
    while site.intake.trouble() is not None:  # nobody posts: it sees by itself that all is well
        attempts.made.clear()
        attempts.made.wait(0.2)
    assert site.post(event("a") + b"\n" + event(1)).json == {"accepted": 1, "rejected": [], "duplicates": 1}
    site.intake.stop()
    assert site.spool.totals(0)[:4] == (2, 0, 1, 3)
    assert [line["id"] for line in site.kept()] == ["a", "1"]


def test_it_can_be_stopped_in_the_middle_of_a_failure(site: Any) -> None:
    with broken(site):
        assert site.post(event("a")).status == 503
        assert site.intake.stop()
        assert site.post(event("b")).status == 503


def test_a_post_of_which_a_part_was_kept_is_told_so(make_site: Any) -> None:
    site = make_site(partitions=2)
    body = b"\n".join(event(n, model=f"model-{n}") for n in range(20))
    with broken(site, partition=1):
        reply = site.post(body)
    assert reply.status == 503 and "Only a part of this post was kept: send all of it again" in reply.json["detail"]
    kept = site.spool.end(0)
    assert 0 < kept < 20 and site.spool.end(1) == 0
    while (reply := site.post(body)).status == 503:
        pass
    assert (reply.json["accepted"], reply.json["duplicates"]) == (20 - kept, kept)


def test_a_segment_that_is_old_is_closed_though_nothing_comes_in(tmp_path: Path) -> None:
    made = Event()
    times = iter([1_000.0, 80_000.0, 90_000.0])

    def now() -> float:
        at = next(times, None)
        if at is None:
            made.set()  # the attempt before has been made
        return at or 90_000.0

    with Spool.open(tmp_path, options=Options(limits=Limits(segment_seconds=86_000.0))) as spool:
        spool.append(0, [Post("events", [event("a")], [b"8 bytes."])], now())
        writer = Writer(spool, now, lambda: None, 1 << 20, 100, idle=0.001)
        writer.start()
        assert made.wait(10) and writer.stop(10)
        assert [path.stem for path in sorted((tmp_path / "0").glob("*.db"))] == [f"{0:020d}", f"{1:020d}"]
        assert spool.trim(0, 1, 90_000.0 + 8 * 86_400.0) and spool.oldest_replayable(0) == (1, None)


def test_intake_stops_while_too_many_events_wait_and_goes_on_once_they_are_observed(make_site: Any) -> None:
    asked, cursor = Event(), [0, 0]

    def observed(partition: int) -> int:
        asked.set()
        return cursor[partition]

    site = make_site(caps=Caps(waiting_events=30), observed=observed, partitions=2)
    truth = b'{"id":"a","model":"m","truth":{"y":1}}'
    assert site.post(truth, route="truth").status == 202  # truth is not counted
    body = b"\n".join(event(n, model=f"model-{n}") for n in range(29))
    assert site.post(body).status == 202
    assert site.intake.trouble() is None
    assert site.post(event("last")).status == 202
    reply = site.post(event("beyond"))
    assert reply.status == 503 and reply.headers["retry-after"] == "5"
    assert "30 accepted events wait for the engine, and at most 30 may. Nothing of this" in reply.json["detail"]
    assert site.post([], route="truth").status == 503  # nor is it read
    assert "30 accepted events wait" in site.intake.trouble()
    cursor[:] = [site.spool.end(partition) for partition in range(2)]
    asked.clear()
    assert asked.wait(10)  # nobody posts: it sees by itself
    while (reply := site.post(event("beyond"))).status == 503:
        pass
    assert reply.json["accepted"] == 1 and site.intake.trouble() is None
    site.intake.stop()
    assert sum(site.spool.totals(partition).accepted for partition in range(2)) == 31
    assert site.spool.totals(0).refused >= 2


def test_how_many_wait_is_asked_once_a_second_and_counted_on_in_between() -> None:
    now, waiting = [0.0], [5]
    asked: list[float] = []

    def ask() -> int:
        asked.append(now[0])
        if waiting[0] < 0:
            raise OSError("the ledger is away")
        return waiting[0]

    backlog = Backlog(ask, 10, lambda: now[0])
    for _ in range(3):
        backlog.look()
        backlog.add(1)
    assert backlog.full is None
    backlog.add(2)
    assert backlog.full == "10 accepted events wait for the engine, and at most 10 may"
    now[0] = 1.0
    backlog.look()
    assert backlog.full is None and asked == [0.0, 1.0]
    waiting[0] = -1
    for now[0] in (2.0, 3.0):
        backlog.look()
        backlog.add(3)
    assert backlog.full is not None and len(asked) == 4  # nobody answers: the bound holds all the same


def test_refused_posts_are_counted_even_while_they_keep_coming(make_site: Any) -> None:
    site = make_site(now=(attempts := Attempts()))
    posts, began = 0, time.monotonic()
    while not attempts.made.is_set():
        assert site.post(event("a"), headers={"Content-Encoding": "br"}).status == 415
        posts += 1
        assert time.monotonic() - began < 10
    site.intake.stop()
    assert site.spool.totals(0).refused == posts
