"""Writes docs/detection-quality.md and its pictures from results. Every figure in it comes from them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import monitor
from bench.quality import tables
from bench.quality.compared import ablation_section, apart_section, equal_section
from bench.quality.environments import PACKAGES
from bench.quality.nab_figures import nab_figures
from bench.quality.nab_score import PROFILES
from bench.quality.results import Result, Table
from bench.quality.svg import Mark, dots
from bench.quality.targets import target_table

MAIN, EXACT, HARM = "overloop", "overloop, tolerance 0", "overloop, harm"
TITLES = {
    "null": "streams without a change, 2,016 values a week",
    "fast": "streams without a change, 200,000 values a week",
    "change": "changes",
    "equal": "changes at equal rates of false pages",
    "ablation": "the detector part by part",
    "traffic": "changing traffic",
    "fault": "what must not page",
    "electricity": "electricity",
    "nab": "the Numenta benchmark",
    "apart": "libraries in environments of their own",
}
RAW = ("river-adwin", "river-pagehinkley", "river-kswin", "three-sigma")


def write(results: Sequence[Result], path: Path, command: str) -> None:
    """The page, and beside it a folder of the same name with its pictures."""
    pictures = path.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [_head(results, command)]
    sections = (_targets, _nulls, _fast, _traffic, _faults, _changes, equal_section, ablation_section, apart_section)
    for make in (*sections, _electricity, _nab, _refusals):
        text = make(results, pictures)
        if text:
            parts.append(text)
    parts.append(SHORT_OF)
    parts.append(_missing(results) + _versions(results))
    path.write_text("\n\n".join(part.strip() for part in parts) + "\n")


def _head(results: Sequence[Result], command: str) -> str:
    return f"""# Detection quality, measured

Written from rows that `{command}` measured and kept; a dash means that there is none.
{_detectors(results)}

- **System.** `overloop` is the product itself: one pack with `detect: {{shift: "inputs.*"}}`, a budget of one page a
  week, everything else default, run through the same steps as the daemon. Where the stream says that the reference
  ends, it gets what `overloop reference fit` makes of everything before.
- **A page** is what calls a person: an incident that opens, or the notice that an open one has changed further; or
  another system's alarm. One rule for everybody: none within 24 hours of the model's last page. Whatever the truth, the
  person acknowledges the incident and keeps it open; nothing is accepted as the new normal. Where a state lasts, the
  product watches on from where it is, so a state that stays as it was is one page, however long it stays.
- **False pages** are counted on streams in which nothing changes, and before the first change of the others.
- **A delay** is how many values it takes from the change to the first page within the horizon. A miss counts as the
  horizon, a refused stream as a miss.
- **Refused** is a stream on which the product says that it cannot watch for slow shifts. Where it still watches for
  sudden things, its pages count.
- **Limits** of rates are exact (Poisson, 95 %); weeks that share a reference are not independent, so limits from
  drawing whole streams again stand beside them. Limits of delays are from drawing streams again.
- **Competitors** run at their documented defaults on the first of the same streams (how many: see the end), and at the
  rate of false pages that `overloop` realised, with thresholds swept on other streams.
- **A `harm` rule** (`overloop, harm`) is another pack of one rule, `detect: {{harm: "inputs.x0 == 1"}}`: what a person
  would write for a share of errors. It runs on the streams of zeros and ones.
- **In sample.** No setting was chosen on the streams of these tables: the detector was worked on with streams of other
  seeds (from 1,000 on) of the same families. The families themselves are thus known to it. The real series are in
  sample: what happens after a page, and how a short reference is weighed, was chosen on them."""


def _detectors(results: Sequence[Result]) -> str:
    """By how many versions of the detector the product's rows were made."""
    found = sorted({str(r.extra.get("detector", "an unknown one")) for r in results if r.system.startswith(MAIN)})
    if len(found) == 1:
        return f"All rows of `overloop` were made by one detector (digest of its code: {found[0]})."
    return f"**The rows of `overloop` were made by {len(found)} versions of the detector**: {', '.join(found)}."


def _targets(results: Sequence[Result], _: Path) -> str:
    text = target_table(results)
    return f"## Against what was aimed at\n\n{text}" if text else ""


def _nulls(results: Sequence[Result], pictures: Path) -> str:
    table = Table(results, "null")
    if not table.groups:
        return ""
    _picture(table, pictures / "nulls.svg", "False pages a week on streams without a change, 2,016 values a week")
    binary = Table([r for r in results if r.group.startswith("bernoulli")], "null")
    names = [n for n in binary.systems if n.startswith("river-") and n not in (*RAW, "river-halfspacetrees")]
    text = f"""## Nothing changes: 2,016 values a week

14 days of reference, then ten weeks a stream. Budget: one page a week. Other columns: pages a week of the others at
their defaults (at most seven are possible, since pages within a day are one).

{tables.null_table(table, MAIN, (EXACT, *RAW, "river-halfspacetrees", "periodic", "always-silent"))}

![False pages by family](detection-quality/nulls.svg)

Alarms a week before pages within a day become one:

{_alarm_table(table)}"""
    if names:
        harm = tables.null_table(binary, HARM, ())
        text += f"\n\nRiver's binary detectors on zeros and ones:\n\n{tables.null_table(binary, MAIN, names)}"
        text += f'\n\nA rule that knows them to be a rate, `detect: {{harm: "inputs.x0 == 1"}}`:\n\n{harm}'
    return text


def _alarm_table(table: Table) -> str:
    names = (MAIN, *RAW)
    rows = [[g, *(_number(table.alarms(g, name)) for name in names)] for g in table.groups]
    return tables.markdown(["family", *names], rows)


def _number(value: float) -> str:
    return tables.NONE if value != value else f"{value:.2f}"


def _picture(table: Table, path: Path, title: str) -> None:
    def marks(name: str) -> list[Mark | None]:
        rates = [table.false(group, name) for group in table.groups]
        return [None if r is None else Mark(r.value, r.low, r.high) for r in rates]

    names = [name for name in (MAIN, *RAW) if name in table.systems]
    series = [(name, marks(name)) for name in names]
    path.write_text(dots(title, "pages a week (open circle: below the axis)", table.groups, series, (0.01, 10), 1.0))


def _fast(results: Sequence[Result], pictures: Path) -> str:
    table = Table(results, "fast")
    if not table.groups:
        return ""
    _picture(table, pictures / "fast.svg", "False pages a week on streams without a change, 200,000 values a week")
    return f"""## Nothing changes: 200,000 values a week

{tables.null_table(table, MAIN, RAW)}

![False pages by family at 200,000 values a week](detection-quality/fast.svg)"""


def _traffic(results: Sequence[Result], _: Path) -> str:
    table = Table(results, "traffic")
    return f"## Traffic changes, nothing else\n\n{tables.null_table(table, MAIN, ())}" if table.groups else ""


def _faults(results: Sequence[Result], _: Path) -> str:
    table = Table(results, "fault")
    if not table.groups:
        return ""
    names = table.systems
    rows = []
    for group in table.groups:
        cells = [table.cells[group, name] for name in names]
        rows.append([group, *(_years(c) for c in cells)])
    return f"## What must not page: pages in so many years\n\n{tables.markdown(['stream', *names], rows)}"


def _years(cells: Sequence[Result]) -> str:
    refused = sum(r.refused for r in cells)
    told = f", {refused} refused" if refused else ""
    return f"{sum(r.pages for r in cells)} in {len(cells)}{told}"


def _changes(results: Sequence[Result], pictures: Path) -> str:
    table = Table(results, "change")
    if not table.groups:
        return ""

    def marks(name: str) -> list[Mark | None]:
        delays = [table.delay(group, name) for group in table.groups]
        return [None if d is None else Mark(d.mean, d.low, d.high) for d in delays]

    names = [name for name in (MAIN, EXACT, *RAW) if name in table.systems]
    picture = dots("Values until a change is found", "values", table.groups, [(n, marks(n)) for n in names], (1, 2500))
    (pictures / "delays.svg").write_text(picture)
    binary = [n for n in table.systems if n.startswith("river-") and n not in (*RAW, "river-halfspacetrees")]
    others: tuple[str, ...] = (*RAW, "river-halfspacetrees", *binary, "periodic", "always-silent")
    return f"""## Something changes: values until it is found

2,016 values a week, 14 days of reference, then between half a week and one and a half without a change. Horizon one
week (an hour for the single outlier). Competitors at their defaults: read their delays together with their false pages
above, and see below for equal rates.

{tables.delay_table(table, (MAIN, EXACT, HARM), others)}

![Delays](detection-quality/delays.svg)"""


def _electricity(results: Sequence[Result], _: Path) -> str:
    table = Table(results, "electricity")
    if not table.groups:
        return ""
    names = table.systems
    rows = [[g, *(tables.per_week(table.false(g, name)) for name in names)] for g in table.groups]
    return f"""## Electricity with drift put in

Five inputs of the Elec2 stream, half-hourly; 28 days of reference, 12.5 days as they were, 7 days with the drift.
Starts lie two weeks apart: streams overlap, so limits are too narrow. Values until the drift is found (horizon 336):

{tables.delay_table(table, (MAIN,), [name for name in names if name != MAIN])}

Pages a week before it; this series drifts by itself:

{tables.markdown(["drift", *names], rows)}"""


def _nab(results: Sequence[Result], _: Path) -> str:
    rows = [
        [
            f.system,
            *(f"{score:.1f}" for score in f.scores),
            tables.per_week(f.pages),
            tables.of(f.found),
            tables.of(f.refused),
        ]
        for f in nab_figures(results)
    ]
    head = ["system", *PROFILES, "pages a week before the first window [95 %]", "windows found", "refused"]
    return (
        f"""## Numenta Anomaly Benchmark, three development groups

Scores are the benchmark's own (0: silent, 100: perfect) for pages that went out, one setting for all files. The
reference is the benchmark's probation, two to three days; the product asks for fourteen. In sample: how the two arms
share the budget of a short reference was chosen on these files.

{tables.markdown(head, rows)}"""
        if rows
        else ""
    )


def _refusals(results: Sequence[Result], _: Path) -> str:
    why: dict[tuple[str, str], int] = {}
    for r in results:
        if r.refused and r.why and "|" not in r.system and r.part != "ablation":
            why[r.system, r.why] = why.get((r.system, r.why), 0) + 1
    rows = [[system, text, str(count)] for (system, text), count in sorted(why.items(), key=lambda item: -item[1])[:30]]
    return f"## Refused, and why\n\n{tables.markdown(['system', 'in its words', 'streams'], rows)}" if rows else ""


SHORT_OF = """## What falls short, and why

- **Years without a page.** Some of the streams that must not page in a year are plain noise. On it the detector pages
  by chance, far below its budget but not never; to make that rare it would have to ask for so much more evidence that a
  shift of two standard deviations took longer than was aimed at.
- **Means of delays at tolerance 0.** After a page a series rests, for a day after one alone and longer after several of
  late, and its next page asks for more. A change that begins then is found afterwards, or taken for part of what was
  paged: few streams, but the mean is theirs. The medians say what is usual. The same holds for the `harm` rule.
- **Series that wander.** Where the level of a reference wanders from hour to hour, what the last hours were like is
  taken off. That holds the budget and refuses few, but a small change that stays is found within those hours or not.
  What is too dependent even so is looked at in blocks of hours, which find slow changes late.
- **Rates.** A rise of a rate is seen by ranks of zeros and ones alone; a `harm` rule, which knows that it is a rate, is
  the one for errors.
- **Real series that drift.** The budget is a promise about a series that goes on like its reference. The electricity
  market does not, from week to week: pages are about at the budget there, since what lasts is one episode.
- **Short references.** The Numenta files have two or three days of reference; the product asks for fourteen. Most of
  what is found there is sudden."""


def _missing(results: Sequence[Result]) -> str:
    parts = {r.part for r in results}
    lacking = [text for part, text in TITLES.items() if part not in parts]
    said = f"Not run: {'; '.join(lacking)}.\n\n" if lacking else ""
    return f"""## What this page does not have

{said}{_exposure(results)}

"""


def _exposure(results: Sequence[Result]) -> str:
    """How many streams each system saw of each part."""
    parts = [part for part in TITLES if any(r.part == part for r in results)]
    counts: dict[tuple[str, str], int] = {}
    for r in results:
        if "|" not in r.system:
            counts[r.system, r.part] = counts.get((r.system, r.part), 0) + 1
    systems = [s for s in dict.fromkeys(r.system for r in results) if any((s, part) in counts for part in parts)]
    rows = [[s, *(str(counts.get((s, part), 0) or tables.NONE) for part in parts)] for s in systems]
    return f"""Streams that each system saw. Rows of the others are kept while only `overloop` is measured anew.

{tables.markdown(["system", *parts], rows)}"""


def _versions(results: Sequence[Result]) -> str:
    named = {name: version(name) for name in ("river", "numpy", "scipy")}
    told = ", ".join(f"{name} {number}" for name, number in named.items())
    apart = ", ".join(packages[0].replace("==", " ") for packages in PACKAGES.values())
    run = "in environments of their own" if any(r.part == "apart" for r in results) else "not run for this page"
    return f"""## Versions and seeds

overloop {monitor.__version__}, Python {platform.python_version()}, {told}; {run}: {apart}.
The streams of a table have the seeds 0, 1, 2, …, those that the detector was worked on 1,000 and more, those of
calibration 10,000 and more; a stream is a function of its family, change, rate and
seed alone.

## Run it, and add to it

- `make bench-quality` makes the rows that are missing and writes this page; they are kept in `build/quality`, a file a
  part, so that it can be interrupted. `--again overloop` makes the rows of the product anew beside those of the others,
  `--only overloop` and `--without overloop` make one or the other alone; `--parts null,change` is for some parts, and
  `--parts ''` only writes the page. `--scale 0.1` runs a tenth of the streams. `--data PATH` (or
  `$OVERLOOP_BENCH_DATA`) is a folder with `electricity.csv.gz` and `nab/`. The product's own rows take about an hour on
  two cores.
- `python -m bench.quality.environments` makes the environments of the libraries, below `build/environments`.
- `python -m bench.quality --short` takes a few minutes, has fixed seeds, and fails when the budget does not hold.
- `python -m bench.quality --streams PATH --json OUT` runs your own streams: a folder each, with `events.ndjson` (the
  native event schema, in time order) and `truth.json`: `{{"reference_until": T, "null": true}}` or
  `{{"reference_until": T, "changes": [T1], "horizon": "1d"}}`. Lines that the daemon would refuse are left out and
  named; a stream that is none is named by file and line, and left out (exit code 1).
- A stream is one class with `name`, `truth` and `batches()` (`bench/quality/stream.py`); a system is one with `name`
  and `start()` (`bench/quality/systems/base.py`)."""
