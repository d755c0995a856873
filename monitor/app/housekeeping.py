"""What the engine does by the clock: retention, checkpoints, the audit's own check, the outside heartbeat."""

from __future__ import annotations

import ctypes
import json
import os
import urllib.error
import urllib.request
from functools import partial
from typing import TYPE_CHECKING

import structlog

from monitor.app.selfcheck import EVERY as EVERY_LOOK
from monitor.app.selfcheck import SelfCheck
from monitor.core.notices.render import Links
from monitor.delivery.alertmanager import EVERY
from monitor.killpoints import point
from monitor.runtime.canary import Lost
from monitor.runtime.digest import send_digest
from monitor.runtime.evidence import open_signer, signed_by
from monitor.runtime.resend import resend
from monitor.runtime.timers import Job
from monitor.settings.parts import spool_options
from monitor.settings.secrets import heartbeat_address
from monitor.spool import Retention
from monitor.store import access
from monitor.store.facts import AUDIT_VERIFIED, set_fact
from monitor.store.ledger import forget_steps, steps_after
from monitor.store.trail import keep_checkpoint, wants_checkpoint
from monitor.store.verify import verify

if TYPE_CHECKING:
    from monitor.app.engine import Engine
    from monitor.app.keeper import Keeper

log = structlog.get_logger("housekeeping")

SESSIONS_KEPT = 30 * 86_400.0  # seconds expired sessions and login links stay readable


def jobs(engine: Engine) -> list[Job]:
    """An engine's timed jobs: those for its own partitions, and in the engine that keeps house the others."""
    own = [
        Job("retention", partial(retain, engine, spool_options(engine.settings).retention), every=300.0),
        Job("memory", give_back, every=60.0),
    ]
    return own if engine.keeper is None else [*own, *_of_the_house(engine, engine.keeper)]


def _of_the_house(engine: Engine, keeper: Keeper) -> list[Job]:
    found = [
        Job("checkpoint", partial(sign_head, engine), every=10.0),
        Job("witness", partial(_witness, engine), daily=(0, 0)),
        Job("verify", partial(_verify, engine), every=86_400.0),
        Job("ledger_log", engine.database.checkpoint, every=120.0),
        Job("sessions", partial(_sessions, engine), every=86_400.0),
        Job("clock", partial(_clock, engine), every=30.0),
        Job("itself", SelfCheck(engine, keeper.desk).look, every=EVERY_LOOK),
    ]
    if engine.settings.digest.receivers:
        found.append(Job("digest", partial(_digest, keeper), daily=(engine.settings.digest.hour, 0)))
    if any(receiver.type == "alertmanager" for receiver in engine.settings.receivers.values()):
        found.append(Job("alertmanager", partial(_resend, keeper), every=EVERY))
    address = heartbeat_address(engine.settings, os.environ)
    if address is not None:
        found.append(
            Job("heartbeat", partial(_heartbeat, keeper, address.reveal()), every=engine.settings.heartbeat.every)
        )
    return found


def retain(engine: Engine, retention: Retention) -> None:
    """Let go of spool files and steps that are old enough, never of what a restart would need to read again."""
    for pump in engine.pumps:
        now, partition = engine.clock.now(), pump.partition
        if not _overdue(engine, partition, retention, now):
            continue
        covered = pump.rotation.covered()
        point("before retention")
        gone = engine.spool.trim(partition, _offset_after(engine, partition, covered), now)
        point("after retention")
        start = engine.spool.oldest_replayable(partition).offset
        with engine.database.write(now) as tx:
            forget_steps(tx, partition, start, covered, now - retention.seconds)
            if gone:
                tx.audit("retention", "machine", {"partition": partition, "files": len(gone), "from": start})


def give_back() -> None:
    """Memory that a burst has left free goes back to the system; glibc alone keeps what lies below anything in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _offset_after(engine: Engine, partition: int, seq: int) -> int:
    """Up to which offset events were observed when step `seq` was committed; 0 if it is not recorded."""
    with engine.database.read() as connection:
        found = steps_after(connection, partition, seq - 1, 1)
    return found[0].end if found and found[0].seq == seq else 0


def _overdue(engine: Engine, partition: int, retention: Retention, now: float) -> bool:
    """Whether anything may be old or large enough to go; to know what is covered, all snapshots are read."""
    files = list((engine.home.spool / str(partition)).glob("*.db"))
    if len(files) > 1:
        oldest = engine.spool.oldest_replayable(partition).recorded_at
        if sum(file.stat().st_size for file in files) > retention.bytes_:
            return True
        if oldest is not None and oldest < now - retention.seconds:
            return True
    with engine.database.read() as connection:
        first = steps_after(connection, partition, 0, 1)
    return bool(first) and first[0].at < now - 1.1 * retention.seconds  # a tenth more, so that it is worth the while


def sign_head(engine: Engine) -> None:
    """Sign the head of the audit log if it has grown enough, or by what people did about a model's answers."""
    now = engine.clock.now()
    with engine.database.read() as connection:
        if not wants_checkpoint(connection, now):
            return
        signer = open_signer(engine.home.path, connection)
    with engine.database.write(now) as tx:
        keep_checkpoint(tx, signer.sign)


def _witness(engine: Engine) -> None:
    """The daily line that lets whoever keeps the logs check the audit log later."""
    with engine.database.write(engine.clock.now()) as tx:
        size, root = keep_checkpoint(tx)
    log.info(f"audit {size} {root.hex()[:8]}", action="witness", size=size, root=root.hex())


def _verify(engine: Engine) -> None:
    with engine.database.read() as connection:
        verdict = verify(connection, None, signed_by(engine.home.path))
    now = engine.clock.now()
    engine.metrics.house.audit_verified(verdict.code == 0, now)
    with engine.database.write(now) as tx:
        set_fact(tx, AUDIT_VERIFIED, json.dumps({"at": now, "code": verdict.code, "sentence": verdict.sentence}))
    if verdict.code != 0:
        log.error(verdict.sentence, action="audit_verify_failed")


def _sessions(engine: Engine) -> None:
    now = engine.clock.now()
    with engine.database.write(now) as tx:
        access.forget_tokens(tx, now - SESSIONS_KEPT)


def _clock(engine: Engine) -> None:
    jump = engine.clock.check()
    engine.metrics.house.clock_jump(0.0 if jump is None else jump.seconds)
    if jump is not None:
        log.warning(
            f"The wall clock is {jump.seconds:+.0f} s away from daemon time, which did not follow it: set the wall "
            "clock right, or run `overloop clock accept`.",
            action="clock_jump",
        )


def _digest(keeper: Keeper) -> None:
    settings, now = keeper.engine.settings, keeper.clock.now()
    send_digest(keeper.database, keeper.senders.all, settings.digest.receivers, settings.url, now)


def _resend(keeper: Keeper) -> None:
    links, now = Links(keeper.engine.settings.url), keeper.clock.now()
    resend(keeper.database, keeper.senders.usable, keeper.calls.labels, links, now)


def _heartbeat(keeper: Keeper, address: str) -> None:
    """Only once an event has gone from intake to courier: what is heard outside is that watching works."""
    try:
        keeper.canary.round()
    except Lost as problem:
        raise HeartbeatError(f"{problem} The heartbeat is withheld.") from None
    try:
        with urllib.request.urlopen(address, timeout=10.0):  # noqa: S310 - an operator's own setting, checked before
            keeper.engine.metrics.house.heartbeat(keeper.clock.now())
    except Exception as problem:  # its text and its trace may hold the address
        raise HeartbeatError(_why(problem)) from None


class HeartbeatError(Exception):
    """The heartbeat was not heard; the text says why and nothing of its address."""


def _why(problem: Exception) -> str:
    if isinstance(problem, urllib.error.HTTPError):
        return f"The server of the heartbeat's address answered with status {problem.code}."
    cause = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return f"The heartbeat's address could not be fetched ({said}): check the network, and the address itself."
