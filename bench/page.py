"""`docs/performance.md` and its pictures, out of the results. `python -m bench.page` writes them without measuring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import results as kept
from bench.results import Row
from bench.svg_curve import curve

DOCS = Path(__file__).parents[1] / "docs"
CURVES = {
    "curve_series": ("An event, as series grow", "segments of one rule"),
    "curve_rules": ("An event, as rules grow", "rules on one model"),
    "curve_other_models": ("An event of one model, as others grow", "other models"),
    "curve_models_tick": ("A tick without events, as models grow", "models"),
    "curve_models_few": ("One event of each model in a step", "models"),
    "curve_models_restored": ("A model restored from its snapshot", "models"),
}
HEAD = """# Performance

This page is written by `make bench-speed` out of `bench/results/speed.json`; no figure on it was typed by hand. Each
row is the median of its runs. The pump and the raw River loop take turns in one run on one machine, so their ratio
can be compared across machines; the other baselines are targets. Durability is on everywhere: the pump's time runs from
opening a closed spool to the commit of the last cursor. The last column is the load of the machine's {processors}
processors when the row was done: figures in milliseconds and seconds taken at a load above that say little.
"""


def write(rows: Sequence[Row], docs: Path = DOCS) -> None:
    """The page, and a picture for each curve."""
    for one in rows:
        if one["name"] in CURVES:
            title, across = CURVES[one["name"]]
            picture = curve(title, across, one["unit"], one["sizes"], one["values"])
            (docs / "img" / f"{one['name']}.svg").write_text(picture)
    (docs / "performance.md").write_text(text(rows))


def text(rows: Sequence[Row]) -> str:
    """The page itself."""
    first = rows[0]
    plain = [one for one in rows if one["name"] not in CURVES and "shares" not in one]
    drawn = [one for one in rows if one["name"] in CURVES]
    parts = [HEAD.format(processors=first.get("machine", {}).get("processors", "")), _table(plain)]
    if first["name"] == "pump_vs_river":
        parts.append(_pump(first))
    parts += [_engines(one) for one in plain if one["name"] == "two_processes"]
    parts += [_shares(one) for one in rows if "shares" in one]
    if drawn:
        parts += ["## Curves\n", *(_curve(one) for one in drawn)]
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    lines = ["| row | value | unit | baseline | ratio | runs | load |", "|---|---:|---|---:|---:|---|---:|"]
    for one in rows:
        runs = [*one["runs"][:5], "…"] if len(one["runs"]) > 6 else one["runs"]
        cells = [one["name"], f"{one['value']:,}", one["unit"], f"{one['baseline']:,}", str(one["ratio"])]
        shown = ", ".join(run if isinstance(run, str) else f"{run:,}" for run in runs)
        lines.append("| " + " | ".join([*cells, shown, str(one.get("load", ""))]) + " |")
    return "\n".join(lines) + "\n"


def _pump(row: Row) -> str:
    machine = row["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    same = "equal to" if row["findings_equal"] else "NOT equal to"
    return (
        f"The pump's row: {row['events']:,} events of {row['bytes_an_event']} bytes, seed {row['seed']}; "
        f"{row['commits']} commits ({row['commits_a_second']} a second), `PRAGMA synchronous` {row['synchronous']}, "
        f"{row['incidents']} incidents opened; sha256 of the findings `{row['findings_sha256'][:16]}`, {same} that of "
        f"River's scalar detectors over the same events; sha256 of `bench/raw_river.py` "
        f"`{row['baseline_sha256'][:16]}`.{_processor(row)}\n\n"
        f"Python {machine['python']}, {machine['system']}, {machine['processors']} processors; {libraries}.\n"
    )


def _engines(row: Row) -> str:
    same = "the same" if row["findings_equal"] else "NOT the same"
    got = ", ".join(f"{share:.2f}" for share in row["processors_got"])
    return (
        f"Two engines: {row['events']:,} events of two models, once in one partition and one process, once in two of "
        f"each on one ledger; they find {same}. An event costs {row['cpu_ratio']} times the processor time in two "
        f"processes. Both together got {got} processors in the runs: far below 2 the ratio says what else the "
        f"machine did, and not what a second engine is worth. They waited for each other's commits during "
        f"{row['waited_share']:.1%} of the time.\n"
    )


def _processor(row: Row) -> str:
    if "cpu_ratio" not in row:
        return ""
    ours, theirs = (sorted(row[key])[len(row[key]) // 2] for key in ("cpu_us_an_event", "cpu_us_an_event_raw"))
    return (
        f" By processor time, which other work on the machine disturbs least, it takes {row['cpu_ratio']} times what "
        f"the raw loop takes: {ours} us an event against {theirs} us."
    )


def _shares(row: Row) -> str:
    lines = [f"| {part} | {share} |" for part, share in row["shares"].items()]
    return (
        f"## Where the time goes\n\nOf the pump's processor time, by {row['samples']:,} samples over {row['events']:,} "
        "events; each part with what the libraries do for it.\n\n| part | % |\n|---|---:|\n" + "\n".join(lines) + "\n"
    )


def _curve(row: Row) -> str:
    title, across = CURVES[row["name"]]
    head = "| " + " | ".join([across, *(f"{size:,}" for size in row["sizes"])]) + " |"
    rule = "|---|" + "---:|" * len(row["sizes"])
    body = "| " + " | ".join([row["unit"], *(f"{value:,}" for value in row["values"])]) + " |"
    return f"![{title}](img/{row['name']}.svg)\n\n{head}\n{rule}\n{body}\n"


if __name__ == "__main__":
    write(kept.read())
