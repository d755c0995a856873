"""Targets: what is signed and comes back from outside: links, webhooks, checkpoints and proofs."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode

from fuzzing import Target, text

from monitor.core.audit.checkpoint import Checkpoint, Proof, parse_checkpoint, parse_proof
from monitor.core.audit.note import NoteError, Verifier, open_note, parse_verifier, seal
from monitor.core.oversight import links
from monitor.web.api.pagerduty import acknowledged, signed
from monitor.web.problems import Problem

KEY, AT = b"k" * 32, 1.764e9
TRUSTED = Verifier("overloop.example/log", b"p" * 32)


def _checks(public: bytes, signature: bytes, said: bytes) -> bool:
    return signature == hashlib.sha512(public + said).digest()


def _notes(data: bytes) -> None:
    said = text(data)
    for read in (parse_verifier, parse_checkpoint, parse_proof, lambda note: open_note(note, [TRUSTED], _checks)):
        try:
            found = read(said)
        except NoteError as refused:
            assert str(refused).endswith("."), refused
            continue
        if isinstance(found, Proof):
            found.holds(Checkpoint("o", 2**40, b"r" * 32))
            assert parse_proof(str(found)) == found


def _link(data: bytes) -> None:
    """A text of anybody's, and the same bytes signed by our key: both are a link or refused."""
    signature = links._text(links._sign(data, KEY))
    for said in (text(data), f"{urlsafe_b64encode(data).decode().rstrip('=')}.{signature}"):
        try:
            link = links.unseal(said, KEY, AT)
        except links.LinkError as refused:
            assert str(refused).endswith(".")
        else:
            assert links.seal(link, KEY) == said and link.actor


def _hook(data: bytes) -> None:
    header, _, body = data.partition(b"\n")
    signed(body, KEY, header.decode("latin-1"))
    assert signed(body, KEY, f"x,v1={hmac.new(KEY, body, hashlib.sha256).hexdigest()}")
    try:
        found = acknowledged(body)
    except Problem as problem:
        assert problem.status == 400
        return
    if found is not None:
        json.dumps(found).encode()
        found[0].encode()  # it is looked for in the ledger


def _note() -> str:
    body = str(Checkpoint(TRUSTED.name, 7, b"r" * 32))
    return seal(body, [(TRUSTED, hashlib.sha512(TRUSTED.public + body.encode()).digest())])


EVENT = {
    "event": {
        "event_type": "incident.acknowledged",
        "occurred_at": "2026-11-24T08:00:00Z",
        "agent": {"summary": "Kim"},
        "data": {"incident_key": "i-1"},
    }
}
TARGETS = (
    Target(
        "note",
        _notes,
        (
            _note().encode(),
            str(TRUSTED).encode(),
            str(Checkpoint("o", 3, b"r" * 32)).encode(),
            str(Proof(b'{"a":1}', 3, (b"s" * 32, b"t" * 32), _note())).encode(),
        ),
    ),
    Target(
        "link",
        _link,
        (
            links.seal(links.link_for("i-1", "oncall", "n", 1, AT), KEY).encode(),
            json.dumps(["i-1", "oncall", 1_763_999_000, 1_764_001_000, "0" * 12]).encode(),
            json.dumps(["i", None, 1e999, "x", []]).encode(),
        ),
        most=1 << 12,
    ),
    Target(
        "pagerduty-hook",
        _hook,
        (b"v1=00,v1=ff\n" + json.dumps(EVENT).encode(), b'\n{"event":{"event_type":"pagey.ping"}}'),
    ),
)
