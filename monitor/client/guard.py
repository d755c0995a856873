"""A decorator around a predict function: it asks the gate, does what the gate says, and logs what came of it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from .asking import Decision
    from .gate import Gate
    from .gate_reading import Verdict

F = TypeVar("F", bound=Callable[..., Any])
Log = Callable[..., Any]


def guard(
    gate: Gate,
    fallback: Callable[..., Any],
    *,
    log: Log | None = None,
    inputs: Callable[..., Mapping[str, Any]] | None = None,
    operation: str | None = None,
    segment: Callable[..., str] | None = None,
) -> Callable[[F], F]:
    """Decorate a function that answers, or a coroutine function.

    - `auto`: its answer is given.
    - `review`: where people decide before (`pre`), a person is asked about the answer, and what they decide is given,
      or `fallback`'s answer if they reject it or nobody decides in time; else the answer is given, and a sample is
      put before people.
    - `halt`: the function is not called; `fallback`, called with the same arguments, answers.

    Each answer goes to `log` (such as `overloop_client.log`), with the gate's state, its generation and who answered
    under `context`. `inputs` makes what is logged from the arguments; by default a single mapping, or the arguments by
    name. `segment` says which segment the call belongs to.
    """

    import inspect  # slow to load, and most services have no use for it

    def decorate(function: F) -> F:
        guarded = _Guarded(gate, function, fallback, log, inputs, operation, segment)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                return await guarded.later(args, kwargs)

            return cast(F, later)

        @functools.wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            return guarded.now(args, kwargs)

        return cast(F, now)

    return decorate


class _Guarded:
    def __init__(
        self,
        gate: Gate,
        function: Callable[..., Any],
        fallback: Callable[..., Any],
        log: Log | None,
        inputs: Callable[..., Mapping[str, Any]] | None,
        operation: str | None,
        segment: Callable[..., str] | None,
    ) -> None:
        self.gate, self.function, self.fallback, self.log = gate, function, fallback, log
        self.inputs, self.operation, self.segment = inputs or _by_name(function), operation, segment

    def now(self, args: Any, kwargs: Any) -> Any:
        call = _Call(self, args, kwargs)
        if call.verdict.state == "halt":
            return call.log(self.fallback(*args, **kwargs), "fallback")
        answer = self.function(*args, **kwargs)
        if not call.asks:
            return call.given(answer)
        safe = self.fallback(*args, **kwargs)
        return call.decided(call.ask(answer, safe), answer, safe)

    async def later(self, args: Any, kwargs: Any) -> Any:
        call = _Call(self, args, kwargs)
        if call.verdict.state == "halt":
            return call.log(await _awaited(self.fallback(*args, **kwargs)), "fallback")
        answer = await self.function(*args, **kwargs)
        if not call.asks:
            return call.given(answer)
        safe = await _awaited(self.fallback(*args, **kwargs))
        import asyncio  # slow to load, and whoever is here has loaded it

        decision = await asyncio.get_running_loop().run_in_executor(None, call.ask, answer, safe)
        return call.decided(decision, answer, safe)


class _Call:
    """One call: what the gate says at its beginning holds for all of it."""

    def __init__(self, of: _Guarded, args: Any, kwargs: Any) -> None:
        self._of = of
        self.id = os.urandom(12).hex()
        self.inputs = of.inputs(*args, **kwargs)
        segment = None if of.segment is None else of.segment(*args, **kwargs)
        self.verdict: Verdict = of.gate.check(segment, of.operation)

    @property
    def asks(self) -> bool:
        return self.verdict.state == "review" and self.verdict.review == "pre"

    def ask(self, answer: Any, safe: Any) -> Decision:
        return self._of.gate.ask(self.id, answer, safe, self.inputs)

    def given(self, answer: Any) -> Any:
        """The model's own answer; in review a sample of them is put before people."""
        if self.verdict.state == "review" and _drawn(self.id) < self._of.gate.sample:
            self._of.gate.show(self.id, answer, self.inputs)
        return self.log(answer, "model")

    def decided(self, decision: Decision, answer: Any, safe: Any) -> Any:
        """What a person said; an answer that was approved is given as the function made it."""
        holds = {"approved": answer, "changed": decision.answer}.get(decision.state, safe)
        return self.log(holds, decision.state)

    def log(self, answer: Any, source: str) -> Any:
        of, verdict = self._of, self.verdict
        if of.log is not None:
            output = answer if isinstance(answer, Mapping) else {"value": answer}
            context = {"gate": verdict.state, "gate_generation": verdict.generation, "answered_by": source}
            of.log(of.gate.model, self.inputs, output, id=self.id, version=of.gate.version, context=context)
        return answer


def _by_name(function: Callable[..., Any]) -> Callable[..., Mapping[str, Any]]:
    """What is logged of arguments: a single mapping as it is, else the arguments by name, without `self`."""
    import inspect

    signature = inspect.signature(function)

    def inputs(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
        if len(args) == 1 and not kwargs and isinstance(args[0], Mapping):
            return args[0]
        bound: dict[str, Any] = dict(signature.bind(*args, **kwargs).arguments)
        bound.pop("self", None)
        return bound

    return inputs


def _drawn(id_: str) -> float:
    """From 0 to 1, the same for the same answer."""
    return int(sha256(id_.encode()).hexdigest()[:13], 16) / 16**13


async def _awaited(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value
