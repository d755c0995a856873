"""The sections of the page that compare at equal rates, in parts, and with libraries in environments of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.quality import tables
from bench.quality.calibrate import FAMILIES, Choice, at_defaults, chosen, kinds, realised
from bench.quality.environments import PACKAGES
from bench.quality.results import Delay, Result, Table
from bench.quality.svg import Mark, dots
from bench.quality.systems.ablation import STEPS

MAIN = "overloop"
SPAN = (1, 2500)  # values, of pictures of delays
DRAWN = ("river-adwin", "river-pagehinkley", "river-kswin", "three-sigma", "frouros")


def equal_section(results: Sequence[Result], pictures: Path) -> str:
    """Delays of others at the rate of false pages that the product realised."""
    picked = chosen(results, realised(results))
    if not picked:
        return ""
    table, main, nulls = Table(results, "equal"), Table(results, "change"), Table(results, "equal-null")
    by_system: dict[str, dict[str, Choice]] = {}
    for choice in picked:
        by_system.setdefault(choice.system, {})[choice.family] = choice
    lines = [(family, kind) for family in FAMILIES for kind in kinds(family)]

    def delay(family: str, kind: str, system: str) -> Delay | None:
        choice = by_system[system].get(family)
        return None if choice is None else table.delay(kind, choice.label)

    def cell(family: str, kind: str, system: str) -> str:
        choice, found = by_system[system].get(family), delay(family, kind, system)
        return tables.delay(found) + ("" if found is None or choice is None or choice.kept else " *")

    rows = [
        [kind, tables.delay(main.delay(kind, MAIN)), *(cell(family, kind, system) for system in by_system)]
        for family, kind in lines
    ]
    series = [(MAIN, [_mark(main.delay(kind, MAIN)) for _, kind in lines])]
    series += [(n, [_mark(delay(family, kind, n)) for family, kind in lines]) for n in DRAWN if n in by_system]
    title = "Values until a change is found, at equal rates of false pages"
    (pictures / "equal.svg").write_text(dots(title, "values", [kind for _, kind in lines], series, SPAN))
    head = ["family", "system", "parameter", "chosen", "aimed at", "in calibration", "here, pages a week [95 %]"]
    return f"""## The same at equal rates of false pages

Each system's parameter is the most lenient of a grid that kept, on calibration streams (seeds from 10,000), the rate
which `overloop` realised on the family, or 0.05 a week where it realised less: that favours the others. A star: no
setting of the grid keeps it, and the strictest is shown.

{tables.markdown(["change", MAIN, *by_system], rows)}

![Delays at equal rates](detection-quality/equal.svg)

{tables.markdown(head, [_settled(choice, nulls) for choice in picked])}"""


def _settled(choice: Choice, nulls: Table) -> list[str]:
    grid = choice.grid
    here = tables.per_week(nulls.false(choice.family, choice.label))
    calibrated = f"{choice.rate:.2f}" + ("" if choice.kept else " *")
    value = f"{grid.values[choice.place]:.10g}"
    return [choice.family, choice.system, grid.parameter, value, f"{choice.target:.2f}", calibrated, here]


def ablation_section(results: Sequence[Result], pictures: Path) -> str:
    """The detector of slow changes, one part more a column."""
    table = Table(results, "ablation")
    if not table.groups:
        return ""
    nulls, changes = Table(results, "null"), Table(results, "change")
    names = [f"{MAIN}: {step}" for step in STEPS]
    found = [group for group in table.groups if table.delay(group, names[0]) is not None]
    calm = [group for group in table.groups if group not in found]
    head = [*STEPS, "refused", "the product"]
    pages = [
        [g, *(tables.rate(table.false(g, n)) for n in names), tables.of(table.refused(g, names[-1])),
         tables.rate(nulls.false(g, MAIN))]
        for g in calm
    ]  # fmt: skip
    delays = [
        [g, *(tables.delay(table.delay(g, n)) for n in names), tables.of(table.refused(g, names[-1])),
         tables.delay(changes.delay(g, MAIN))]
        for g in found
    ]  # fmt: skip
    marks = [(step, [_rate(table, g, name) for g in calm]) for step, name in zip(STEPS, names, strict=True)]
    picture = dots("False pages a week, one part more a step", "pages a week", calm, marks, (0.01, 10), 1.0)
    (pictures / "ablation.svg").write_text(picture)
    weeks = [rate.exposure for g in calm if (rate := table.false(g, names[0])) is not None]
    return f"""## The detector part by part

The product's own pieces put together, one more a column, each with the whole budget: *raw* values against the eight
bets in a CUSUM that asks for as much as a week has values; *pre-whitening*; *cells* of the reference and its trust, at
tolerance 0; the *recursion* in place of the CUSUM, each column on a budget of its own; one budget for all (*pooling*);
the default *tolerance*; *arming*, which raises thresholds and refuses. The last column is the product, which has
besides an arm for what is sudden.

Pages a week where nothing changes ({min(weeks):.0f} to {max(weeks):.0f} stream-weeks a family):

{tables.markdown(["family", *head], pages)}

![False pages by part](detection-quality/ablation.svg)

Values until a change is found:

{tables.markdown(["change", *head], delays)}"""


def apart_section(results: Sequence[Result], _: Path) -> str:
    """Libraries in environments of their own, at their defaults."""
    settled = at_defaults(results)
    own = [r for r in results if r.system == MAIN]
    nulls = Table([*own, *(r for r in results if r.system != MAIN), *settled], "apart", "equal-null")
    changes = Table([*own, *settled], "equal")
    names = [MAIN, *PACKAGES]
    if not any((group, name) in nulls.cells for group in nulls.groups for name in PACKAGES):
        return ""
    calm = [g for g in nulls.groups if any((g, name) in nulls.cells for name in PACKAGES)]
    rows = [[g, _weeks(nulls, g), *(tables.per_week(nulls.false(g, n)) for n in names)] for g in calm]
    first = names[1]
    found = [
        [g, str(changes.refused(g, first)[1]), *(tables.precise_delay(changes.delay(g, n)) for n in names)]
        for g in changes.groups
        if any((g, name) in changes.cells for name in PACKAGES)
    ]
    delays = tables.markdown(["change", "streams", *names], found)
    return f"""## Libraries in environments of their own

Evidently and NannyML at their defaults once a day on the day's rows; Frouros' incremental Kolmogorov-Smirnov test
(window 100, 0.01) on each value; alibi-detect's online Cramér-von Mises detector (windows of 20 and 80) told to expect
one false alarm a week. On few streams, since they take seconds each. Pages a week where nothing changes:

{tables.markdown(["family", "stream-weeks", *names], rows)}""" + (
        f"\n\nValues until a change is found:\n\n{delays}" if found else ""
    )


def _weeks(table: Table, group: str) -> str:
    rate = next((r for name in PACKAGES if (r := table.false(group, name)) is not None), None)
    return tables.NONE if rate is None else f"{rate.exposure:.0f}"


def _mark(found: Delay | None) -> Mark | None:
    return None if found is None else Mark(found.mean, found.low, found.high)


def _rate(table: Table, group: str, name: str) -> Mark | None:
    found = table.false(group, name)
    return None if found is None else Mark(found.value, found.low, found.high)
