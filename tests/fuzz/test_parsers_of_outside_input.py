"""Every parser of outside input answers or raises the error it names, and takes no longer than it should."""

from __future__ import annotations

import fuzz_targets
import pytest
from fuzzing import Target, inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = fuzz_targets.ALL
EXAMPLES = {"spool-page": 40, "snapshot": 60, "parquet": 60, "receiver-address": 60, "rule-pack": 60}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_what_it_is_meant_for_is_read(target: Target) -> None:
    for seed in target.seeds:
        target.check(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_an_answer_or_the_error_that_it_names(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES.get(name, 100),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,  # what comes by chance is for `make fuzz`
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        target.check(data.draw(inputs(target))[: target.most])

    holds()
