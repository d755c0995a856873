"""The client and the intake together, over a real server."""

from __future__ import annotations

import threading
from typing import Any

from monitor.client import Client


def test_everything_a_service_logs_is_kept_exactly_once(make_site: Any, serve: Any) -> None:
    site = make_site()
    client = Client(serve(site), "t", linger=0.01)

    def service(name: str) -> None:
        for n in range(500):
            id_ = client.log("m", {"n": n, "nan": float("nan")}, {"y": n % 2}, id=f"{name}-{n}")
            client.truth("m", id_, {"y": n % 3})

    threads = [threading.Thread(target=service, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(20) and client.close()
    stats = client.stats()
    assert (stats.logged, stats.accepted, stats.rejected, stats.dropped) == (4_000, 4_000, 0, 0)
    totals = site.spool.totals(0)
    assert (totals.accepted, totals.truth_accepted, totals.received) == (2_000, 2_000, 2_000)
    assert len({line["id"] for line in site.kept()}) == 2_000


def test_a_refused_token_is_waited_out_and_then_everything_arrives(make_site: Any, serve: Any) -> None:
    from monitor.web.problems import Problem

    verdicts = iter([Problem(503, "Starting.", {"Retry-After": "0"}), Problem(401, "Show a token.")])
    site = make_site(authorise=lambda _: next(verdicts, None))
    client = Client(serve(site), "t", linger=0.0)
    client.log("m", {"a": 1}, id="one")
    assert client.flush(20) and client.close()
    assert [line["id"] for line in site.kept()] == ["one"]
