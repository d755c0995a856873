"""Runs inside the environment of one competitor: arrays in, indices of alarms out. Imports nothing of the project.

`python detectors.py NAME` writes a line when it is ready, then reads lines of JSON `{"path": FILE.npz, "strict": 1.0}`
and writes lines of JSON `{"alarms": [...]}` or `{"error": "..."}`. The file holds `at` (seconds), `until` (index at
which the reference ends) and one array for each column, NaN where a value is missing. `strict` is how many times
beyond its default threshold a statistic must be.
"""

import itertools
import json
import sys
import warnings

import numpy as np

DAY = 86400.0


def evidently(columns, at, until, strict):
    """Its DataDriftPreset at its defaults, once a day on the day's rows against the reference: half the columns."""
    import pandas
    from evidently import Report
    from evidently.presets import DataDriftPreset

    table = pandas.DataFrame(columns)
    alarms = []
    for start, stop in days(at, until):
        run = Report([DataDriftPreset()]).run(table.iloc[start:stop], table.iloc[:until])
        beyond = []
        for metric in run.dict()["metrics"]:
            config = metric["config"]
            if config["type"].endswith("ValueDrift"):
                value, limit = float(metric["value"]), float(metric["metric_name"].split("threshold=")[1].rstrip(")"))
                small_is_drift = "p_value" in metric["metric_name"]
                beyond.append(limit / max(value, 1e-300) if small_is_drift else value / limit)
        if 2 * sum(ratio >= strict for ratio in beyond) >= len(columns):
            alarms.append(int(stop) - 1)
    return alarms


def nannyml(columns, at, until, strict):
    """Its univariate drift calculator at its defaults, in chunks of a day; any column beyond its limit is an alarm."""
    import nannyml as nml
    import pandas

    table = pandas.DataFrame({**columns, "at": pandas.to_datetime(at, unit="s")})
    calculator = nml.UnivariateDriftCalculator(column_names=list(columns), timestamp_column_name="at", chunk_period="D")
    calculator.fit(table.iloc[:until])
    found = calculator.calculate(table.iloc[until:]).filter(period="analysis").to_df()
    value = found.xs("value", axis=1, level=-1).to_numpy(float)
    limit = found.xs("upper_threshold", axis=1, level=-1).to_numpy(float)
    alerts = (value > strict * limit).any(axis=1)
    return [until + int(i) for i in found[("chunk", "chunk", "end_index")][alerts]]


def frouros(columns, at, until, strict):
    """IncrementalKSTest against the last 5,000 values of the reference, window 100; an alarm when p falls to 0.01 (the
    level of its examples) to the power of `strict`."""
    from frouros.detectors.data_drift import IncrementalKSTest

    alarms = []
    for values in columns.values():
        finite = np.flatnonzero(np.isfinite(values))
        detector = IncrementalKSTest(window_size=100)
        detector.fit(X=values[finite[finite < until][-5000:]])
        low = False
        for i in finite[finite >= until]:
            test, _ = detector.update(value=values[i])
            is_low = test is not None and test.p_value <= 0.01**strict
            if is_low and not low:
                alarms.append(int(i))
            low = is_low
    return sorted(alarms)


def alibi(columns, at, until, strict):
    """CVMDriftOnline with an expected run time of one week times `strict`, windows of 20 and 80 values, 2,500
    simulations; reset after an alarm."""
    from alibi_detect.cd import CVMDriftOnline

    values = np.column_stack(list(columns.values()))
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    learned = finite[finite < until]
    week = len(learned) / (at[until - 1] - at[0]) * 7 * DAY
    if week > 20000:
        raise ValueError(f"its simulation of thresholds for {week:.0f} values a week takes hours")
    np.random.seed(1)
    detector = CVMDriftOnline(
        values[learned[-2000:]], ert=week * strict, window_sizes=[20, 80], n_bootstraps=2500, verbose=False
    )
    alarms = []
    for i in finite[finite >= until]:
        if detector.predict(values[i])["data"]["is_drift"]:
            alarms.append(int(i))
            detector.reset_state()
    return alarms


def days(at, until):
    """Row ranges of whole days from the end of the reference on."""
    rows = np.searchsorted(at, np.arange(at[until], at[-1] + DAY, DAY))
    return [(a, b) for a, b in itertools.pairwise(rows) if b - a >= 2]


def main():
    run = {"evidently": evidently, "nannyml": nannyml, "frouros": frouros, "alibi-detect": alibi}[sys.argv[1]]
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    warnings.simplefilter("ignore")
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            with np.load(asked["path"]) as kept:
                columns = {name: kept[name] for name in kept.files if name not in ("at", "until")}
                answer = {"alarms": run(columns, kept["at"], int(kept["until"]), asked["strict"])}
            text = json.dumps(answer)
        except Exception as problem:
            text = json.dumps({"error": f"{type(problem).__name__}: {problem}"})
        print(text, file=answers, flush=True)


if __name__ == "__main__":
    main()
