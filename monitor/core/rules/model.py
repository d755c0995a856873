"""What a rule says, after parsing: plain frozen values, durations in seconds, shares as fractions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
Gate = Literal["review", "halt"]
GateOn = Literal["model", "version", "segment"]
OnStale = Literal["keep", "review", "auto"]
OnStart = Literal["last", "review", "halt"]
ReviewMode = Literal["pre", "post"]
Stage = Literal["shadow", "live"]
NoData = Literal["keep", "alert"]
OnVersion = Literal["keep", "compare", "refit"]
Resolve = Literal["auto", "person"]  # detector rules latch: "person"; level rules clear by themselves: "auto"
Scalar = str | int | float | bool


def rank(severity: str) -> int:
    """0 for critical to 3 for low: smaller is worse."""
    return SEVERITIES.index(severity)


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a rule file something stands; lines and columns count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Detect:
    """`detect:`: a learned normal. One of shift, harm, estimated_errors, anomaly, outlier, quality.

    `columns` are paths or patterns (`inputs.*`); `of` is the source of harm's condition, or of that by which confidence
    is calibrated. `method` is River's name
    as written after `with:`, None for the kind's default; `parameters` go to it. `budget` is False for
    `budget: none` (the detector's own alarms) and True for the model's page budget.
    """

    kind: Literal["shift", "harm", "estimated_errors", "anomaly", "outlier", "quality"]
    columns: tuple[str, ...]
    of: str | None = None
    by: tuple[str, ...] = ()
    method: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    tolerance: float | None = None
    budget: bool = True
    checks: tuple[str, ...] = ()  # of quality


@dataclass(frozen=True, slots=True)
class Windowed:
    """`share`, `count`, `measure`, `parity`, `compare`: an expression over a sliding window against a limit.

    `of` is the source text of the expression. For share, count and parity it is a condition; for measure and
    compare it is an aggregate: `p99(context.latency_ms)`, `mean(output.score)`, `count()`, `rate()` (events a
    second), `distinct(inputs.user)`. Exactly one of `above`, `below` is set; `clear` is the level at which it
    clears (equal to the limit unless `clear_below` / `clear_above` says otherwise). For compare, limits are
    relative: `above: 10%` is 0.1.
    """

    kind: Literal["share", "count", "measure", "parity", "compare"]
    of: str
    over: float
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    by: tuple[str, ...] = ()
    min_events: int = 1
    against: Literal["previous_version", "previous_period"] | None = None  # compare: `with:`


@dataclass(frozen=True, slots=True)
class Absent:
    """`absent`: no event (with `column`: no event that has a value there) of a model for `seconds`.

    Models named in `expect` are silent even if they have never been seen. `truth` watches the label feed.
    """

    seconds: float
    expect: tuple[str, ...] = ()
    column: str | None = None
    by: tuple[str, ...] = ()
    truth: bool = False


Form = Detect | Windowed | Absent


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one pack. `key` is how the rest of the program names it."""

    pack: str
    name: str
    form: Form
    severity: Severity
    position: Position
    for_: float = 0.0
    keep_firing_for: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)  # summary, meaning, action, runbook_url
    stage: Stage = "live"
    no_data: NoData = "keep"
    gate: Gate | None = None
    resolve: Resolve = "auto"
    reference: float | None = None  # seconds of a rolling reference; None = frozen
    on_version: OnVersion = "compare"
    per_segment: bool = False
    gate_on: GateOn = "model"  # what of the model `gate` is about

    @property
    def key(self) -> str:
        return f"{self.pack}/{self.name}"

    @property
    def latches(self) -> bool:
        return self.resolve == "person"


@dataclass(frozen=True, slots=True)
class ColumnSetting:
    """What a pack says of a column."""

    kind: Literal["number", "category", "text", "vector", "id", "time", "secret"] | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PackTerms:
    """What `halt:` and `gate:` of a pack say of its models' gates; None where nothing. Times in seconds."""

    release: int | None = None  # people it takes to end a halt
    hold: float | None = None  # a halt stands at least so long
    on_stale: OnStale | None = None  # what a service does whose lease has run out
    on_start: OnStart | None = None  # what a service begins with until it hears of the gate
    review: ReviewMode | None = None  # in review people decide before an answer goes out, or look at some afterwards
    deadline: float | None = None  # pre: how long a service waits for a person
    sample: float | None = None  # post: the share of answers that people look at


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder of rules for one use."""

    name: str
    models: tuple[str, ...]  # globs
    rules: tuple[Rule, ...]
    owner: str | None = None
    fallback: str | None = None  # the safe state behind a halt
    params: Mapping[str, Scalar] = field(default_factory=dict)
    columns: Mapping[str, ColumnSetting] = field(default_factory=dict)
    file: str = ""
    terms: PackTerms = PackTerms()

    def watches(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What `overloop.toml` says of a model and what the core must know; part of the book's digest."""

    time: Literal["recorded", "event"] | None = None  # None: as the source asks
    lateness: float = 0.0  # seconds the rule clock stays behind the largest `at`
    false_pages: float = 1.0  # the page budget, pages a week
    truth: Literal["complete", "positives_only"] = "complete"
    matures: float = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Book:
    """All packs in force. `digest` is the sha256 (hex) of their canonical source: equal digests, equal behaviour."""

    packs: tuple[Pack, ...]
    digest: str
    options: tuple[tuple[str, ModelOptions], ...] = ()  # glob -> options; the first match wins
    variants: tuple[tuple[str, Pack], ...] = ()  # glob -> a pack with the params set for those models

    def options_for(self, model: str) -> ModelOptions:
        return next((o for pattern, o in self.options if fnmatchcase(model, pattern)), ModelOptions())

    def rules_for(self, model: str) -> tuple[tuple[Pack, Rule], ...]:
        """The rules that watch a model, in a fixed order, each with the params that hold for it."""
        packs = (self._variant(pack, model) for pack in self.packs if pack.watches(model))
        return tuple((pack, rule) for pack in packs for rule in pack.rules)

    def _variant(self, pack: Pack, model: str) -> Pack:
        """The pack as it holds for a model: of several globs that match, the first one counts."""
        own = (v for pattern, v in self.variants if v.name == pack.name and fnmatchcase(model, pattern))
        return next(own, pack)

    def find(self, key: str, model: str | None = None) -> tuple[Pack, Rule] | None:
        """A rule by its key, with the params that hold for `model`, or else those of the pack itself."""
        for base in self.packs:
            pack = base if model is None else self._variant(base, model)
            for rule in pack.rules:
                if rule.key == key:
                    return pack, rule
        return None

    def expected_models(self) -> tuple[str, ...]:
        """Models that some `absent` rule expects by name, sorted."""
        forms = (rule.form for pack in self.packs for rule in pack.rules)
        return tuple(sorted({model for form in forms if isinstance(form, Absent) for model in form.expect}))
