"""Signed notes and checkpoints: the specification's own example, and what must be refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.audit.checkpoint import Checkpoint, Proof, parse_checkpoint, parse_proof
from monitor.core.audit.merkle import Frontier, leaf_hash
from monitor.core.audit.note import NoteError, Verifier, parse_verifier, split
from monitor.core.audit.proofs import inclusion_proof
from monitor.signing import KeyFileError, Signer, read_verifier, signed_text

KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"  # of c2sp.org/signed-note
NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOB"
    "H3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "key", "overloop/a")


def test_the_example_of_the_specification_is_verified() -> None:
    assert str(parse_verifier(KEY)) == KEY
    assert signed_text(NOTE, parse_verifier(KEY)) == "This is an example message.\n"


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (NOTE.replace("example message", "exemple message"), "does not fit the text"),
        (NOTE.replace("aQM=", "aQI="), "does not fit the text"),
        (NOTE.replace("example.com/foo", "example.com/bar"), "example.com/bar did"),
        (NOTE.replace("Uw2QOk", "Vw2QOk"), "No key that is trusted"),
        ("text only\n", "no signed note"),
        ("text\n\nno dash\n", "no signature line"),
        ("text\n\n— name !!!\n", "no signature line"),
        (NOTE.replace("This", "Th\tis"), "no signed note"),
    ],
)
def test_what_is_not_signed_by_the_key_is_refused(note: str, why: str) -> None:
    with pytest.raises(NoteError, match=why):
        signed_text(note, parse_verifier(KEY))


def test_signatures_of_others_are_ignored_but_a_wrong_one_of_the_key_is_not(signer: Signer, tmp_path: Path) -> None:
    other = Signer.open(tmp_path / "other", "witness")
    note, text = signer.sign(3, bytes(32)), signer.sign(3, bytes(32)).partition("\n\n")[0] + "\n"
    both = note + other.sign(3, bytes(32)).rpartition("\n\n")[2]
    assert signed_text(both, signer.verifier) == text
    name, key_id, signature = split(note)[1][0]
    bad = base64.b64encode(key_id + bytes([signature[0] ^ 1]) + signature[1:]).decode()
    with pytest.raises(NoteError, match="does not fit"):
        signed_text(note + f"— {name} {bad}\n", signer.verifier)


@pytest.mark.parametrize(
    "key", ["", "a+b+c", KEY.replace("530d903a", "530d903b"), KEY[:-4], KEY.replace("foo", "f oo")]
)
def test_what_is_no_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NoteError, match="verifier key"):
        parse_verifier(key)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (split, parse_checkpoint, parse_proof, parse_verifier):
        try:
            read(text)
        except NoteError as problem:
            assert str(problem).endswith(".")


def test_a_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    first, again = (Signer.open(tmp_path / "key", "overloop/a").verifier for _ in range(2))
    assert first == again and (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
    (tmp_path / "key").write_text("not hex")
    with pytest.raises(KeyFileError, match="not 64 hexadecimal digits"):
        Signer.open(tmp_path / "key", "overloop/a")
    assert read_verifier(tmp_path / "none") is None


def test_a_checkpoint_is_read_as_it_was_written(signer: Signer) -> None:
    root = Frontier().append(leaf_hash(b"x")).root
    assert parse_checkpoint(signed_text(signer.sign(1, root), signer.verifier)) == Checkpoint("overloop/a", 1, root)
    for text in ("", "o\n1\n", "o\n01\nAAAA\n", "\n1\n" + base64.b64encode(root).decode() + "\n", "o\n²\nAAAA\n"):
        with pytest.raises(NoteError):
            parse_checkpoint(text)


@given(st.integers(1, 70), st.data())
def test_every_proof_is_read_as_it_was_written_and_holds_for_its_entry_alone(size: int, data: st.DataObject) -> None:
    entries = [b"entry %d" % n for n in range(size)]
    leaves = list(map(leaf_hash, entries))
    head = Checkpoint("o", size, Frontier().extend(leaves).root)
    index = data.draw(st.integers(0, size - 1))
    proof = Proof(entries[index], index, tuple(inclusion_proof(leaves, index)), f"{head}\n— o AAAAAAAA\n")
    assert parse_proof(str(proof)) == proof and proof.holds(head)
    other = data.draw(st.integers(0, size))
    assert other == index or not Proof(proof.entry, other, proof.path, proof.note).holds(head)
    assert not Proof(b"another", index, proof.path, proof.note).holds(head)


def test_the_name_and_the_type_are_part_of_the_key_id() -> None:
    key = parse_verifier(KEY)
    assert Verifier("example.com/bar", key.public).key_id != key.key_id
