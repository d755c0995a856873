"""The figures that were aimed at, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.quality.nab_figures import nab_figures
from bench.quality.nab_score import PROFILES
from bench.quality.results import Result, Table
from bench.quality.tables import markdown

NAB_SCORES = (62.0, 57.0, 66.0)
HARD = ("long-memory", "stochastic-volatility")  # families in which most may be refused
# kind of change: what was aimed at at tolerance 0 and at the default tolerance, in values
DELAYS = {
    "shift-1sd": (16.0, 25.0),
    "shift-2sd": (6.0, 7.5),
    "variance-x2": (None, 120.0),
    "variance-/4": (None, 50.0),
    "one-of-twenty-1sd": (24.0, 36.0),
    "all-of-twenty-1sd": (10.0, 16.0),
    "rate-.05-.20": (None, 42.0),
}


def target_table(results: Sequence[Result]) -> str:
    """Empty when nothing that has a target was measured."""
    rows = [*_rates(results, "null", "2,016"), *_rates(results, "fast", "200,000"), *_delays(results)]
    rows += [*_harm(results), *_traffic(results), *_faults(results), *_nab(results)]
    return markdown(["what", "aimed at", "measured", "reached"], rows) if rows else ""


def _rates(results: Sequence[Result], part: str, name: str) -> list[list[str]]:
    table = Table(results, part)
    rates = {group: table.false(group, "overloop") for group in table.groups}
    known = {group: r for group, r in rates.items() if r is not None}
    if not known:
        return []
    worst = max(known, key=lambda group: known[group].value)
    upper = max(known, key=lambda group: known[group].upper)
    thin = min(r.exposure for r in known.values())
    mild = [g for g in table.groups if g not in HARD]
    shares = {g: table.refused(g, "overloop")[0] / max(table.refused(g, "overloop")[1], 1) for g in mild}
    most = max(shares, key=lambda g: shares[g])
    return [
        _row(f"worst family at {name} a week, pages a week", "at most 1.0", known[worst].value, 1.0, f" ({worst})"),
        _row(f"its upper 95 % limit at {name} a week", "at most 1.25", known[upper].upper, 1.25, f" ({upper})"),
        [
            f"stream-weeks a family at {name} a week",
            "at least 500",
            f"{thin:.0f} in the thinnest",
            _yes(round(thin) >= 500),
        ],
        _row(f"refused at {name} a week but for {' and '.join(HARD)}", "at most 0.2", shares[most], 0.2, f" ({most})"),
    ]


def _delays(results: Sequence[Result]) -> list[list[str]]:
    table = Table(results, "change")
    made = []
    for kind, limits in DELAYS.items():
        for system, limit in zip(("overloop, tolerance 0", "overloop"), limits, strict=True):
            found = table.delay(kind, system)
            if found is not None and limit is not None:
                missed = f", median {found.median:g}" + (f", {found.missed:.0%} missed" if found.missed else "")
                made.append(
                    _row(f"{kind}: values until found, {system}", f"at most {limit:g}", found.mean, limit, missed)
                )
    return made


def _harm(results: Sequence[Result]) -> list[list[str]]:
    """A rule that knows the values to be a rate: how fast, and at how many pages."""
    name = "overloop, harm"
    found, rate = (
        Table(results, "change").delay("rate-.05-.20", name),
        Table(results, "null").false("bernoulli-0.05", name),
    )
    if found is None or rate is None:
        return []
    return [
        _row(f"rate-.05-.20: values until found, {name}", "at most 42", found.mean, 42.0, f", median {found.median:g}"),
        _row(f"bernoulli-0.05: pages a week, {name}", "at most 0.6", rate.value, 0.6),
    ]


def _traffic(results: Sequence[Result]) -> list[list[str]]:
    table = Table(results, "traffic")
    return [
        _row(f"pages a week at {group} the traffic", "at most 1.0", found.value, 1.0)
        for group in table.groups
        if (found := table.false(group, "overloop")) is not None
    ]


def _faults(results: Sequence[Result]) -> list[list[str]]:
    table = Table(results, "fault")
    pages = {group: sum(r.pages for r in table.cells[group, "overloop"]) for group in table.groups}
    years = {group: len(table.cells[group, "overloop"]) for group in table.groups}
    return [[f"pages in {years[g]} years: {g}", "none", str(n), _yes(n == 0)] for g, n in pages.items()]


def _nab(results: Sequence[Result]) -> list[list[str]]:
    rows = []
    for f in (f for f in nab_figures(results) if f.system == "overloop"):
        for profile, score, limit in zip(PROFILES, f.scores, NAB_SCORES, strict=True):
            what = f"Numenta, development groups, {profile}"
            rows.append([what, f"at least {limit:g}", f"{score:.1f}", _yes(score >= limit)])
        found = f.found[0] / max(f.found[1], 1)
        rows.append(["Numenta, windows found", "at least 75 %", f"{found:.0%}", _yes(found >= 0.75)])
        if f.pages is not None:
            rows.append(_row("Numenta, pages a week before the first window", "at most 0.40", f.pages.value, 0.4))
    return rows


def _row(what: str, aim: str, value: float, limit: float, more: str = "") -> list[str]:
    return [what, aim, f"{value:.2f}{more}", _yes(value <= limit)]


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"
