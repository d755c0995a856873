"""Files close by age too, so that what is old goes however little comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.spool import Limits, Options, Post, Retention, Spool

Make = Callable[..., Post]
HOUR, DAY = 3_600.0, 86_400.0


@pytest.mark.parametrize(("retain", "every", "days"), [(7 * DAY, 6 * HOUR, 30), (1.4 * DAY, HOUR, 3)])
def test_a_home_with_little_traffic_keeps_nothing_beyond_its_retention(
    folder: Path, events: Make, retain: float, every: float, days: int
) -> None:
    now, span, number = 1.8e9, min(DAY, retain / 7), int(days * DAY / every)
    with Spool.open(folder, options=Options(retention=Retention(seconds=retain))) as spool:
        for n in range(number):
            spool.append(0, [events(n)], now)
            if n % 6 == 5:
                needed = spool.end(0) - 2
                spool.trim(0, needed, now)
                oldest = spool.oldest_replayable(0)
                assert oldest.offset <= needed and spool.read(0, oldest.offset, 9_999)[-1].end == spool.end(0)
                assert oldest.recorded_at is not None and now - oldest.recorded_at <= retain + span + every
                assert len(list((folder / "0").glob("*.db"))) <= retain / min(span, every) + 2
            now += every
        assert spool.totals(0).accepted == number


def test_what_is_still_needed_stays_however_old_it_is(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        for day in range(12):
            spool.append(0, [events(day)], day * DAY)
        assert spool.trim(0, 3, 12 * DAY) and spool.oldest_replayable(0).offset == 3
        assert [record.first for record in spool.read(0, 3, 99)] == list(range(3, 12))


def test_an_old_segment_is_closed_even_where_nothing_new_comes(folder: Path, events: Make, truths: Make) -> None:
    numbered = {"producer": "p", "sequence": 1, "digest": b"d"}
    with Spool.open(folder) as spool, Spool.open(folder, write=False) as reader:
        spool.append(0, [events("a", "b", **numbered), truths("a")], 0.0)
        spool.append(0, [], 1.1 * DAY, refused=1)
        assert spool.trim(0, 3, 1.1 * DAY + 7 * DAY)
        for one in (spool, reader):
            assert one.oldest_replayable(0) == (3, None) and one.read(0, 0, 9) == []
            assert one.end(0) == 3 and one.totals(0)[:4] == (2, 0, 0, 1)
            assert one.accepted_at(0, 3) == one.accepted_at(0, 0) == 2
        assert spool.append(0, [events("a", "b", **numbered)], 9 * DAY)[0].duplicates == 2
        assert spool.append(0, [events("c")], 1 * DAY)[0].accepted == 1
        assert [(r.first, r.recorded_at) for r in reader.read(0, 0, 9)] == [(3, DAY)]


times = st.lists(st.floats(0, 3 * DAY), max_size=12)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times, st.integers(0, 2))
def test_closing_by_age_changes_nothing_of_what_is_read(tmp_path_factory, events, steps, reopened) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("spool")
    options = Options(limits=Limits(segment_seconds=DAY))
    spool, now, appended = Spool.open(folder, options=options), 0.0, 0
    for number, step in enumerate(steps):
        now += step
        appended += spool.append(0, [events(number, number + 1)], now)[0].accepted
        if number % 5 == reopened:
            spool.close()
            spool = Spool.open(folder, options=options)
    records = spool.read(0, 0, 9_999)
    firsts = {int(path.stem) for path in (folder / "0").glob("*.db")}
    began = 0.0
    for record in records:
        began = record.recorded_at if record.first in firsts else began
        assert record.recorded_at - began < DAY  # no file spans more
    assert [record.first for record in records] == [0, *(record.end for record in records[:-1])][: len(records)]
    assert appended == spool.end(0) == spool.totals(0).accepted == (len(steps) + 1 if steps else 0)
    spool.close()
