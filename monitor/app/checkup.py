"""What `overloop doctor` looks at in a home folder: each look is a sentence, how well it is, and a remedy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping

from monitor.app import word
from monitor.app.checkup_ledger import look_at_ledger
from monitor.app.checkup_unit import look_at_unit
from monitor.app.home import Home
from monitor.app.lineage import lives
from monitor.app.looks import Look
from monitor.clock import Clock, ClockError
from monitor.core.incidents.words import duration_text
from monitor.core.selfwatch import DISK_LOW, disk_floor
from monitor.runtime.books import BookRefused, Shelf
from monitor.settings import Settings
from monitor.settings.parts import model_options, parameters, rule_folders, spool_options
from monitor.spool import Spool, SpoolError
from monitor.store import schema
from monitor.store.errors import LedgerUnavailable
from monitor.store.facts import get_fact
from monitor.store.ledger import standing
from monitor.store.reserve import Reserve

OLD = 120.0  # seconds for which an event may wait before somebody should know


def checkup(settings: Settings, environ: Mapping[str, str]) -> Iterator[Look]:
    """Every look in turn, whether the daemon runs or not. Changes nothing; raises nothing that a home can cause."""
    home = Home(settings.home)
    found = _home(home)
    yield found
    if found.health == "problem":
        return
    yield _disk(home, settings)
    yield _daemon(home, settings.engines)
    usable = _schema(home)
    yield usable
    now = None
    if (home.path / "clock.json").exists():
        try:
            clock = Clock(home.path)
            now = clock.now()
            yield _clock(clock)
        except ClockError as problem:
            yield Look("clock", "problem", str(problem), "Correct what the sentence names, and start the daemon again.")
    shelf = Shelf(rule_folders(settings), parameters(settings), model_options(settings), settings.partitions)
    now = time.time() if now is None else now
    yield from _guarded("spool", lambda: _spool(home, settings, now), (SpoolError, LedgerUnavailable))
    if usable.health == "ok":
        yield from look_at_ledger(home, settings, environ, now)
    yield _rules(home, shelf, usable.health == "ok")
    yield from look_at_unit()


def _home(home: Home) -> Look:
    if not home.path.is_dir():
        remedy = "Name the daemon's home with --home or OVERLOOP_HOME, or make one with `overloop run`."
        return Look("home", "problem", f"There is no home folder {home.path}.", remedy)
    if os.statvfs(home.path).f_flag & os.ST_RDONLY:
        remedy = "See in the system log why; check the disk, and make it writable again (mount -o remount,rw)."
        return Look("home", "problem", f"The disk of the home folder {home.path} is read-only.", remedy)
    if not os.access(home.path, os.R_OK | os.W_OK | os.X_OK):
        remedy = "Run this as the user of the daemon, or give the folder to that user with chown."
        return Look("home", "problem", f"The home folder {home.path} cannot be read and written by this user.", remedy)
    if home.path.stat().st_mode & 0o077:
        remedy = f"Run `chmod 700 {home.path}`: tokens, keys and traffic lie in it."
        return Look("home", "warning", f"Others than its owner may look into the home folder {home.path}.", remedy)
    return Look("home", "ok", f"The home folder is {home.path}.")


def _disk(home: Home, settings: Settings) -> Look:
    disk = os.statvfs(home.path)
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    said = f"{_size(free)} of {_size(whole)} are free on the disk of the home"
    remedy = "Free space on that disk, or lower spool.retain_gb; nothing has to be restarted."
    if free < spool_options(settings).reserve_bytes:
        return Look("disk", "problem", f"{said}, so events are refused with status 503.", remedy)
    if not Reserve(home.reserve).held:
        if not home.reserve.exists() and not home.ledger.exists():
            return Look("disk", "ok", f"{said}; the space kept back for the ledger is taken at the first start.")
        return Look("disk", "warning", f"{said}, and the space kept back for the ledger is used up.", remedy)
    if free < disk_floor(whole) * DISK_LOW:
        return Look("disk", "warning", f"{said}, which is little.", remedy)
    return Look("disk", "ok", f"{said}, and space is kept back for the ledger.")


def _daemon(home: Home, engines: int) -> Look:
    said = word.last(home.run, engines)
    owner = _owner(home)
    each = "its engine has" if engines == 1 else f"each of its {engines} engines has"
    if said.get("ready"):
        if waits := word.hindered(said):
            remedy = f"Look at the daemon's log for `waiting_{waits}`: it says what is in the way."
            return Look("daemon", "problem", f"The daemon runs as process {owner}, and waits for the {waits}.", remedy)
        if lost := said.get("losses"):
            remedy = "GET /-/engine and the log say more; nothing can be done about it now."
            return Look("daemon", "warning", f"The daemon runs, and something was lost: {lost[0]}", remedy)
        return Look("daemon", "ok", f"The daemon runs as process {owner}, and {each} finished a turn lately.")
    if owner is not None:
        remedy = "If it has just been started, wait a moment; else read its log, and restart it."
        silent = [str(number) for number in range(engines) if not word.last_of(home.run, number)["ready"]]
        who = "its engine says" if engines == 1 else f"of its {engines} engines number {' and '.join(silent)} says"
        return Look("daemon", "problem", f"The daemon runs as process {owner}, and {who} nothing.", remedy)
    remedy = f"Start it with `overloop run --home {home.path}`, or `systemctl start overloop`."
    return Look("daemon", "problem", "The daemon does not run, so nothing is watched.", remedy)


def _owner(home: Home) -> int | None:
    """The process that holds the home, if it lives."""
    try:
        text = (home.run / "lock").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and lives(int(text)) else None


def _schema(home: Home) -> Look:
    if not home.ledger.exists():
        return Look("schema", "problem", f"There is no ledger in {home.path}.", "`overloop run` makes one.")
    try:
        schema.check(home.ledger)
    except schema.SchemaMismatch as problem:
        return Look("schema", "problem", str(problem), "Run `overloop db upgrade`, or the program that wrote it.")
    except LedgerUnavailable as problem:
        return Look("schema", "problem", str(problem), "Stop what holds it; restore a backup if it is damaged.")
    return Look("schema", "ok", f"The ledger has the schema {schema.REVISION}, which this program needs.")


def _clock(clock: Clock) -> Look:
    jump = clock.check()
    if jump is None:
        return Look("clock", "ok", "Daemon time and the wall clock agree.")
    side = "ahead of" if jump.seconds > 0 else "behind"
    sentence = f"The wall clock is {duration_text(round(abs(jump.seconds)))} {side} daemon time, which did not follow."
    return Look(
        "clock", "problem", sentence, "Set the wall clock right, or run `overloop clock accept` if it is right."
    )


def _spool(home: Home, settings: Settings, now: float) -> Look:
    """How many events wait, and for how long the oldest has."""
    if not home.spool.is_dir():
        return Look("spool", "ok", "Nothing was ever sent: there is no spool yet.")
    waiting, oldest = 0, 0.0
    with home.database() as database, Spool.open(home.spool, settings.partitions, write=False) as spool:
        for partition in range(settings.partitions):
            with database.read() as connection:
                known = standing(connection, partition)
            cursor = 0 if known is None else known.cursor
            waiting += max(0, spool.end(partition) - cursor)
            if spool.end(partition) > cursor and (records := spool.read(partition, cursor, 1)):
                oldest = max(oldest, now - records[0].recorded_at)
    if not waiting:
        return Look("spool", "ok", "No event waits: all that was accepted is observed.")
    count = "1 line waits" if waiting == 1 else f"{waiting:,} lines wait"
    sentence = f"{count} to be observed, the oldest for {duration_text(round(max(oldest, 0.0)))}."
    if waiting > settings.spool.max_waiting_events / 2 or oldest > OLD:
        remedy = "If the daemon runs, its engine is behind: look for `observe_failed`, or send less; else start it."
        return Look("spool", "warning" if waiting < settings.spool.max_waiting_events else "problem", sentence, remedy)
    return Look("spool", "ok", sentence)


def _rules(home: Home, shelf: Shelf, usable: bool) -> Look:
    try:
        book, _, _ = shelf.load()
    except BookRefused as refused:
        first = refused.lines[0].splitlines()[0]
        remedy = "`overloop rules check` shows every mistake and its place; until then the old rules stay in force."
        return Look("rules", "problem", f"The rules cannot be loaded: {first}", remedy)
    said = f"{sum(len(pack.rules) for pack in book.packs)} rules in {len(book.packs)} packs can be loaded"
    if usable:
        with home.database() as database, database.read() as connection:
            force = get_fact(connection, "book")
        if force is not None and force != book.digest:
            remedy = "Run `overloop rules reload` for the new ones to hold."
            return Look("rules", "warning", f"{said}, and others than these are in force.", remedy)
    return Look("rules", "ok", f"{said}.")


def _guarded(what: str, look: Callable[[], Look], problems: tuple[type[Exception], ...]) -> Iterator[Look]:
    try:
        yield look()
    except problems as problem:
        yield Look(what, "problem", str(problem), "Do what the sentence says; docs/operations.md says more.")


def _size(number: float) -> str:
    return f"{number / (1 << 30):,.1f} GB" if number >= 1 << 30 else f"{number / (1 << 20):,.0f} MB"
