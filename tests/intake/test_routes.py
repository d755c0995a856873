"""The two routes over ASGI, on a real spool."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.formats.secrets import Secrets
from monitor.spool import Limits, Options
from monitor.web.intake_body import Caps, inflate
from monitor.web.problems import Problem


def event(id_: Any, model: str = "m", **more: Any) -> bytes:
    return json.dumps({"id": id_, "model": model, "output": {"x": 1}, **more}).encode()


def ndjson(*ids: Any) -> bytes:
    return b"\n".join(event(id_) for id_ in ids)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


def test_a_post_is_answered_once_it_is_kept(site: Any) -> None:
    reply = site.post(ndjson("a", "b") + b"\nbroken\n" + event("a"))
    assert reply.status == 202 and reply.headers["content-type"] == "application/json"
    rejected = [{"line": 3, "reason": "The line is not valid JSON at character 1: expecting value."}]
    assert reply.json == {"accepted": 2, "rejected": rejected, "duplicates": 1}
    assert [line["id"] for line in site.kept()] == ["a", "b"]
    assert site.woken == [1]


def test_arrays_single_objects_and_truth_are_taken(site: Any) -> None:
    assert site.post(b"[" + event("a") + b", " + event("b") + b"]").json["accepted"] == 2
    assert site.post(json.dumps({"id": "c", "model": "m", "output": {}}, indent=1).encode()).json["accepted"] == 1
    reply = site.post(b'{"id":"a","model":"m","truth":{"y":1}}\n{"id":"b","model":"m"}', route="truth")
    assert reply.json["accepted"] == 1 and "The key truth is missing" in reply.json["rejected"][0]["reason"]
    assert [record.kind for record in site.spool.read(0, 0, 99)] == ["events", "events", "truth"]


def test_duplicates_are_found_in_a_post_and_across_posts_and_only_per_model(site: Any) -> None:
    assert site.post(ndjson("a", "a", "b")).json == {"accepted": 2, "rejected": [], "duplicates": 1}
    assert site.post(ndjson("b", "c")).json == {"accepted": 1, "rejected": [], "duplicates": 1}
    assert site.post(event("a", model="other")).json["accepted"] == 1
    assert site.post(event(7) + b"\n" + event("7")).json["duplicates"] == 1


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_compressed_bodies_are_taken_whole_and_in_pieces(site: Any, coding: str) -> None:
    body = COMPRESS[coding](ndjson(*range(3_000)))
    pieces = [body[start : start + 1_000] for start in range(0, len(body), 1_000)]
    assert site.post(pieces, headers={"Content-Encoding": coding}).json["accepted"] == 3_000
    two = COMPRESS[coding](event("a") + b"\n") + COMPRESS[coding](event("b"))
    assert site.post(two, headers={"Content-Encoding": coding}).json["accepted"] == 2


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("count", [3, 3_000])
def test_a_truncated_body_is_refused_as_a_whole(site: Any, coding: str, count: int) -> None:
    body = COMPRESS[coding](ndjson(*range(count)))
    for cut in (body[:-1], body[: len(body) // 2], body[:5]):
        reply = site.post(cut, headers={"Content-Encoding": coding})
        assert reply.status == 400 and reply.headers["content-type"] == "application/problem+json"
        assert reply.json["detail"] == f"The {coding} body is cut short: send it again, whole."
    assert site.spool.end(0) == 0


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_that_is_not_what_it_says_is_refused(site: Any, coding: str) -> None:
    reply = site.post(b"plain text, surely not compressed", headers={"Content-Encoding": coding})
    assert reply.status == 400 and f"no valid {coding}" in reply.json["detail"]
    damaged = bytearray(COMPRESS[coding](ndjson(*range(100))))
    damaged[-3] ^= 0xFF
    assert site.post(bytes(damaged), headers={"Content-Encoding": coding}).status in (400, 202) or coding == "zstd"


def bomb(coding: str) -> bytes:
    """A gigabyte of nothing."""
    if coding == "gzip":
        return gzip.compress(bytes(64 << 20), compresslevel=1) * 16
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(1_024)) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_of_a_gigabyte_is_stopped_early_and_without_memory(site: Any, coding: str) -> None:
    body = bomb(coding)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = site.post(body, headers={"Content-Encoding": coding})
    assert reply.status == 413
    assert reply.json["detail"].startswith("A body may have 32 MB, also once it is inflated")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_very_many_members_is_stopped_early(site: Any, coding: str) -> None:
    member = COMPRESS[coding](b"")
    many = COMPRESS[coding](event("a")) + member * 9_999
    assert site.post(many, headers={"Content-Encoding": coding}).json["accepted"] == 1
    before = time.process_time()
    reply = site.post(member * (8_000_000 // len(member)), headers={"Content-Encoding": coding})
    assert time.process_time() - before < 2.0
    assert reply.status == 400
    assert reply.json["detail"] == f"The {coding} body has more than 10,000 members: compress all of it at once."


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=300) | st.integers(1, 300_000).map(bytes), max_size=6), st.integers(0, 40))
def test_gzip_of_any_members_is_inflated_whole_and_a_cut_is_noticed(parts: list[bytes], cut: int) -> None:
    whole = b"".join(map(gzip.compress, parts))
    assert inflate(whole, "gzip", 1 << 30) == b"".join(parts)
    last = len(gzip.compress(parts[-1])) if parts else 0
    if 0 < cut < last:
        with pytest.raises(Problem, match="cut short"):
            inflate(whole[:-cut], "gzip", 1 << 30)


def test_a_body_announced_too_large_is_refused_unread(site: Any) -> None:
    assert site.post([], headers={"Content-Length": str(40 << 20)}).status == 413


def test_a_body_that_grows_too_large_is_refused_on_the_way(make_site: Any) -> None:
    site = make_site(caps=Caps(body_bytes=10_000))
    assert site.post([b"x" * 3_000] * 50).status == 413
    assert site.post([b" " * 3_000] * 3).status == 202


def test_bodies_that_together_take_too_much_memory_are_refused_while_they_come_in(make_site: Any) -> None:
    site = make_site(caps=Caps(pending_bytes=10_000))

    async def crowd() -> tuple[Any, Any]:
        parts = [event("a") + b" " * 6_000, b" "]
        first_is_in, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> Any:
            if len(parts) == 1:
                first_is_in.set()
                await go_on.wait()
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        slow = asyncio.create_task(site.intake.events({"type": "http", "method": "POST", "headers": []}, slowly, send))
        await first_is_in.wait()
        refused = await site.send(event("b") + b" " * 6_000)
        go_on.set()
        await slow
        return refused, sent[0]["status"]

    refused, status = asyncio.run(crowd())
    assert refused.status == 503 and "memory" in refused.json["detail"] and status == 202
    assert site.post(event("b") + b" " * 6_000).status == 202


def test_a_zstd_window_beyond_eight_megabytes_is_refused(site: Any) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=25, compression_level=1)
    body = zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(b"")
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = packer.compress(random.Random(1).randbytes(20_000)) + packer.flush()
    assert site.post(body, headers={"Content-Encoding": "zstd"}).status == 400


def test_an_unknown_coding_is_refused_with_what_is_taken(site: Any) -> None:
    reply = site.post(event("a"), headers={"Content-Encoding": "br"})
    assert reply.status == 415 and reply.headers["accept-encoding"] == "gzip, zstd"


def test_an_array_cut_off_is_refused_as_a_whole(site: Any) -> None:
    reply = site.post(b"[" + event("a") + b",")
    assert reply.status == 400 and "has no end" in reply.json["detail"]


def test_a_sender_that_hangs_up_gets_no_answer_and_nothing_is_kept(site: Any) -> None:
    sent: list[Any] = []

    async def hang_up() -> None:
        parts: list[Any] = [
            {"type": "http.request", "body": event("a"), "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await site.intake.events({"type": "http", "method": "POST", "headers": []}, receive, send)

    asyncio.run(hang_up())
    assert sent == [] and site.spool.end(0) == 0


def test_other_methods_are_refused(site: Any) -> None:
    reply = site.post(b"", method="GET")
    assert reply.status == 405 and reply.headers["allow"] == "POST"


def test_who_may_not_post_is_told_so_before_the_body_is_read(make_site: Any) -> None:
    def authorise(headers: Any) -> Any:
        if headers.get("authorization") == "Bearer raises":
            raise Problem(403, "You may not.")
        return None if headers.get("authorization") == "Bearer good" else Problem(401, "Show a token.")

    site = make_site(authorise=authorise)
    assert site.post([], headers={}).status == 401
    assert site.post([], headers={"Authorization": "Bearer raises"}).status == 403
    assert site.post(event("a"), headers={"Authorization": "Bearer good"}).status == 202


def test_what_is_old_when_it_comes_may_page_only_where_the_sender_says_so(site: Any) -> None:
    site.post(event("a"))
    site.post(event("b"), headers={"Overloop-Source": "file"})
    site.post(event("c"), headers={"Overloop-Source": "file", "Overloop-Live": "1"})
    site.post(event("d"), headers={"Overloop-Live": "1"})
    flags = [(r.flags.event_time, r.flags.live, r.flags.source) for r in site.spool.read(0, 0, 99)]
    assert flags == [(False, False, "http"), (True, False, "file"), (True, True, "file"), (False, True, "http")]


def numbered(sequence: object, producer: str = "p") -> dict[str, str]:
    return {"Overloop-Producer": producer, "Overloop-Sequence": str(sequence)}


def test_a_numbered_post_sent_again_is_not_kept_again(site: Any) -> None:
    body = ndjson("a", "b") + b"\nbroken"
    assert site.post(body, headers=numbered(1)).json["accepted"] == 2
    again = site.post(body, headers=numbered(1)).json
    assert (again["accepted"], again["duplicates"], len(again["rejected"])) == (0, 2, 1)
    truth = b'{"id":"a","model":"m","truth":{"y":1}}'
    assert site.post(truth, route="truth", headers=numbered(2)).json["accepted"] == 1
    assert site.post(truth, route="truth", headers=numbered(2)).json == {"accepted": 0, "rejected": [], "duplicates": 1}
    assert site.spool.end(0) == 3


def test_a_number_used_for_other_content_is_a_conflict(site: Any) -> None:
    site.post(event("a"), headers=numbered(1))
    reply = site.post(event("b"), headers=numbered(1))
    assert reply.status == 409 and "Post 1 of producer 'p' was taken before" in reply.json["detail"]
    site.intake.stop()
    assert site.spool.end(0) == 1 and site.spool.totals(0).refused == 1


@pytest.mark.parametrize(
    "headers",
    [{"Overloop-Producer": "p"}, {"Overloop-Sequence": "1"}, numbered("x"), numbered(0), numbered(-1), numbered(2**63),
     numbered("1" * 5_000),
     numbered("١"), numbered(1, "x" * 101), numbered(1, "a\x7fb")],
)  # fmt: skip
def test_bad_numbers_are_refused(site: Any, headers: dict[str, str]) -> None:
    encoded = {k: v if v.isascii() else v.encode().decode("latin-1") for k, v in headers.items()}
    reply = site.post(event("a"), headers=encoded)
    assert reply.status == 400 and "Overloop-" in reply.json["detail"]


def test_partitions_get_their_own_models_and_totals_add_up(make_site: Any) -> None:
    site = make_site(partitions=4)
    body = b"\n".join(event(n, model=f"model-{n % 9}") for n in range(90)) + b"\nbroken"
    reply = site.post(body, headers=numbered(1))
    assert reply.json["accepted"] == 90 and len(reply.json["rejected"]) == 1
    assert site.post(body, headers=numbered(1)).json["duplicates"] == 90
    assert site.post(body.replace(b"1", b"2"), headers=numbered(1)).status == 409
    assert sum(site.spool.end(p) for p in range(4)) == 90
    assert min(sorted(site.spool.end(p) for p in range(4))[1:]) > 0
    totals = site.intake.stats().totals
    assert (totals.received, totals.accepted, totals.rejected, totals.duplicates) == (182, 90, 2, 90)


def test_many_small_posts_at_once_share_transactions(site: Any, together: Any) -> None:
    replies = together([site.send(event(n)) for n in range(500)])
    assert [reply.json["accepted"] for reply in replies] == [1] * 500
    records = site.spool.read(0, 0, 10**6)
    assert sum(record.count for record in records) == 500 and len(records) < 100
    assert sorted(line["id"] for line in site.kept()) == sorted(range(500))


def test_large_bodies_do_not_hold_up_small_ones(site: Any) -> None:
    """While a body that takes long to check is under way, the loop goes on answering others."""

    async def both() -> tuple[int, Any]:
        large = asyncio.create_task(site.send(ndjson(*(f"large-{n}" for n in range(200_000)))))
        answered = 0
        while not large.done():
            assert (await site.send(event(f"small-{answered}"))).status == 202
            answered += 1
        return answered, await large

    answered, large = asyncio.run(both())
    assert large.json["accepted"] == 200_000 and answered > 3


def test_too_many_waiting_posts_are_refused_at_once_and_counted(make_site: Any, together: Any) -> None:
    site = make_site(caps=Caps(pending_posts=3), start=False)

    async def crowd() -> list[Any]:
        sends = [asyncio.create_task(site.send(event(n))) for n in range(5)]
        done, _ = await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            done, _ = await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
        refused = [task.result() for task in done]
        site.intake.start()
        return refused + [await task for task in sends if task not in done]

    replies = asyncio.run(crowd())
    assert [reply.status for reply in replies] == [503, 503, 202, 202, 202]
    assert replies[0].headers["retry-after"] == "1"
    assert "More posts are waiting than the disk can take" in replies[0].json["detail"]
    site.intake.stop()
    assert site.spool.totals(0)[:4] == (3, 0, 0, 2)


def test_a_full_disk_is_answered_503_and_what_was_refused_is_counted(make_site: Any, tmp_path: Any) -> None:
    site = make_site(options=Options(reserve_bytes=1 << 60))
    reply = site.post(event("a"))
    assert reply.status == 503 and reply.headers["retry-after"] == "5"
    assert "free some space. Nothing of this post was kept: send it again in 5 s." in reply.json["detail"]
    assert "kept for the ledger" in site.intake.trouble()
    assert site.intake.refused_since_commit(0) == 1
    assert site.spool.totals(0).received == 0


def test_after_stopping_everything_is_refused(site: Any) -> None:
    assert site.post(event("a")).status == 202
    assert site.intake.stop()
    assert site.post(event("b")).status == 503
    assert site.post(ndjson(*range(20_000))).status == 503


@pytest.mark.parametrize("quick_bytes", [1 << 20, 10])  # in the event loop, beside it
def test_a_kind_said_later_counts_from_the_next_post_on(make_site: Any, quick_bytes: int) -> None:
    """By a new rule book, or by a person: whoever hears of it makes new `Secrets` and calls `use`."""
    said: dict[str, str] = {}

    def secrets() -> Secrets:
        return Secrets(b"a key for secret columns", lambda _: dict(said))

    site = make_site(secrets=secrets(), caps=Caps(quick_bytes=quick_bytes))
    inputs = {"mail": "x@example.org", "people": [{"mail": "x@example.org"}]}
    for kind in (None, "secret", "category"):
        said |= {} if kind is None else {"inputs.mail": kind, "inputs.people.mail": kind}
        site.intake.use(secrets())
        for _ in range(3):  # with every checker there is
            site.post(event(os.urandom(4).hex(), inputs=inputs))
    mails = [line["inputs"]["mail"] for line in site.kept()]
    assert mails == [line["inputs"]["people"][0]["mail"] for line in site.kept()]
    assert set(mails[:3]) == set(mails[6:]) == {"x@example.org"}
    assert len(set(mails[3:6])) == 1 and mails[3].startswith("h:")


def test_a_time_that_is_no_time_costs_one_line_and_not_the_post(site: Any) -> None:
    lines = [event("a"), b'{"id":"b","model":"m","at":1' + b"0" * 400 + b',"output":{}}',
             b'{"id":"c","model":"m","at":"\\ud800","output":{}}', event("d")]  # fmt: skip
    reply = site.post(b"\n".join(lines))
    assert reply.status == 202 and reply.json["accepted"] == 2
    assert [line["line"] for line in reply.json["rejected"]] == [2, 3]


def test_an_answer_lists_the_first_thousand_rejected_lines(site: Any) -> None:
    answer = site.post(b"x\n" * 1_500).json
    assert len(answer["rejected"]) == 1_000 and answer["rejected_beyond"] == 500
    assert site.spool.totals(0).rejected == 1_500


def test_stats_name_what_metrics_need(site: Any) -> None:
    site.post(ndjson("a", "b"))
    stats = site.intake.stats()
    assert (stats.totals.accepted, stats.pending_posts, stats.pending_bytes, stats.trouble) == (2, 0, 0, None)
    assert stats.dedup_since == 1000.0


posts = st.lists(
    st.tuples(
        st.sampled_from(["events", "truth"]),
        st.lists(st.sampled_from([event("a"), event("b"), event("c", model="n"), b"broken", b"",
                                  b'{"id":"a","model":"m","truth":{"y":1}}', b'{"id":NaN}']), max_size=6),
        st.sampled_from(["", "gzip", "zstd", "cut", "br"]),
        st.none() | st.integers(1, 3),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(posts)
def test_any_sequence_of_posts_is_accounted_for_to_the_line(make_site: Any, posts: list[Any]) -> None:
    site = make_site(options=Options(limits=Limits(recent_ids=1_000)), folder=os.urandom(8).hex())
    sums = {"events": [0, 0, 0], "truth": [0, 0, 0]}
    refused = 0
    for kind, lines, coding, number in posts:
        body = b"\n".join(lines)
        headers = numbered(number) if number else {}
        if coding:
            headers["Content-Encoding"] = "gzip" if coding == "cut" else coding
            body = gzip.compress(body)[:-1] if coding == "cut" else COMPRESS.get(coding, bytes)(body)
        reply = site.post(body, route=kind, headers=headers)
        assert reply.status in (202, 400, 409, 415)
        if reply.status != 202:
            refused += 1
            continue
        answer = reply.json
        found = [answer["accepted"], len(answer["rejected"]), answer["duplicates"]]
        assert sum(found) == sum(bool(line) for line in lines)
        sums[kind] = [a + b for a, b in zip(sums[kind], found, strict=True)]
    site.intake.stop()
    totals = site.spool.totals(0)
    assert [totals.accepted, totals.rejected, totals.duplicates] == sums["events"]
    assert [totals.truth_accepted, totals.truth_rejected, totals.truth_duplicates] == sums["truth"]
    assert totals.received == sum(sums["events"]) and totals.truth_received == sum(sums["truth"])
    assert totals.refused == refused
    assert len(site.kept()) == totals.accepted + totals.truth_accepted == site.spool.end(0)
    site.spool.close()
