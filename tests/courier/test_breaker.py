"""When a target counts as failing, and when as working again."""

from __future__ import annotations

import pytest

from monitor.core.notices.pace import Rate
from monitor.delivery.protocol import Result
from monitor.runtime.courier_targets import Targets

OK = Result("delivered")
DOWN = Result("retry", "connection", None, "It could not be reached.")
REFUSES = Result("retry", "authError", None, "It refused the credentials.")


class Story:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.broken = False
        self.targets = Targets(Rate(100, 100), self._broke, lambda name: self.said.append(f"{name} works"))

    def _broke(self, name: str, problem: str) -> None:
        if self.broken:
            raise OSError("the ledger")
        self.said.append(f"{name}: {problem}")

    def hear(self, *results: tuple[float, Result]) -> list[str]:
        for at, result in results:
            self.targets.take("oncall", at)
            self.targets.give_back("oncall", result, at)
        said, self.said = self.said, []
        return said


def test_one_that_refuses_fails_at_once_and_is_said_to_once():
    assert Story().hear((0, REFUSES), (300, REFUSES)) == ["oncall: It refused the credentials."]


@pytest.mark.parametrize("times", [(0, 1, 3), (0, 1, 2, 3), (0, 30, 60)])
def test_one_that_is_away_for_a_moment_does_not_fail(times):
    assert Story().hear(*((at, DOWN) for at in times)) == []


def test_one_that_is_away_for_longer_does_and_works_again_after_the_first_message():
    story = Story()
    assert story.hear((0, DOWN), (10, DOWN), (15, DOWN), (20, DOWN), (30, DOWN)) == ["oncall: It could not be reached."]
    assert story.hear((60, OK), (61, OK)) == ["oncall works"]
    assert story.hear((70, DOWN), (71, DOWN)) == [], "it counts from the start"


def test_the_first_message_of_a_process_says_that_a_target_works():
    assert Story().hear((0, OK)) == ["oncall works"]


def test_what_could_not_be_kept_is_said_again():
    story = Story()
    story.broken = True
    assert story.hear((0, REFUSES)) == []
    story.broken = False
    assert story.hear((300, REFUSES)) == ["oncall: It refused the credentials."]
