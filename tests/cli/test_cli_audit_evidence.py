"""Proofs, exports and keys of the audit log as they are typed, beside a running daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from typer.testing import Result


class Overloop(Protocol):
    def __call__(self, *words: object) -> Result: ...


def test_an_auditor_checks_a_proof_and_an_export_with_nothing_but_the_key(
    at: Overloop, overloop: Overloop, tmp_path: Path
) -> None:
    key = at("audit", "key").stdout.strip()
    proof, folder = tmp_path / "e.tlog-proof", tmp_path / "out"
    assert at("audit", "prove", 1, "--out", proof).exit_code == 0
    assert at("audit", "prove", 1).stdout.startswith("c2sp.org/tlog-proof@v1\nextra ")
    given = json.loads(at("audit", "export", "--out", folder, "-o", "json").stdout)
    assert given["key"] == key and given["from"] == 0 and given["to"] == given["size"] - 1
    for path, said in ((proof, "Entry 1 ("), (folder, "Entries 0 to ")):
        done = overloop("audit", "check", path, "--key", key)
        assert (done.exit_code, done.stderr) == (0, "") and done.stdout.startswith(said)
    (tmp_path / "key").write_text(key)
    assert overloop("audit", "check", proof, "--key", tmp_path / "key").exit_code == 0
    (newest,) = json.loads(at("audit", "list", "--kind", "export", "--limit", 1, "-o", "json").stdout)["entries"]
    assert newest["body"]["manifest"] == given["manifest_sha256"] and newest["actor"] == "admin"
    assert "Signed heads of it: " in at("audit", "verify", "--key", key).stdout


def test_what_was_touched_ends_with_1_and_what_cannot_be_read_with_3(
    at: Overloop, overloop: Overloop, tmp_path: Path
) -> None:
    proof, key = tmp_path / "p", at("audit", "key").stdout.strip()
    at("audit", "prove", 1, "--out", proof)
    proof.write_text(proof.read_text().replace("index 1", "index 0"))
    assert overloop("audit", "check", proof, "--key", key).exit_code == 1
    assert json.loads(overloop("audit", "check", proof, "--key", key, "-o", "json").stdout)["code"] == 1
    assert overloop("audit", "check", proof, "--key", "rubbish").exit_code == 3
    assert overloop("audit", "check", tmp_path / "none").exit_code == 3
    (tmp_path / "empty").mkdir()
    assert overloop("audit", "check", tmp_path / "empty").exit_code == 1, "no key beside it"
    proof.write_bytes(b"\xff\xfe")
    assert overloop("audit", "check", proof, "--key", key).exit_code == 3


def test_what_is_not_there_cannot_be_given_out(at: Overloop, overloop: Overloop, tmp_path: Path) -> None:
    assert "There is no entry 99999: the log has " in at("audit", "prove", 99_999).stderr
    (tmp_path / "used").write_text("")
    assert "is not empty" in at("audit", "export", "--out", tmp_path).stderr
    assert "no entries from" in at("audit", "export", "--out", tmp_path / "x", "--from", 99_999).stderr
    assert overloop("--home", tmp_path / "none", "audit", "key").exit_code == 3
