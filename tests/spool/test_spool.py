from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.spool import (
    Flags,
    Limits,
    Options,
    Post,
    Receipt,
    Retention,
    Spool,
    SpoolBusy,
    SpoolError,
    SpoolFull,
    partition_of,
)

Make = Callable[..., Post]


def test_what_is_appended_is_read_back_in_order_with_offsets(spool: Spool, events: Make) -> None:
    spool.append(0, [events("a", "b"), events("c")], 100.0)
    spool.append(0, [events("d")], 101.0)
    first, second = spool.read(0, 0, 10)
    assert (first.first, first.count, first.recorded_at, first.kind) == (0, 3, 100.0, "events")
    assert [line[:9] for line in first.payload.split(b"\n")] == [b'{"id":"a"', b'{"id":"b"', b'{"id":"c"']
    assert (second.first, second.end, second.payload) == (3, 4, events("d").lines[0])
    assert spool.end(0) == 4


def test_reading_stops_once_the_limit_is_reached_but_gives_whole_records(spool: Spool, events: Make) -> None:
    for start in range(0, 50, 10):
        spool.append(0, [events(*range(start, start + 10))], 1.0)
    assert [record.first for record in spool.read(0, 0, 1)] == [0]
    assert [record.first for record in spool.read(0, 10, 15)] == [10, 20]
    assert [record.first for record in spool.read(0, 20, 999)] == [20, 30, 40]
    assert spool.read(0, 50, 999) == []


def test_an_offset_inside_a_record_is_refused(spool: Spool, events: Make) -> None:
    spool.append(0, [events("a", "b")], 1.0)
    spool.append(0, [events("c")], 1.0)
    with pytest.raises(ValueError, match="offset 1 is inside the record of offsets 0 to 2"):
        spool.read(0, 1, 10)


def test_a_range_between_two_record_boundaries_is_read_whole(spool: Spool, events: Make) -> None:
    for start in range(0, 50, 10):
        spool.append(0, [events(*range(start, start + 10))], 1.0)
    assert [record.first for record in spool.read_range(0, 10, 40)] == [10, 20, 30]
    assert spool.read_range(0, 40, 40) == []


def test_lines_of_other_kinds_and_flags_are_kept_apart(spool: Spool, events: Make, truths: Make) -> None:
    old = Flags(event_time=True, live=False, source="file")
    spool.append(0, [events("a"), events("b", flags=old), truths("a"), events("c")], 1.0)
    found = [(record.kind, record.flags, record.first) for record in spool.read(0, 0, 99)]
    assert found == [("events", Flags(), 0), ("events", old, 1), ("truth", Flags(), 2), ("events", Flags(), 3)]


def test_a_large_post_becomes_several_bounded_records(spool: Spool, events: Make) -> None:
    spool.append(0, [events(*range(4_500))], 1.0)
    assert [record.count for record in spool.read(0, 0, 9_999)] == [2_000, 2_000, 500]
    big = Post("events", [b"x" * 1_000_000] * 10, [bytes([n] * 8) for n in range(1, 11)])
    spool.append(0, [big], 1.0)
    assert [record.count for record in spool.read(0, 4_500, 9_999)] == [4, 4, 2]


def test_recorded_at_never_falls_even_when_the_clock_does(folder: Path, events: Make) -> None:
    with Spool.open(folder) as spool:
        spool.append(0, [events("a")], 1000.0)
        spool.append(0, [events("b")], 1000.0 - 86_400)
    with Spool.open(folder) as spool:
        spool.append(0, [events("c")], 5.0)
        spool.append(0, [events("d")], 1001.0)
        assert [record.recorded_at for record in spool.read(0, 0, 9)] == [1000.0, 1000.0, 1000.0, 1001.0]


def test_ids_sent_before_are_counted_and_not_kept(spool: Spool, events: Make) -> None:
    assert spool.append(0, [events("a", "b", "a"), events("b", "c")], 1.0) == [Receipt(2, 1), Receipt(1, 1)]
    assert spool.append(0, [events("c", "d")], 1.0) == [Receipt(1, 1)]
    assert spool.append(0, [events("a", model="other")], 1.0) == [Receipt(1, 0)]
    assert spool.end(0) == 5


def test_totals_add_up_and_survive_reopening(folder: Path, events: Make, truths: Make) -> None:
    with Spool.open(folder) as spool:
        spool.append(0, [events("a", "b", "a", rejected=3)], 1.0, refused=2)
        spool.append(0, [events(rejected=4)], 1.0)
        spool.append(0, [truths("a", "b", rejected=1)], 1.0)
    with Spool.open(folder) as spool:
        spool.append(0, [events("b", "c")], 1.0, refused=1)
        totals = spool.totals(0)
    assert (totals.accepted, totals.rejected, totals.duplicates, totals.refused) == (3, 7, 2, 3)
    assert totals.received == 12
    assert (totals.truth_accepted, totals.truth_rejected, totals.truth_received) == (2, 1, 3)


def test_events_before_an_offset_are_counted_without_truth(spool: Spool, events: Make, truths: Make) -> None:
    spool.append(0, [events("a", "b"), truths("x", "y", "z"), events("c", "d")], 1.0)
    assert [spool.accepted_at(0, offset) for offset in (0, 2, 5, 7, 8)] == [0, 2, 2, 4, 4]


def test_a_numbered_post_sent_again_is_counted_as_duplicates_at_any_distance(
    folder: Path, events: Make, small: Options
) -> None:
    numbered = {"producer": "p", "digest": b"one"}
    with Spool.open(folder, options=small) as spool:
        assert spool.append(0, [events("a", "b", sequence=1, **numbered)], 1.0) == [Receipt(2, 0)]
        for start in range(0, 1_000, 50):  # far beyond the ids remembered, over many segments
            spool.append(0, [events(*range(start, start + 50))], 1.0)
    with Spool.open(folder, options=small) as spool:
        assert spool.append(0, [events("a", "b", sequence=1, **numbered)], 1.0) == [Receipt(0, 2)]
        assert spool.append(0, [events("c", sequence=2, producer="p", digest=b"two")], 1.0) == [Receipt(1, 0)]
        assert spool.append(0, [events("a", "b", sequence=1, **numbered)], 1.0) == [Receipt(0, 2)]


def test_a_repeat_within_one_group_is_noticed(spool: Spool, events: Make) -> None:
    post = {"sequence": 7, "producer": "p", "digest": b"d"}
    assert spool.append(0, [events("a", **post), events("a", **post)], 1.0) == [Receipt(1, 0), Receipt(0, 1)]


def test_truth_is_repeated_by_number_only(spool: Spool, truths: Make) -> None:
    assert spool.append(0, [truths("a", sequence=1, producer="p")], 1.0) == [Receipt(1, 0)]
    assert spool.append(0, [truths("a", sequence=1, producer="p")], 1.0) == [Receipt(0, 1)]
    assert spool.append(0, [truths("a")], 1.0) == [Receipt(1, 0)]  # a correction


def test_a_number_used_twice_for_other_bytes_is_a_conflict_and_brings_nothing(spool: Spool, events: Make) -> None:
    spool.append(0, [events("a", sequence=1, producer="p", digest=b"one")], 1.0)
    receipts = spool.append(0, [events("b", sequence=1, producer="p", digest=b"two", rejected=1)], 1.0)
    assert receipts == [Receipt(0, 0, conflict=True)]
    assert spool.totals(0)[:4] == (1, 0, 0, 0)
    assert spool.end(0) == 1


def test_segments_turn_over_and_reading_crosses_them(folder: Path, events: Make, small: Options) -> None:
    with Spool.open(folder, options=small) as spool, Spool.open(folder, write=False) as reader:
        for start in range(0, 3_000, 100):
            spool.append(0, [events(*(f"some-longer-id-{n * 7919}" for n in range(start, start + 100)))], 1.0)
        assert len(list((folder / "0").glob("*.db"))) > 3
        for one in (spool, reader):
            found = one.read(0, 0, 10**6)
            assert [record.first for record in found] == list(range(0, 3_000, 100))
            assert one.totals(0).accepted == 3_000
            assert [one.accepted_at(0, at) for at in (0, 100, 1_500, 3_000, 4_000)] == [0, 100, 1_500, 3_000, 3_000]


def test_a_reader_sees_nothing_before_there_is_a_spool_and_everything_once_there_is(folder: Path, events: Make) -> None:
    with Spool.open(folder, write=False) as reader:
        assert (reader.end(0), reader.read(0, 0, 10), reader.totals(0).received) == (0, [], 0)
        assert reader.oldest_replayable(0) == (0, None)
        with Spool.open(folder) as spool:
            spool.append(0, [events("a")], 1.0)
            assert [record.count for record in reader.read(0, 0, 10)] == [1]
            spool.append(0, [events("b")], 2.0)
            assert [record.count for record in reader.read(0, 1, 10)] == [1]
            assert reader.oldest_replayable(0) == (0, 1.0)


def test_partitions_are_apart(folder: Path, events: Make) -> None:
    with Spool.open(folder, partitions=3) as spool:
        spool.append(0, [events("a")], 1.0)
        spool.append(2, [events("a", "b", partition=2)], 1.0)
        assert [spool.end(partition) for partition in range(3)] == [1, 0, 2]
        assert spool.read(2, 0, 9)[0].partition == 2
    with pytest.raises(SpoolError, match=r"has records in partition 2.*at least 3"):
        Spool.open(folder, partitions=2)


def test_models_are_spread_over_partitions_the_same_way_each_time() -> None:
    found = [partition_of(f"model-{n}", 4) for n in range(200)]
    assert found == [partition_of(f"model-{n}", 4) for n in range(200)]
    assert all(30 < found.count(partition) < 70 for partition in range(4))
    assert partition_of("fraud-eu", 4) == 3  # pinned: it must never change, or models would change places


def test_two_writers_are_refused(folder: Path, spool: Spool) -> None:
    with pytest.raises(SpoolBusy, match="Another process writes to"):
        Spool.open(folder)


def test_a_disk_that_is_nearly_full_is_kept_for_the_ledger(folder: Path, events: Make) -> None:
    with Spool.open(folder, options=Options(reserve_bytes=1 << 60)) as spool:
        with pytest.raises(SpoolFull, match="kept for the ledger: free some space"):
            spool.append(0, [events("a")], 1.0)
        assert spool.totals(0).received == 0
    with Spool.open(folder) as spool:
        assert spool.append(0, [events("a")], 1.0) == [Receipt(1, 0)]


def test_old_segments_go_by_age_and_size_but_never_what_is_needed(folder: Path, events: Make, small: Options) -> None:
    with Spool.open(folder, options=small) as spool:
        for start in range(0, 1_000, 50):
            spool.append(0, [events(*(f"a-longer-id-{n * 7919}" for n in range(start, start + 50)))], float(start))
        end = spool.end(0)
        assert spool.trim(0, end, now=1_000.0) == []  # nothing is seven days old
        assert spool.trim(0, 0, now=1e9) == []  # nothing is before offset 0
        gone = spool.trim(0, 600, now=1e9)
        oldest = spool.oldest_replayable(0)
        assert gone and 0 < oldest.offset <= 600
        assert oldest.recorded_at == float(oldest.offset)
        assert spool.read(0, 0, 1)[0].first == oldest.offset  # what was trimmed is passed over
        assert spool.accepted_at(0, oldest.offset) == oldest.offset
        assert spool.accepted_at(0, 3) == oldest.offset
        spool.trim(0, end, now=1e9)
        assert len(list((folder / "0").glob("*.db"))) == 1
        assert spool.totals(0).accepted == 1_000 and spool.end(0) == end


def test_size_alone_lets_the_oldest_segments_go(folder: Path, events: Make) -> None:
    options = Options(Limits(segment_bytes=8_000), Retention(bytes_=150_000))
    with Spool.open(folder, options=options) as spool:
        for start in range(0, 6_000, 200):
            spool.append(0, [events(*(f"a-longer-id-{n * 7919}" for n in range(start, start + 200)))], 1.0)
        before = sum(path.stat().st_size for path in (folder / "0").glob("*.db"))
        assert spool.trim(0, spool.end(0), now=2.0)
        after = sum(path.stat().st_size for path in (folder / "0").glob("*.db"))
        assert before > 150_000 >= after > 100_000


def test_the_record_that_holds_an_offset_is_found_without_reading_it(
    folder: Path, events: Make, small: Options
) -> None:
    with Spool.open(folder, options=small) as spool:
        for start in range(0, 500, 50):
            spool.append(0, [events(*(f"a-longer-id-{n * 7919}" for n in range(start, start + 50)))], float(start))
        assert [spool.holding(0, offset) for offset in (0, 49, 275)] == [(0, 50, 0.0), (0, 50, 0.0), (250, 300, 250.0)]
        assert spool.holding(0, 700) == (450, 500, 450.0)  # the last one before it
        assert [record.first for record in spool.newest(0, 60)] == [400, 450]
    with Spool.open(folder.parent / "none", write=False) as empty:
        assert empty.holding(0, 0) is None and empty.newest(0, 5) == []
