"""Runs inside the environment of one competitor: arrays in, indices of alarms out. Imports nothing of the project.

`python detectors.py NAME` writes a line when it is ready, then reads lines of JSON `{"path": FILE.npz, "strict": 1.0}`
and writes lines of JSON `{"alarms": [...]}` or `{"error": "..."}`. The file holds `at` (seconds), `until` (index at
which the reference ends) and one array for each column, NaN where a value is missing. `strict` is how many times
beyond its default threshold a statistic must be.

Each library is a function of the columns that answers another one, of `strict`: what does not depend on it is computed
once a stream.
"""

import functools
import hashlib
import itertools
import json
import os
import sys
import warnings

os.environ["NUMBA_NUM_THREADS"] = "1"  # the harness runs a stream a core

import numpy as np

DAY = 86400.0
LAST = 500  # values of the reference that alibi-detect compares with: its simulations take time by their number
BOOTSTRAPS = 10_000  # its default


def evidently(columns, at, until):
    """Its DataDriftPreset at its defaults, once a day on the day's rows against the reference: half the columns."""
    import pandas
    from evidently import Report
    from evidently.presets import DataDriftPreset

    table = pandas.DataFrame(columns)
    beyond = []
    for start, stop in days(at, until):
        run = Report([DataDriftPreset()]).run(table.iloc[start:stop], table.iloc[:until])
        ratios = [ratio(metric) for metric in run.dict()["metrics"] if metric["config"]["type"].endswith("ValueDrift")]
        beyond.append((int(stop) - 1, ratios))
    return lambda strict: [row for row, found in beyond if 2 * sum(r >= strict for r in found) >= len(columns)]


def ratio(metric):
    """How many times beyond its threshold a metric of Evidently is; of a p-value how many times below."""
    value, limit = float(metric["value"]), float(metric["metric_name"].split("threshold=")[1].rstrip(")"))
    return limit / max(value, 1e-300) if "p_value" in metric["metric_name"] else value / limit


def nannyml(columns, at, until):
    """Its univariate drift calculator at its defaults, in chunks of a day; any column beyond its limit is an alarm."""
    import nannyml as nml
    import pandas

    table = pandas.DataFrame({**columns, "at": pandas.to_datetime(at, unit="s")})
    calculator = nml.UnivariateDriftCalculator(column_names=list(columns), timestamp_column_name="at", chunk_period="D")
    calculator.fit(table.iloc[:until])
    found = calculator.calculate(table.iloc[until:]).filter(period="analysis").to_df()
    value = found.xs("value", axis=1, level=-1).to_numpy(float)
    limit = found.xs("upper_threshold", axis=1, level=-1).to_numpy(float)
    ends = [until + int(row) for row in found[("chunk", "chunk", "end_index")]]
    return lambda strict: [row for row, over in zip(ends, (value > strict * limit).any(axis=1), strict=True) if over]


def frouros(columns, at, until):
    """IncrementalKSTest against the last 5,000 values of the reference, window 100; an alarm when p falls to 0.01 (the
    level of its examples) to the power of `strict`."""
    from frouros.detectors.data_drift import IncrementalKSTest

    tested = []
    for values in columns.values():
        finite = np.flatnonzero(np.isfinite(values))
        detector = IncrementalKSTest(window_size=100)
        detector.fit(X=values[finite[finite < until][-5000:]])
        later = finite[finite >= until]
        tests = [detector.update(value=values[i])[0] for i in later]
        tested.append((later, np.array([1.0 if test is None else test.p_value for test in tests])))

    def alarms(strict):
        low = [(rows, p <= 0.01**strict) for rows, p in tested]
        return sorted(int(i) for rows, is_low in low for i in rows[is_low & ~np.append(False, is_low[:-1])])

    return alarms


def alibi(columns, at, until):
    """CVMDriftOnline with an expected run time of one week times `strict` and windows of 20 and 80 values; reset after
    an alarm. Its thresholds depend on no data: they are simulated once for each run time."""
    values = np.column_stack(list(columns.values()))
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    learned = finite[finite < until]
    week = round((len(learned) - 1) / (at[learned[-1]] - at[learned[0]]) * 7 * DAY)
    if week > 20000:
        raise ValueError(f"its simulation of thresholds for {week} values a week takes hours")

    def alarms(strict):
        detector = simulated(values[learned[-LAST:]], week * strict)
        found = []
        for i in finite[finite >= until]:
            if detector.predict(values[i])["data"]["is_drift"]:
                found.append(int(i))
                detector.reset_state()
        return found

    return alarms


def simulated(reference, run_time):
    """A detector whose thresholds, which depend on no data, are simulated once for each run time and sizes."""
    from alibi_detect.cd import CVMDriftOnline

    class Ready(CVMDriftOnline):
        def _configure_thresholds(self):
            self.thresholds = thresholds(self.n, self.n_features, run_time)

    return Ready(reference, ert=run_time, window_sizes=[20, 80], verbose=False)


@functools.cache
def thresholds(n, columns, run_time):
    """By as many simulations as by default, or twice the run time."""
    from alibi_detect.cd import CVMDriftOnline

    np.random.seed(1)
    reference, count = np.random.randn(n, columns), max(BOOTSTRAPS, 2 * int(run_time))
    made = CVMDriftOnline(reference, ert=run_time, window_sizes=[20, 80], n_bootstraps=count, verbose=False)
    return made.thresholds


def days(at, until):
    """Row ranges of whole days from the end of the reference on."""
    rows = np.searchsorted(at, np.arange(at[until], at[-1] + DAY, DAY))
    return [(a, b) for a, b in itertools.pairwise(rows) if b - a >= 2]


class Latest:
    """What a library says of the stream that it was asked about last."""

    def __init__(self, library):
        self.library, self.digest, self.alarms = library, b"", None

    def ask(self, path, strict):
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in kept.files}
        digest = hashlib.sha256(b"".join(name.encode() + array.tobytes() for name, array in arrays.items())).digest()
        if digest != self.digest:
            self.digest = b""
            columns = {name: array for name, array in arrays.items() if name not in ("at", "until")}
            self.alarms = self.library(columns, arrays["at"], int(arrays["until"]))
            self.digest = digest
        return self.alarms(strict)


def main():
    latest = Latest(
        {"evidently": evidently, "nannyml": nannyml, "frouros": frouros, "alibi-detect": alibi}[sys.argv[1]]
    )
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    warnings.simplefilter("ignore")
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            text = json.dumps({"alarms": latest.ask(asked["path"], asked["strict"])})
        except Exception as problem:
            text = json.dumps({"error": f"{type(problem).__name__}: {problem}"})
        print(text, file=answers, flush=True)


if __name__ == "__main__":
    main()
