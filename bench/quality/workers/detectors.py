"""Runs inside the environment of one competitor: arrays in, indices of alarms out. Imports nothing of the project.

`python detectors.py NAME` writes a line when it is ready, then reads lines of JSON `{"path": FILE.npz}` and writes lines
of JSON `{"alarms": [...]}` or `{"error": "..."}`. The file holds `at` (seconds), `until` (index at which the reference
ends) and one array for each column, NaN where a value is missing.
"""

import json
import sys
import warnings

import numpy as np

DAY = 86400.0


def evidently(columns, at, until):
    """Its DataDriftPreset at its defaults, once a day on the day's rows against the reference."""
    import pandas
    from evidently import Report
    from evidently.presets import DataDriftPreset

    table = pandas.DataFrame(columns)
    alarms = []
    for start, stop in days(at, until):
        run = Report([DataDriftPreset()]).run(table.iloc[start:stop], table.iloc[:until])
        drifted = next(m for m in run.dict()["metrics"] if m["metric_name"].startswith("DriftedColumnsCount"))
        if drifted["value"]["share"] >= 0.5:
            alarms.append(stop - 1)
    return alarms


def nannyml(columns, at, until):
    """Its univariate drift calculator at its defaults, in chunks of a day; any column's alert is an alarm."""
    import nannyml as nml
    import pandas

    table = pandas.DataFrame({**columns, "at": pandas.to_datetime(at, unit="s")})
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(columns), timestamp_column_name="at", chunk_period="D"
    )
    calculator.fit(table.iloc[:until])
    found = calculator.calculate(table.iloc[until:]).filter(period="analysis").to_df()
    alerts = found.xs("alert", axis=1, level=-1).any(axis=1)
    return [until + int(i) for i in found[("chunk", "chunk", "end_index")][alerts]]


def frouros(columns, at, until):
    """IncrementalKSTest against the reference, window 100; an alarm at p <= 0.01, the level of its examples, once it
    was above it."""
    from frouros.detectors.data_drift import IncrementalKSTest

    alarms = []
    for values in columns.values():
        finite = np.flatnonzero(np.isfinite(values))
        learned = finite[finite < until]
        detector = IncrementalKSTest(window_size=100)
        detector.fit(X=values[learned[-5000:]])
        low = False
        for i in finite[finite >= until]:
            test, _ = detector.update(value=values[i])
            is_low = test is not None and test.p_value <= 0.01
            if is_low and not low:
                alarms.append(int(i))
            low = is_low
    return sorted(alarms)


def alibi(columns, at, until):
    """CVMDriftOnline with an expected run time of one week and windows of 20 and 80 values; reset after an alarm."""
    from alibi_detect.cd import CVMDriftOnline

    values = np.column_stack(list(columns.values()))
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    learned = finite[finite < until]
    week = len(learned) / (at[until - 1] - at[0]) * 7 * DAY
    if week > 20000:
        raise ValueError("its simulation of thresholds for %d values a week takes hours" % week)
    reference = values[learned[-2000:]]
    detector = CVMDriftOnline(reference, ert=week, window_sizes=[20, 80], n_bootstraps=2500, verbose=False)
    alarms = []
    for i in finite[finite >= until]:
        if detector.predict(values[i])["data"]["is_drift"]:
            alarms.append(int(i))
            detector.reset_state()
    return alarms


def days(at, until):
    """Row ranges of whole days from the end of the reference on."""
    edges = np.arange(at[until], at[-1] + DAY, DAY)
    rows = np.searchsorted(at, edges)
    return [(a, b) for a, b in zip(rows[:-1], rows[1:]) if b - a >= 2]


def main():
    run = {"evidently": evidently, "nannyml": nannyml, "frouros": frouros, "alibi-detect": alibi}[sys.argv[1]]
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    warnings.simplefilter("ignore")
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            with np.load(json.loads(line)["path"]) as kept:
                columns = {name: kept[name] for name in kept.files if name not in ("at", "until")}
                answer = {"alarms": run(columns, kept["at"], int(kept["until"]))}
        except Exception as problem:
            answer = {"error": "%s: %s" % (type(problem).__name__, problem)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
