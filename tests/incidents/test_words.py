from __future__ import annotations

from dataclasses import replace

import pytest
from deciding import T0, a_book, a_row, a_rule
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.findings import Evidence
from monitor.core.incidents import words
from monitor.core.rules.model import Absent, Detect, Windowed

RULE = a_rule()
PACK = a_book(RULE).packs[0]


def test_without_an_annotation_the_summary_is_a_sentence_from_the_evidence() -> None:
    row = Evidence("output.confidence", "c=web", "share", 0.081, 0.05, 1.62, None, 1200, T0)
    assert words.summary(PACK, RULE, "fraud-eu", row) == (
        "fraud-eu where c=web: share of output.confidence is 8.1% over 15 minutes, above the limit of 5%."
    )


def test_silence_is_told_in_time_that_people_read() -> None:
    row = Evidence("", "", "seconds since the last event", 1800.0, 600.0, 3.0, None, 0, T0)
    said = words.summary(PACK, a_rule(form="absent"), "fraud-eu", row)
    assert said == "fraud-eu: nothing has come for 30 minutes, and 10 minutes is the limit."


def test_what_a_detector_has_to_say_is_taken_over() -> None:
    row = a_row(detail="The mean of output.score rose from 0.21 to 0.43.")
    said = words.summary(PACK, a_rule(form="shift"), "fraud-eu", row)
    assert said == "fraud-eu: The mean of output.score rose from 0.21 to 0.43."


def test_a_shift_without_words_of_its_own_names_column_value_and_expectation() -> None:
    said = words.summary(PACK, a_rule(form="shift"), "fraud-eu", a_row())
    assert "the distribution has changed of output.score: mean 0.43, expected 0.21" in said


def test_placeholders_of_an_annotation_are_filled_in_and_unknown_ones_stay() -> None:
    text = "{model}: {column} is {value}, not {expected}, in {segment}; n={n} {nonsense} {0} {} {model!r} 50 %"
    rule = a_rule(annotations={"summary": text})
    said = words.summary(PACK, rule, "fraud-eu", a_row(value=0.4321, expected=None))
    assert said == (
        "fraud-eu: output.score is 0.4321, not unknown, in all events; n=1,200 {nonsense} {0} {} {model!r} 50 %"
    )


def test_a_placeholder_brought_in_from_outside_is_not_filled_in() -> None:
    rule = a_rule(annotations={"summary": "{model} {value}"})
    assert words.summary(PACK, rule, "{value}", a_row()) == "{value} 0.43"


def test_text_from_outside_loses_its_chat_commands() -> None:
    row = a_row(segment="c=<!channel>\x1b[31m", detail="@here\u202e look")
    said = words.summary(PACK, a_rule(form="shift"), "@everyone\x00", row)
    assert said == "everyone where c=‹!channel>[31m: here look."


@given(st.text(max_size=300), st.text(max_size=300), st.floats(), st.floats(), st.integers(0, 2**40))
def test_no_text_and_no_number_makes_a_summary_fail(template: str, name: str, value: float, at: float, n: int) -> None:
    row = Evidence(name, name, name, value, value, value, None, n, at, name)
    rule = a_rule(annotations={"summary": template} if template else {})
    said = words.summary(PACK, rule, name, row)
    assert len(said) <= words.LIMIT
    assert said.isprintable() or "\n" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (12.0, "12"),
        (1234567.0, "1,234,567"),
        (123456.7, "123,457"),
        (1e300, "1e+300"),
        (float("nan"), "unknown"),
        (None, "unknown"),
        (float("-inf"), "less than any number"),
    ],
)
def test_numbers_are_written_for_people(value: float | None, text: str) -> None:
    assert words.number_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (600, "10 minutes"),
        (5400, "90 minutes"),
        (86400, "1 day"),
        (129600, "36 hours"),
        (604800, "7 days"),
    ],
)
def test_durations_come_in_their_handy_unit(seconds: float, text: str) -> None:
    assert words.duration_text(seconds) == text


def test_a_window_below_its_limit_says_below() -> None:
    low = replace(a_rule(), form=Windowed("measure", "rate()", over=60.0, below=5.0))
    row = Evidence("", "", "rate()", 1.0, 5.0, 5.0, None, 60, T0)
    assert "rate() is 1 over 1 minute, below the limit of 5" in words.summary(PACK, low, "m", row)


def test_what_a_rule_does_not_say_is_said_by_its_form() -> None:
    assert words.meaning(PACK, RULE, "fraud-eu", a_row()).startswith("A larger or smaller part of the events")
    own = a_rule(annotations={"action": "Call {model}'s owner."})
    assert words.action(PACK, own, "fraud-eu", a_row()) == "Call fraud-eu's owner."


def test_a_defect_of_the_data_names_its_column_and_its_check() -> None:
    rule = replace(a_rule(), form=Detect("quality", ("inputs.*",)))
    row = Evidence("inputs.*", "inputs.amount: type_change", "share of broken cells", 0.2, 0.005, 200.0, None, 500, T0)
    seen = "inputs.amount: a value of another type in 20% of the latest events, against 0.5% of the first"
    assert words.summary(PACK, rule, "fraud-eu", row) == f"fraud-eu: {seen}."
    assert words.comparison(row) == f"{seen} (500 events)"


@pytest.mark.parametrize(
    ("of", "value", "before", "said"),
    [
        ({"above": 0.1}, 0.52, 0.32, "is 0.52 over 1 hour, 62% above 0.32, and 10% is the limit"),
        ({"below": -0.8}, 3.0, 100.0, "is 3 over 1 hour, 97% below 100, and 80% is the limit"),
        ({"above": 0.1}, 0.52, 0.0, "is 0.52 over 1 hour, against 0, and 10% is the limit"),
    ],
)
def test_a_comparison_says_what_is_compared_and_what_the_limit_is(
    of: dict[str, float], value: float, before: float, said: str
) -> None:
    form = Windowed("compare", "mean(output.score)", over=3600.0, against="previous_version", **of)
    row = Evidence("", "", "mean(output.score) against the previous version", value, before, 6.2, None, 200, T0)
    assert said in words.summary(PACK, replace(a_rule(), form=form), "m", row)


@pytest.mark.parametrize(
    ("share", "text"), [(0.4, "40%"), (0.0, "0%"), (0.003, "0.3%"), (0.0996, "10%"), (12.5, "1,250%")]
)
def test_shares_are_written_in_percent(share: float, text: str) -> None:
    assert words.percent_text(share) == text


def test_silence_is_compared_in_time_and_said_once() -> None:
    row = Evidence("", "c=web", "seconds without an event", 734.2, 600.0, 1.2, None, 0, T0)
    assert words.comparison(row) == "without an event where c=web for 12.2 minutes, limit 10 minutes"


def test_missing_labels_are_called_by_their_name() -> None:
    rule = replace(a_rule(), form=Absent(3600.0, truth=True))
    row = Evidence("", "", "seconds without a label", 7200.4, 3600.0, 2.0, None, 12, T0)
    assert "no label has come for 2 hours, and 1 hour is the limit" in words.summary(PACK, rule, "fraud-eu", row)


def test_evidence_without_a_number_is_told_in_its_own_words() -> None:
    row = a_row(value=None, expected=None, n=0, detail="The detector failed: division by zero.")
    assert words.comparison(row) == "The detector failed: division by zero"
    assert (
        words.comparison(a_row(segment="c=web"))
        == "mean of output.score where c=web is 0.43, limit 0.21 (1,200 events)"
    )


@pytest.mark.parametrize(
    ("statistic", "detail", "value", "amount", "standard"),
    [
        ("share of output.confidence < 0.6", "", 0.335, "33.5%", "limit"),
        ("share(output.label == 'yes')", "", 12.0, "1,200%", "limit"),
        ("count of inputs.amount < 0", "", 7.0, "7", "limit"),
        ("rate of output.label == 'yes' against the highest", "", 0.41, "0.41", "limit"),
        ("mean(output.score) against the previous version", "", 0.52, "0.52", "before"),
        ("share of broken cells", "", 0.0, "0%", "before"),
        ("seconds without events", "", 734.2, "12.2 minutes", "limit"),
        ("adwin on the share", "It rose.", 0.05, "5%", "expected"),
        ("adwin on the mean", "It rose.", 67.18, "67.18", "expected"),
        ("share of a", "", float("nan"), "unknown", "limit"),
    ],
)
def test_each_number_comes_in_one_unit_and_says_what_it_is(
    statistic: str, detail: str, value: float, amount: str, standard: str
) -> None:
    assert words.amount_text(statistic, value) == amount
    assert words.standard_text(statistic, detail) == standard
