"""Real sends through real helper processes to a server of our own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from monitor.delivery.apprise_pool import HelperError, HelperPool
from monitor.delivery.apprise_sender import AppriseSender, NoVerdict, apprise_senders, check
from monitor.delivery.protocol import Outgoing, Result


def sender_for(url: str, pool: HelperPool) -> AppriseSender:
    label, problem = check(url, pool)
    assert problem is None, problem
    return AppriseSender(url, pool, label)


def test_a_delivered_message_carries_title_body_and_kind(target, pool, message):
    assert sender_for(target.url, pool).send(message, 20) == Result("delivered")
    body = json.loads(target.bodies[0])
    assert (body["title"], body["message"], body["type"]) == (message.title, message.body, "failure")


@pytest.mark.parametrize(("reason", "kind"), [("recovered", "success"), ("opened", "warning")])
def test_good_news_is_told_as_good_news(target, pool, reason, kind):
    sender_for(target.url, pool).send(Outgoing("t", "b", "medium", "i", reason), 20)
    assert json.loads(target.bodies[0])["type"] == kind


@pytest.mark.parametrize(
    ("how", "outcome", "reason", "retry_after"),
    [
        ("500", "retry", "serverError", None),
        ("503|Retry-After: 30", "retry", "serverError", 30.0),
        ("429|Retry-After: 7", "retry", "rateLimited", 7.0),
        (
            "429|Date: Tue, 24 Nov 2026 08:00:00 GMT|Retry-After: Tue, 24 Nov 2026 08:00:40 GMT",
            "retry",
            "rateLimited",
            40.0,
        ),
        ("429|Retry-After: soon", "retry", "rateLimited", None),
        ("401", "dead", "authError", None),
        ("404", "dead", "clientError", None),
        ("302|Location: http://127.0.0.1:9/", "dead", "clientError", None),
        ("reset", "retry", "connection", None),
    ],
)
def test_each_answer_has_its_class(target, pool, message, how, outcome, reason, retry_after):
    target.script = [how]
    result = sender_for(target.url, pool).send(message, 20)
    assert (result.outcome, result.reason, result.retry_after) == (outcome, reason, retry_after)
    assert result.problem.startswith("The receiver ") and result.problem.endswith(".")
    assert len(target.bodies) == 1, "the library must not retry by itself"
    assert "planted" not in result.problem


def test_options_in_the_url_cannot_bring_back_retries_or_hide_a_failure(target, pool, message):
    target.script = ["500"]
    url = target.url + "?retry=3&wait=0&optional=yes&redirect=yes"
    assert sender_for(url, pool).send(message, 20).outcome == "retry"
    assert len(target.bodies) == 1


@pytest.mark.parametrize("url", ["json://127.0.0.1:1/x", "json://no-such-host.invalid/x"])
def test_what_cannot_be_reached_is_a_connection_failure(pool, message, url):
    result = sender_for(url, pool).send(message, 20)
    assert (result.outcome, result.reason) == ("retry", "connection")


def test_a_target_that_never_answers_is_unknown_in_time_and_the_next_send_works(target, pool, message):
    target.script = ["hang", "200"]
    sender = sender_for(target.url, pool)
    began = time.monotonic()
    result = sender.send(message, 1.0)
    assert (result.outcome, result.reason) == ("unknown", "timeout")
    assert time.monotonic() - began < 1.5
    assert sender.send(message, 20).outcome == "delivered"


def test_a_target_that_drips_is_cut_at_the_deadline_by_killing_the_helper(target, fresh_pool, message):
    target.script = ["drip", "200"]
    sender = sender_for(target.url, fresh_pool)
    before = helper_pid(fresh_pool)
    began = time.monotonic()
    result = sender.send(message, 1.5)
    took = time.monotonic() - began
    assert (result.outcome, result.reason) == ("unknown", "timeout")
    assert "may have arrived" in result.problem
    assert 1.3 < took < 2.5
    assert not Path(f"/proc/{before}").exists()
    assert sender.send(message, 20).outcome == "delivered"
    assert helper_pid(fresh_pool) != before


def test_nothing_is_unknown_that_was_never_handed_over(fresh_pool, message):
    sender = AppriseSender("json://127.0.0.1:1/x", fresh_pool, "json://127.0.0.1:1")
    result = sender.send(message, 0.05)  # a helper needs longer than that to start
    assert (result.outcome, result.reason) == ("retry", "timeout")
    assert "nothing was sent" in result.problem


def test_one_target_is_sent_one_message_at_a_time(target, pool, message):
    target.script = ["hang"]
    sender = sender_for(target.url, pool)
    first = threading.Thread(target=sender.send, args=(message, 2.0))
    first.start()
    assert target.arrived.wait(10)
    result = sender.send(message, 0.2)
    first.join()
    assert (result.outcome, result.reason) == ("retry", "timeout")
    assert len(target.bodies) == 1


def test_a_helper_that_dies_while_sending_leaves_the_outcome_unknown(target, fresh_pool, message):
    target.script = ["hang"]
    sender = sender_for(target.url, fresh_pool)
    pid = helper_pid(fresh_pool)
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(sender.send(message, 20)))
    thread.start()
    assert target.arrived.wait(10)
    os.kill(pid, signal.SIGKILL)
    thread.join(10)
    assert (results[0].outcome, results[0].reason) == ("unknown", "other")


def test_closing_the_pool_ends_helpers_at_work_too(target, message):
    pool = HelperPool(size=1)
    target.script = ["hang"]
    sender = sender_for(target.url, pool)
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(sender.send(message, 30)))
    thread.start()
    assert target.arrived.wait(10)
    pid = busy_pid(pool)
    pool.close()
    thread.join(5)
    assert not thread.is_alive() and results[0].outcome == "unknown"
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(HelperError):
        pool.call({"do": "check", "url": "json://localhost"}, 1)


def test_a_helper_is_replaced_after_so_many_sends_and_after_a_rest(pool):
    for options in ({"sends": 1}, {"idle": 0.0}):
        short_lived = HelperPool(size=1, **options)
        pids = []
        for _ in range(2):
            short_lived.call({"do": "check", "url": "json://localhost"}, 20)
            pids.append(helper_pid(short_lived) if "idle" in options else None)
        if "idle" in options:
            assert pids[0] != pids[1]
        else:
            assert short_lived._idle == []
        short_lived.close()


def test_signals_meant_for_the_group_do_not_stop_a_helper(target, fresh_pool, message):
    sender = sender_for(target.url, fresh_pool)
    pid = helper_pid(fresh_pool)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        os.kill(pid, number)
    assert sender.send(message, 20).outcome == "delivered"
    assert helper_pid(fresh_pool) == pid


def test_the_address_is_neither_in_the_arguments_nor_in_the_environment(fresh_pool, monkeypatch):
    monkeypatch.setenv("OVERLOOP_NOTIFY", "json://127.0.0.1/planted-secret")
    check("json://127.0.0.1/planted-secret", fresh_pool)
    process = Path(f"/proc/{helper_pid(fresh_pool)}")
    seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"planted" not in seen and b"OVERLOOP" not in seen


OWNER = """
import os, subprocess, sys
from monitor.delivery.apprise_pool import HelperPool
pool = HelperPool(size=1)
pool.call({"do": "check", "url": "json://localhost"}, 30)
helper = pool._idle[0]._process
os.set_inheritable(helper.stdin.fileno(), True)
leak = subprocess.Popen(["sleep", "60"], close_fds=False) if sys.argv[1] == "leak" else None
print(helper.pid, leak.pid if leak else 0, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["plain", "leak"])
def test_no_helper_outlives_an_owner_that_was_killed(how):
    """`leak`: another process still holds the helper's input open, so only the parent's death can tell it."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with owner:
        assert owner.stdout is not None
        helper, leak = map(int, owner.stdout.readline().split())
        watch = os.pidfd_open(helper)
        try:
            owner.kill()
            assert ended(watch, 10), "the helper is an orphan"
        finally:
            os.close(watch)
            if leak:
                os.kill(leak, signal.SIGKILL)


def ended(pidfd: int, seconds: float) -> bool:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def helper_pid(pool: HelperPool) -> int:
    (helper,) = pool._idle
    return helper._process.pid


def busy_pid(pool: HelperPool) -> int:
    (helper,) = pool._busy
    return helper._process.pid


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("slak://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", 'did you mean "slack://"?'),
        ("slack://planted", "slack://{token_a}/{token_b}/{token_c}"),
        ("planted-token", "It is no Apprise URL"),
        ("", "It is no Apprise URL"),
        ("json://a.example/x json://b.example/y", "several URLs"),
        ("mailtos://planted:planted@example.com?to=a@example.com,b@example.com", "2 targets"),
        ("https://planted.example/planted", "write json:// or jsons://"),
        ("syslog://", "reaches only this machine"),
        ("dbus://", "reaches only this machine"),
        ("windows://", "reaches only this machine"),
        ("file:///etc/planted", "reaches only this machine"),
        ("mqtt://planted.example/planted", "which is not installed"),
        ("json://" + "p" * 5000, "5007 characters long"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_what_to_write_instead(pool, url, says):
    senders = apprise_senders({"oncall": url, "good": "json://127.0.0.1:1/x"}, pool)
    assert list(senders.usable) == ["good"]
    sentence = senders.problems["oncall"]
    assert says in sentence and '"oncall"' in sentence and sentence[-1] in ".?"
    assert "planted" not in sentence
    refused = senders.all["oncall"].send(Outgoing("t", "b", "low", "i", "opened"), 1.0)
    assert (refused.outcome, refused.problem) == ("dead", sentence)


# A helper that works only once the file named to it is there: until then it is slow, or dies.
LATE = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): {0}\n{1}"
HELPER = "from monitor.delivery import apprise_helper\nsys.argv[1:] = sys.argv[2:]\napprise_helper.main()"


def late_pool(ready: Path, meanwhile: str) -> HelperPool:
    return HelperPool(size=1, command=[sys.executable, "-c", LATE.format(meanwhile, HELPER), str(ready)])


@pytest.mark.parametrize(("meanwhile", "says"), [("time.sleep(60)", "in time"), ("sys.exit()", "ended at once")])
def test_a_helper_that_cannot_look_at_a_url_costs_its_receiver_nothing(tmp_path, target, message, meanwhile, says):
    ready = tmp_path / "ready"
    pool = late_pool(ready, meanwhile)
    try:
        senders = apprise_senders({"oncall": target.url, "other": "slak://planted"}, pool, 0.5)
        assert senders.problems == {} and set(senders.all) == {"oncall", "other"}
        assert says in senders.unchecked["oncall"] and "planted" not in str(senders)
        sender = senders.all["oncall"]
        waiting = sender.send(message, 0.5)
        assert (waiting.outcome, sender.label) == ("retry", "not checked yet")
        ready.touch()
        assert sender.send(message, 20) == Result("delivered")
        assert sender.label.startswith(f"json://127.0.0.1:{target.port} (")
        refused = senders.all["other"].send(message, 20)
        assert refused.outcome == "dead" and 'did you mean "slack://"?' in refused.problem
    finally:
        pool.close()


def test_all_urls_together_are_checked_in_the_time_of_one(tmp_path):
    pool = late_pool(tmp_path / "never", "time.sleep(60)")
    began = time.monotonic()
    try:
        senders = apprise_senders({f"r{n}": "json://127.0.0.1:1/x" for n in range(20)}, pool, 0.3)
    finally:
        pool.close()
    assert len(senders.usable) == len(senders.unchecked) == 20 and time.monotonic() - began < 5.0


def test_a_machine_that_can_start_no_process_has_no_verdict_and_sends_later(message):
    pool = HelperPool(size=1, command=["/nowhere/a-program-that-is-not-there"])
    with pytest.raises(NoVerdict, match="ended at once"):
        check("json://127.0.0.1:1/x", pool)
    assert AppriseSender("json://127.0.0.1:1/x", pool).send(message, 5).outcome == "retry"


def test_a_server_named_in_a_label_is_shown_and_a_token_is_not(pool):
    assert check("json://127.0.0.1:8080/planted", pool)[0].startswith("json://127.0.0.1:8080 (")
    assert check("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", pool)[0].startswith("discord://*** (")


def test_a_long_message_is_cut_and_still_fits_the_pipe(target, pool):
    wide = Outgoing("𝒯" * 5000, "\x01𝒯" * 50_000, "low", "i", "opened")
    assert sender_for(target.url, pool).send(wide, 20).outcome == "delivered"
    assert len(json.loads(target.bodies[0])["message"]) == 8000


def test_a_refused_login_at_a_mail_server_is_an_auth_error(pool, message):
    """A mail server is talked to without `requests`: the class comes from the reply code."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=talk_smtp, args=(server,), daemon=True).start()
        port = server.getsockname()[1]
        url = f"mailto://planted:planted-pass@127.0.0.1:{port}?to=planted@example.com&from=planted2@example.com"
        result = sender_for(url, pool).send(message, 20)
    assert (result.outcome, result.reason) == ("dead", "authError")
    assert "planted" not in result.problem


def talk_smtp(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rwb") as lines:
        lines.write(b"220 test\r\n")
        lines.flush()
        for line in lines:
            verb = line[:4].upper()
            answers = {b"EHLO": b"250-test\r\n250 AUTH PLAIN LOGIN\r\n", b"AUTH": b"535 5.7.8 no\r\n"}
            lines.write(answers.get(verb, b"250 ok\r\n"))
            lines.flush()
            if verb == b"QUIT":
                return
