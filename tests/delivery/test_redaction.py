"""No part of a receiver's URL leaves the package, whatever the service and however it fails."""

from __future__ import annotations

import logging
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.delivery.apprise_sender import apprise_senders
from monitor.delivery.redaction import Redactor, split_url

TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="/?#@:&;,=%+"), min_size=4)


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_every_part_is_masked_in_every_spelling(user, password, path, value):
    q = [quote(x, safe="") for x in (user, password, path, value)]
    redactor = Redactor(f"json://{q[0]}:{q[1]}@example.com:8080/{q[2]}?key={q[3]}")
    basic = b64encode(f"{user}:{password}".encode()).decode()
    for secret in (user, password, path, value, *q, basic):
        assert secret not in redactor.clean(f"({secret})") or set(secret) <= set("*")


@given(st.text(), st.text())
def test_any_text_is_a_url_that_can_be_redacted(url, text):
    assert isinstance(Redactor(url, hide_host=True).clean(text), str)
    split_url(url)


@pytest.mark.parametrize(
    ("url", "text", "left"),
    [
        ("json://example.com:8080/x-y-z", "example.com:8080 said x-y-z", "example.com:8080 said ***"),
        ("json://10.0.0.1/abc", "10.0.0.1 abc", "10.0.0.1 ***"),
        ("json://[fe80::1]:80/abc", "[fe80::1]:80 abc", "[fe80::1]:80 ***"),
        ("ntfy://my-topic", "to my-topic", "to ***"),
        ("tgram://123456789:AAbbCC/42424242", "bot123456789:AAbbCC to 42424242", "bot*** to ***"),
        ("json://example.com?format=text&-key=sesame", "format text SESAME", "format text ***"),
        ("json://example.com", "nothing to hide", "nothing to hide"),
        ("json://p%40ss:w%2Frd@example.com", "p@ss p%40ss w/rd", "*** *** ***"),
    ],
)
def test_hosts_stay_and_tokens_go(url, text, left):
    assert Redactor(url).clean(text) == left


def test_a_host_the_service_itself_hides_is_a_token():
    assert Redactor("sendgrid://SG.abc.defg:a@b.example/c", hide_host=True).clean("b.example SG.abc.defg") == "*** ***"


def test_a_redactor_does_not_show_what_it_hides():
    assert "sesame" not in repr(Redactor("json://sesame@example.com")) + str(vars(Redactor("json://x")).keys())


SECRET_URLS = {  # planted: every letter run of at least four after the scheme that is no well-known host
    "json": "json://PlantedUser:PlantedPass@127.0.0.1:1/PlantedPath/More1?-X=PlantedValue&+Auth=PlantedHeader",
    "xml": "xml://PlantedUser:PlantedPass@127.0.0.1:1/PlantedPath",
    "form": "form://PlantedUser:PlantedPass@127.0.0.1:1/PlantedPath",
    "telegram": "tgram://123456789:PlantedTelegramTokenPlantedTelegram/987654321/",
    "slack": "slack://T1JPLANTD/B1PLANTED/PlantedSlackToken1234567/#plantedchannel",
    "slack by its own address": "https://hooks.slack.com/services/T1JPLANTD/B1PLANTED/PlantedSlackToken1234567",
    "pagerduty": "pagerduty://PlantedIntegrationKey@PlantedApiKey/PlantedSource/PlantedComponent",
    "discord": "discord://41742162980001/PlantedDiscordToken_dV_js",
    "mail": "mailto://PlantedUser:PlantedPass@127.0.0.1:1?to=planted.to@example.com&from=planted.from@example.com",
    "pushover": "pover://PlantedUserKeyPlantedUserKey1@PlantedTokenPlantedToken12345",
    "ntfy": "ntfy://PlantedTopic",
    "notica": "notica://PlantedNotica",
    "notifiarr": "notifiarr://PlantedApiKeyNotifiarr/123456789",
    "pagertree": "pagertree://int_PlantedIntegration",
    "opsgenie": "opsgenie://PlantedOpsgenieKey/@PlantedTeam",
    "gotify": "gotify://127.0.0.1:1/PlantedGotify",
    "matrix": "matrix://PlantedUser:PlantedPass@127.0.0.1:1/#plantedroom",
    "mattermost": "mmost://PlantedBot@127.0.0.1:1/PlantedMattermostKey",
    "teams": "workflows://127.0.0.1:1/PlantedWorkflowId/PlantedSignature",
    "sendgrid": "sendgrid://PlantedSendgridKey:planted@example.com/planted2@example.com",
    "twilio": "twilio://ACPlantedAccountSid:PlantedAuthToken@+12223334444/+19998887777",
    "ifttt": "ifttt://PlantedWebhookId@PlantedEvent",
    "home assistant": "hassio://127.0.0.1:1/PlantedLongLivedAccessToken",
    "apprise api": "apprise://127.0.0.1:1/PlantedConfigKey",
    "rocket.chat": "rocket://PlantedUser:PlantedPass@127.0.0.1:1/#plantedchannel",
}
WORDY = {  # they name user, topic or number in what they say about a refusal
    "ntfy": "ntfy://127.0.0.1:{port}/PlantedTopic",
    "rocket.chat": "rocket://PlantedUser:PlantedPass@127.0.0.1:{port}/#PlantedRoom",
    "emby": "emby://PlantedUser:PlantedPass@127.0.0.1:{port}",
    "signal": "signal://127.0.0.1:{port}/+12223334444/+19998887777",
    "bark": "bark://127.0.0.1:{port}/PlantedDevice",
}
NUMBERS = ("123456789", "987654321", "41742162980001", "12223334444", "19998887777")


def test_no_service_lets_a_planted_secret_out(pool, message, monkeypatch, caplog):
    """With no network: what goes out is sent to a port of this machine where nothing listens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    from monitor.delivery.apprise_pool import HelperPool

    caplog.set_level(logging.DEBUG)
    offline = HelperPool(size=1)
    try:
        senders = apprise_senders(SECRET_URLS, offline)
        assert len(senders.usable) >= 20, senders.problems
        results = {name: sender.send(message, 15) for name, sender in senders.usable.items()}
    finally:
        offline.close()
    assert {result.outcome for result in results.values()} <= {"retry", "dead", "unknown"}
    everything = f"{senders!r} {results!r} {[s.label for s in senders.usable.values()]} {caplog.text}"
    found = [x for x in ("planted", "plantd", *NUMBERS) if x in everything.lower()]
    assert not found, (found, everything)


def test_what_a_service_says_about_a_refusal_is_shown_without_its_secrets(target, pool, message):
    target.script = ["404"]
    urls = {name: url.format(port=target.port) for name, url in WORDY.items()}
    senders = apprise_senders(urls, pool)
    assert not senders.problems
    results = {name: sender.send(message, 15) for name, sender in senders.usable.items()}
    assert {(result.outcome, result.reason) for result in results.values()} == {("dead", "clientError")}
    assert "notification to topic '***'" in results["ntfy"].problem
    shown = f"{results}".lower()
    assert not [secret for secret in ("planted", *NUMBERS) if secret in shown], results
