"""What a message may cause. See docs/protocol.md, "What a message may cause"."""

from __future__ import annotations

from typing import NamedTuple

from .errors import ColloquyError
from .message import Envelope, Step

HOPS_MAX = 32
LOOPS_MAX = 3


class Mandate(NamedTuple):
    """As it travels with a message that a handler has sent."""

    hops: int
    budget: int | None
    path: tuple[Step, ...]


class Run:
    """One run of a handler, and what it may still cause."""

    def __init__(self, agent: str, message: Envelope) -> None:
        before = message.path or ()
        left = max(0, HOPS_MAX - len(before))
        self._hops = left if message.hops is None else min(message.hops, left)
        self._path = (*before, Step(agent, message.name))
        #: Calls left; None for no limit.
        self.budget = message.budget

    def admit(self, name: str, to: str) -> Mandate:
        """Lets a call be made. Raises HOP_LIMIT, LOOP_DETECTED or BUDGET_EXHAUSTED before anything is sent."""
        if self._hops == 0:
            raise self._refusal("HOP_LIMIT", name, to, "no forwardings are left")
        if to.startswith("agent:") and self.closes_loop(name, to[len("agent:") :]):
            raise self._refusal("LOOP_DETECTED", name, to, f"it led here {LOOPS_MAX} times")
        share = None
        if self.budget is not None:
            if self.budget < 1:
                raise self._refusal("BUDGET_EXHAUSTED", name, to, "no calls are left")
            # One for the call itself; half of the rest for what it may cause.
            rest = self.budget - 1
            share = (rest + 1) // 2
            self.budget = rest - share
        return Mandate(self._hops - 1, share, self._path)

    def closes_loop(self, name: str, agent: str) -> bool:
        return self._path.count(Step(agent, name)) >= LOOPS_MAX

    def give_back(self, unused: int | None, share: int | None) -> None:
        """A call has ended, and says what it has not used; no more than it was given is believed."""
        if self.budget is not None and unused is not None and share is not None:
            self.budget += min(unused, share)

    def _refusal(self, code: str, name: str, to: str, why: str) -> ColloquyError:
        path = [{"agent": it.agent, "name": it.name} for it in self._path]
        message = f"{name} was not sent to {to}: {why}; answer with what there is"
        return ColloquyError(code, message, details={"name": name, "to": to, "path": path})
