from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.formats.native import Checker
from monitor.formats.secrets import Secrets

KEY = b"a key for secret columns"


def kept(inputs: dict[str, Any], secrets: Secrets | None = None, model: str = "m") -> tuple[dict[str, Any], bytes]:
    body = json.dumps({"id": 1, "model": model, "inputs": inputs, "output": {"x": 1}}).encode()
    (line,) = Checker("events", secrets or Secrets(KEY)).check(body).lines
    return json.loads(line)["inputs"], line


@pytest.mark.parametrize(
    "name", ["password", "user_password", "dbPassword", "api_key", "apikey", "X-Api-Key", "token", "access_token",
             "Authorization", "client_secret", "cvv", "card_cvc", "privateKey", "passwd",
             "pass-word", "passWord", "pass_phrase"]
)  # fmt: skip
def test_what_lets_somebody_in_is_dropped(name: str) -> None:
    inputs, line = kept({name: "hunter2", "a": 1})
    assert inputs == {"a": 1} and b"hunter2" not in line


@pytest.mark.parametrize(
    "name", ["card", "card_number", "cardNumber", "pan", "iban", "customer_iban", "ssn", "accountNumber"]
)
def test_what_names_a_person_or_account_is_hashed_and_equal_stays_equal(name: str) -> None:
    inputs, line = kept({name: "4111111111111111"})
    again, _ = kept({name: "4111111111111111"})
    other, _ = kept({name: "4111111111111112"})
    assert inputs == again != other
    assert inputs[name].startswith("h:") and len(inputs[name]) == 34 and b"4111" not in line


@pytest.mark.parametrize(
    "name", ["card_present", "token_count", "total_tokens", "password_length", "panel", "japan", "time_to_first_token",
             "secretary", "discard", "spanner", "company"]
)  # fmt: skip
def test_names_that_only_resemble_secrets_are_left_alone(name: str) -> None:
    assert kept({name: 12})[0] == {name: 12}


def test_numbers_lists_and_objects_under_a_secret_name_are_hashed_whole() -> None:
    inputs, line = kept(
        {"pan": 4111111111111111, "card": {"number": 4222333344445555, "holder": {"name": "A"}}, "iban": [1, "x"]}
    )
    assert all(text.startswith("h:") for text in inputs.values()) and len(inputs) == 3
    assert not any(secret in line for secret in (b"4111111111111111", b"4222333344445555", b"holder", b'"A"'))


def test_an_empty_secret_stays_empty() -> None:
    assert kept({"card": None, "a": 1})[0] == {"card": None, "a": 1}


def test_secrets_deep_inside_are_found() -> None:
    inputs, line = kept({"http": {"headers": {"Authorization": "Bearer abc", "n": 1}}, "a.b.password": "p4ss"})
    assert inputs == {"http": {"headers": {"n": 1}}} and b"abc" not in line and b"p4ss" not in line


def test_secrets_in_the_objects_of_lists_are_found() -> None:
    payments = [{"card_number": "4111", "cvv": "123", "x": 1}, {"deep": [[{"iban": "DE02", "password": "p4ss"}]]}]
    inputs, line = kept({"payments": payments, "iban": "DE02"})
    assert not any(secret in line for secret in (b"4111", b"123", b"DE02", b"p4ss"))
    first, second = inputs["payments"]
    assert first == {"card_number": first["card_number"], "x": 1} and first["card_number"].startswith("h:")
    assert second == {"deep": [[{"iban": inputs["iban"]}]]}  # equal stays equal, wherever it stands


def test_an_object_that_is_secret_as_a_whole_is_hashed_with_all_it_holds() -> None:
    one, other = (kept({"cards": [{"card": {"password": word, "n": 1}}]})[0]["cards"][0] for word in ("a", "b"))
    assert one.keys() == {"card"} and one["card"].startswith("h:") and one != other


def test_the_rule_book_names_what_is_secret_inside_lists() -> None:
    kinds = {"inputs.people.mail": "secret", "inputs.people.token": "category"}
    inputs, _ = kept({"people": [{"mail": "a@example.org", "token": "blue"}]}, Secrets(KEY, lambda _: kinds))
    assert inputs["people"][0]["mail"].startswith("h:") and inputs["people"][0]["token"] == "blue"


def test_text_is_text_even_where_it_is_json() -> None:
    assert kept({"body": '{"cvv": "123"}'})[0] == {"body": '{"cvv": "123"}'}
    secrets = Secrets(KEY, lambda _: {"inputs.body": "secret"})
    assert kept({"body": '{"cvv": "123"}'}, secrets)[0]["body"].startswith("h:")


names = st.sampled_from(["password", "card_number", "a", "b.cvv", "iban", "list"])
value = st.recursive(
    st.sampled_from(["plain", 1, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


def marked(value: Any, secret: bool = False) -> Any:
    """The same with every text below a secret name replaced by one that can be searched for."""
    if isinstance(value, dict):
        return {k: marked(v, secret or k not in ("a", "list")) for k, v in value.items()}
    if isinstance(value, list):
        return [marked(item, secret) for item in value]
    return "s3cr3t" if secret and value == "plain" else value


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(item)


@settings(deadline=None)
@given(st.dictionaries(names, value, max_size=4))
def test_nothing_below_a_secret_name_is_kept_however_deep_it_stands(inputs: dict[str, Any]) -> None:
    held, line = kept(marked(inputs))
    assert b"s3cr3t" not in line
    assert line.count(b"plain") == json.dumps(marked(inputs)).count("plain")
    assert set(keys(held)) <= set(keys(inputs))


def test_the_rule_book_names_secrets_and_acquits_names_that_deceive() -> None:
    secrets = Secrets(KEY, lambda model: {"inputs.mail": "secret", "inputs.token": "category"} if model == "m" else {})
    inputs, _ = kept({"mail": "a@example.org", "token": "blue"}, secrets)
    assert inputs["mail"].startswith("h:") and inputs["token"] == "blue"
    inputs, _ = kept({"mail": "a@example.org", "token": "blue"}, secrets, model="other")
    assert inputs == {"mail": "a@example.org"}


def test_other_homes_hash_otherwise() -> None:
    assert kept({"card": "1"}, Secrets(b"0" * 16))[0] != kept({"card": "1"}, Secrets(b"1" * 16))[0]


def test_secret_columns_of_truth_are_treated_too() -> None:
    (line,) = Checker("truth", Secrets(KEY)).check(b'{"id":1,"model":"m","truth":{"card":"4111","y":1}}').lines
    assert json.loads(line)["truth"]["card"].startswith("h:")


def test_a_short_key_is_refused_and_no_key_is_ever_shown() -> None:
    with pytest.raises(ValueError, match="fewer than 16 bytes: make a new one"):
        Secrets(b"short")
    assert "a key for" not in repr(Secrets(KEY))
