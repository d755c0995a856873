"""Traces of strace are read as it writes them: whole calls, interrupted ones, files, sockets."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from services import program
from system_calls import TRACED, Call, TraceError, calls


def hexed(text: str | bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in (text.encode() if isinstance(text, str) else text))


def only(*lines: str) -> Call:
    (found,) = calls(lines)
    return found


def test_a_write_has_its_file_its_bytes_and_its_offset() -> None:
    line = f'7 1700000000.000001 pwrite64(3<{hexed("/h/a.db-wal")}>, "{hexed(b"abc")}", 3, 4096) = 3\n'
    found = only(line)
    assert (found.name, found.where, found.data, found.words[-1]) == ("pwrite64", "/h/a.db-wal", b"abc", "4096")


def test_of_a_short_write_only_what_was_taken_counts() -> None:
    assert only(f'7 1.0 write(3<{hexed("/a")}>, "{hexed("abcdef")}", 6) = 2').data == b"ab"


def test_an_interrupted_call_spans_the_lines_in_between() -> None:
    path = hexed("/h/a")
    lines = [
        f"7 1.0 fdatasync(3<{path}> <unfinished ...>",
        f'8 1.1 write(4<{hexed("/b")}>, "{hexed("x")}", 1) = 1',
        "7 1.2 <... fdatasync resumed>) = 0",
    ]
    write, sync = calls(lines)
    assert (write.name, sync.name, sync.where) == ("write", "fdatasync", "/h/a")
    assert (sync.began, write.began, sync.ended) == (0, 1, 2)


def test_an_interrupted_write_keeps_its_bytes() -> None:
    lines = [f'7 1.0 write(3<{hexed("/a")}>, "{hexed("xyz")}", 3 <unfinished ...>', "7 1.2 <... write resumed>) = 3"]
    assert only(*lines).data == b"xyz"


def test_parts_of_one_write_are_put_together_and_sockets_are_named() -> None:
    parts = ", ".join(f'{{iov_base="{hexed(part)}", iov_len={len(part)}}}' for part in ("HTTP/1.1 202", "\r\n"))
    found = only(f"7 1.0 writev(26<TCP:[127.0.0.1:8420->127.0.0.1:53870]>, [{parts}], 2) = 14")
    assert (found.where, found.data) == ("TCP:[127.0.0.1:8420->127.0.0.1:53870]", b"HTTP/1.1 202\r\n")


def test_an_opened_file_is_named_by_its_descriptor() -> None:
    path = hexed("/h/a")
    line = f'7 1.0 openat(AT_FDCWD<{hexed("/h")}>, "{path}", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<{path}>'
    assert (only(line).where, only(line).result, "O_CREAT" in only(line).words[2]) == ("/h/a", 3, True)


def test_a_file_without_a_name_and_a_device_are_no_files() -> None:
    assert only(f"7 1.0 fsync(3<{hexed('/h/a')}>(deleted)) = 0").where == ""
    assert only(f'7 1.0 write(3<{hexed("/dev/null")}<char 1:3>>, "{hexed("x")}", 1) = 1').where == "/dev/null"


def test_a_failed_call_has_its_result_and_endings_are_left_out() -> None:
    lines = [
        f'7 1.0 openat(AT_FDCWD<{hexed("/")}>, "{hexed("/no")}", O_RDONLY) = -1 ENOENT (No such file or directory)',
        "7 1.1 --- SIGTERM {si_signo=SIGTERM} ---",
        f"8 1.1 fsync(3<{hexed('/a')}>) = ?",
        "7 1.2 +++ exited with 0 +++",
    ]
    assert only(*lines).result == -1


@pytest.mark.parametrize("line", ["", "hello", "7 1.0 pwrite64(", '7 1.0 write(1<\\x61>, "\\x61"..., 9) = 9'])
def test_what_cannot_be_read_is_an_error_and_no_hole(line: str) -> None:
    with pytest.raises(TraceError):
        list(calls([line]))


@given(st.binary(min_size=1, max_size=200), st.text("abc/._-", min_size=1), st.integers(0, 2**40))
def test_any_bytes_at_any_place_are_read_back(data: bytes, path: str, offset: int) -> None:
    found = only(f'7 1.0 pwrite64(3<{hexed(path)}>, "{hexed(data)}", {len(data)}, {offset}) = {len(data)}')
    assert (found.where, found.data, int(found.words[-1])) == (path, data, offset)


def test_what_strace_of_this_machine_writes_is_read(tmp_path: Path) -> None:
    strace, file = program("strace"), tmp_path / "file"
    script = f"import os; f = open({str(file)!r}, 'wb', 0); f.write(bytes(range(256))); os.fdatasync(f.fileno())"
    options = ["-f", "-yy", "-ttt", "-xx", "-s", "100000", "-o", str(tmp_path / "trace"), "-e", f"trace={TRACED}"]
    done = subprocess.run([strace, *options, sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "trace").open() as lines:
        mine = [call for call in calls(lines) if call.where == str(file)]
    assert [call.name for call in mine] == ["openat", "write", "fdatasync"]
    assert mine[1].data == bytes(range(256))
    shutil.rmtree(tmp_path)
