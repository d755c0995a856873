"""Documents whose commands are run: their code blocks, a shell to type in, and how printed output is compared."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from live_daemon import ROOT, free_port, wait_until

PORT = "8420"  # as documents write it
HOME = "/home/you"
_FENCE = re.compile(r"^(?P<ticks>```+)\s*(?P<language>[\w-]*)\s*$")
_FILE = re.compile(r"#\s+(?P<name>[\w./-]+\.(?:py|ya?ml|toml))(?P<end>, at its end)?")


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its first line of text."""

    file: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str | None:
        """The file it is to be saved as, from its first line: `# packs/shop/pack.yaml`."""
        found = _FILE.fullmatch(self.text.split("\n", 1)[0])
        return found["name"] if found else None

    @property
    def adds(self) -> bool:
        """It goes to the end of a file that is there: `# packs/shop/pack.yaml, at its end`."""
        found = _FILE.fullmatch(self.text.split("\n", 1)[0])
        return found is not None and found["end"] is not None

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"


@dataclass(frozen=True)
class Typed:
    """One command of a console block and what it prints."""

    command: str
    expected: tuple[str, ...]
    place: str
    exit_shown: bool = False  # the next command shows its exit code, so it may be another than 0


def blocks(file: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found: list[Block] = []
    fence, language, start, text = "", "", 0, []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = _FENCE.match(line)
        if not fence and match:
            fence, language, start, text = match["ticks"], match["language"], number + 1, []
        elif fence and line.strip() == fence:
            found.append(Block(file, start, language, "\n".join(text)))
            fence = ""
        elif fence:
            text.append(line)
    assert not fence, f"{file}: the block of line {start} is not closed"
    return found


def typed(block: Block) -> list[Typed]:
    """The commands of a console block: `$ ` begins one, `> ` goes on with it, other lines are its output."""
    found: list[tuple[list[str], list[str], int]] = []
    for number, line in enumerate(block.text.split("\n"), block.line):
        if line.startswith("$ "):
            found.append(([line[2:]], [], number))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            assert found, f"{block}: a console block begins with a command"
            found[-1][1].append(line)
    shown = [commands == ["echo $?"] for commands, _, _ in found[1:]] + [False]
    return [
        Typed("\n".join(command), tuple(output), f"{block.file.name}:{number}", follows)
        for (command, output, number), follows in zip(found, shown, strict=True)
    ]


def matches(expected: tuple[str, ...], printed: list[str]) -> bool:
    """`…` stands for anything within a line; a line that is nothing else stands for any lines."""
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None


@dataclass
class Terminal:
    """A shell in a folder of its own, and the daemon that the document starts in it."""

    folder: Path
    replace: Mapping[str, str] = field(default_factory=dict)  # what a document says -> what is typed instead

    def __post_init__(self) -> None:
        self.port = str(free_port())
        self.home = self.folder / "you"
        programs = self.folder / "bin"
        for made in (self.home, programs):
            made.mkdir()
        script = programs / "overloop"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv[0] = 'overloop'\n"
            "from monitor.cli import main\nmain()\n"
        )
        script.chmod(0o755)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = self.folder / "daemon.log"
        environ = {
            "HOME": str(self.home),
            "PATH": f"{programs}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "OVERLOOP_LISTEN": f"127.0.0.1:{self.port}",
            "OVERLOOP_LOG_FORMAT": "console",
        }
        self._last = 0
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.home,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    # -- typing -------------------------------------------------------------------------------------------------

    def save(self, block: Block) -> None:
        """Make the file that a block says it is."""
        assert block.name is not None
        path = self.home / block.name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if block.adds else ""
        path.write_text(before + self._typed(block.text) + "\n")

    def type(self, one: Typed) -> list[str]:
        """Run a command; what it printed, as a document would write it."""
        command = self._typed(one.command)
        if command.split()[:2] == ["overloop", "run"]:
            return self._run_daemon(command, one)
        script, printed = self.folder / "command.sh", self.folder / "printed"
        script.write_text(f"(exit {self._last})\n{command}\n")
        self._last = self._tell(f"source {script} >{printed} 2>&1 </dev/null")
        if self.daemon is not None and re.search(r"events send|/v1/events|OVERLOOP_URL=", command):
            self._settle()
        assert self._last == 0 or one.exit_shown, f"{one.place}: exit code {self._last}:\n{printed.read_text()}"
        return self._shown(printed.read_text())

    def _tell(self, line: str) -> int:
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write(f"{line}; echo done:$?\n")
        self._shell.stdin.flush()
        answer = self._shell.stdout.readline()
        assert answer.startswith("done:"), answer
        return int(answer.removeprefix("done:"))

    def _typed(self, text: str) -> str:
        for said, meant in {
            f"127.0.0.1:{PORT}": f"127.0.0.1:{self.port}",
            HOME: str(self.home),
            **self.replace,
        }.items():
            text = text.replace(said, meant)
        return text

    def _shown(self, text: str) -> list[str]:
        text = text.replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{PORT}").replace(str(self.home), HOME)
        return [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []

    # -- the daemon ---------------------------------------------------------------------------------------------

    def _run_daemon(self, command: str, one: Typed) -> list[str]:
        """Start it as somebody in another terminal would, and wait until it is ready."""
        self.stop_daemon()
        known = self.folder / "environ"
        self._tell(f"env -0 > {known}; pwd > {known}.pwd")
        environ = dict(pair.split("=", 1) for pair in known.read_text().split("\0") if pair)
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            folder = Path(f"{known}.pwd").read_text().strip()
            self.daemon = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=folder, env=environ, stdout=log, stderr=log
            )
        wait_until(self._ready, f"{one.place}: the daemon is ready", 60.0, 0.1)
        return self._shown(self.log.read_bytes()[before:].decode())

    def _ready(self) -> bool:
        assert self.daemon is not None and self.daemon.poll() is None, self.log.read_text()
        return self._ask("/-/ready")

    def _ask(self, path: str) -> bool:
        import urllib.error
        import urllib.request

        token = next(self.home.rglob("token"), None)
        headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bool(answer.status == 200 and (path != "/v1/accounting" or b'"waiting":0,' in answer.read()))
        except (urllib.error.HTTPError, OSError):
            return False

    def _settle(self) -> None:
        """What was sent has been observed, and what it shows is decided: both are written at once."""
        wait_until(lambda: self._ask("/v1/accounting"), "every event is observed", 30.0)

    def stop_daemon(self) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            code = self.daemon.wait(60)
            self.daemon = None
            assert code == 0, self.log.read_text()

    def close(self) -> None:
        try:
            self.stop_daemon()
        finally:
            if self.daemon is not None:
                self.daemon.kill()
                self.daemon.wait()
            assert self._shell.stdin is not None and self._shell.stdout is not None
            self._shell.stdin.close()
            self._shell.wait(10)
            self._shell.stdout.close()


def differences(one: Typed, printed: list[str]) -> str:
    """What a person who mends the document has to see."""
    return "\n".join(
        [f"{one.place}: $ {one.command}", "-- the document says:", *one.expected, "-- it prints:", *printed]
    )
