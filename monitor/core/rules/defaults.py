"""The words of a rule that brings none of its own: what it means, what it does not mean, and what to do first.

Written for the person who is woken by it. How soon to act follows from the severity.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.rules.model import Rule, Severity
from monitor.core.rules.wording import sentence


@dataclass(frozen=True, slots=True)
class _Words:
    summary: str
    meaning: str
    action: str


_TEXTS: dict[str, _Words] = {
    "shift": _Words(
        summary="Values are no longer distributed as they were.",
        meaning=(
            "Something about the input or the model has changed. It does not say that answers are wrong: a change"
            " of unit, a new source, a campaign and a real change of the world all look like this."
        ),
        action=(
            "See in the evidence which columns moved, how far and since when, and ask what was changed upstream "
            "at that time. If the change is wanted, accept the present as the new normal; if not, have it put "
            "right, then close."
        ),
    ),
    "harm": _Words(
        summary="Bad outcomes have become more frequent.",
        meaning=(
            "Answers turn out bad more often than in the reference. This is about results, not about input. A "
            "fault in the labels that come back looks the same."
        ),
        action=(
            "Check first whether the labels are right and whether a deploy came just before. If the errors are "
            "real, set the gate of the model to review or go back to the version before, and then look for the "
            "segment that is hit."
        ),
    ),
    "estimated_errors": _Words(
        summary="More answers are expected to be wrong.",
        meaning=(
            "The confidence of the answers has fallen, and answers of such confidence used to be wrong more often. No "
            "truth says so yet: it assumes that confidence stays as honest as it was, and does not see a model that "
            "has become wrong with the same confidence."
        ),
        action=(
            "Have some of the latest answers of low confidence judged by a person, and see in the evidence since when "
            "they come. When their truth is there, compare: `overloop rules explain` shows what was expected beside "
            "what came."
        ),
    ),
    "anomaly": _Words(
        summary="Events look unlike those of the reference.",
        meaning=(
            "More events than before do not fit together as the learned ones did. Each value may be ordinary by "
            "itself. It does not say that the answers to them were wrong."
        ),
        action=(
            "Open some of the events named in the evidence and look for what they share: a source, a segment, a "
            "client. If they are legitimate, accept the present as the new normal; if not, have the source "
            "stopped."
        ),
    ),
    "outlier": _Words(
        summary="One event lies far outside anything seen before.",
        meaning=(
            "A single event is enough to open this; it need not be a trend. It may be a true rare case, a fault "
            "of the producer or an attempt to probe the model."
        ),
        action=(
            "Open the event and check the answer it got; if it should not stand, record an override. If such "
            "events are legitimate, close with the verdict expected."
        ),
    ),
    "quality": _Words(
        summary="The data that come in have a defect.",
        meaning=(
            "The model goes on answering, but on data it was not made for. Answers given since the time in the "
            "evidence may need a review. The defect nearly always lies with the producer, not with the model."
        ),
        action=(
            "Ask the owner of the named columns what was released at that time, and compare one event from before"
            " with one from after. The incident clears by itself when the data are whole again."
        ),
    ),
    "share": _Words(
        summary="The share of events with a property has crossed its limit.",
        meaning=(
            "A larger or smaller part of the events has the property than the limit allows. Events for which it "
            "is unknown are not counted; their number is shown beside it."
        ),
        action=(
            "See in the evidence which segment is concerned and since when, and compare with the latest deploy. "
            "If the limit is wrong and not the model, change it and note why."
        ),
    ),
    "count": _Words(
        summary="A number of events has crossed its limit.",
        meaning=(
            "The property has turned up more or less often than the limit allows within the window. It says "
            "nothing about the share: with more traffic the number grows too."
        ),
        action=(
            "Look at the events concerned, oldest first, and at what they have in common. If they come from one "
            "producer, tell its owner."
        ),
    ),
    "measure": _Words(
        summary="A measured value has crossed its limit.",
        meaning=(
            "The value over the window lies beyond the limit that was set. One event cannot do this alone if the "
            "rule asks for enough of them."
        ),
        action=(
            "See in the evidence how far beyond the limit it is and since when. Check the latest deploy and the "
            "load at that time before anything else."
        ),
    ),
    "parity": _Words(
        summary="Groups are treated differently.",
        meaning=(
            "The rate of one group has fallen below the allowed part of the rate of the best-placed group. It "
            "does not say why: the applicants may differ, the data may, or the model."
        ),
        action=(
            "Do not change the limit. Compare the groups named in the evidence on the inputs that count, and "
            "bring in the person responsible for fairness before the model goes on deciding alone."
        ),
    ),
    "compare": _Words(
        summary="The model behaves differently from before.",
        meaning=(
            "The value differs from the one it is compared with by more than the limit. Against a version before,"
            " this is about the deploy; against the span before, also the hour and the day can be the reason."
        ),
        action=(
            "Check what changed between the two: version, traffic, input. If the new version is at fault, go back"
            " to the one before."
        ),
    ),
    "absent": _Words(
        summary="Nothing comes in any more.",
        meaning=(
            "While nothing comes, no other rule of this model can see anything: the model is unwatched, and it "
            "may be down. It does not say which of the two, the model or its connection to Overloop, has stopped."
        ),
        action=(
            "Check whether the service that runs the model is up, then whether its events reach Overloop. If it "
            "was stopped on purpose, silence the rule or retire the model."
        ),
    ),
}
_SOON: dict[Severity, str] = {
    "critical": "This cannot wait: acknowledge it now.",
    "high": "Look at it within the hour.",
    "medium": "It can wait until working hours.",
    "low": "Nothing is urgent; look at it with the next review.",
}


@dataclass(frozen=True, slots=True)
class Texts:
    """What people are told of a rule. `own` names those that the rule brought itself."""

    summary: str
    meaning: str
    action: str
    own: tuple[str, ...]


def texts_of(rule: Rule) -> Texts:
    """The rule's own words, and the form's where it has none; whole sentences."""
    kind = getattr(rule.form, "kind", "absent")
    words = _TEXTS[kind]
    own = rule.annotations
    return Texts(
        own.get("summary", words.summary),
        own.get("meaning", f"{words.meaning} {sentence(rule)}"),
        own.get("action", f"{words.action} {_SOON[rule.severity]}"),
        tuple(name for name in ("summary", "meaning", "action") if name in own),
    )
