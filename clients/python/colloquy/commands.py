"""Commands: sent to mailboxes, taken from them, and what became of them. See docs/protocol.md, "Commands"."""

from __future__ import annotations

import asyncio
import random
from typing import Any, AsyncGenerator

from . import queues
from .errors import ColloquyError, error_from, error_of, invalid
from .message import Message
from .payload import pack
from .queues import Delivery, Outcome, Receiver
from .serving import Effect, Work
from .site import Site
from .wire import now_ms

ATTEMPTS_MAX = 3
_RETRY_MS = 200
_RETRY_MS_MAX = 30_000
_REPEAT_SECONDS = 0.05
_REPEAT_SECONDS_MAX = 10.0
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Receipt:
    """The way to what becomes of a command. Its `id` is good in every process and after every restart."""

    def __init__(
        self, site: Site, queue: str, position: int, message_id: str, duplicate: bool
    ) -> None:
        self._site = site
        self._queue = queue
        self._position = position
        self.message_id = message_id
        #: With exactly once: it had been stored before.
        self.duplicate = duplicate

    @staticmethod
    def of(site: Site, id: str) -> Receipt:
        """Raises INVALID_OPTION where `id` is none of a receipt."""
        digits, _, rest = id.partition(",")
        message_id, _, queue = rest.partition(",")
        if not queue or not digits.isascii() or not digits.isalnum():
            raise invalid("id", "that of a receipt", "INVALID_OPTION")
        return Receipt(site, queue, int(digits, 36), message_id, False)

    @property
    def id(self) -> str:
        digits, rest = "", self._position
        while rest or not digits:
            rest, digit = divmod(rest, 36)
            digits = _DIGITS[digit] + digits
        return f"{digits},{self.message_id},{self._queue}"

    async def state(self) -> Outcome:
        """As it is now."""
        return await self._site.queues.track(self._queue, self._position, wait=False)

    async def settled(self) -> Outcome:
        """Returns once it is final."""
        return await self._site.queues.track(self._queue, self._position, wait=True)

    async def cancel(self) -> str:
        """Gives it up, also while its handler runs: "cancelled", "too-late" or "unknown"."""
        return await self._cancel("CANCELLED", False)

    async def rescind(self) -> str:
        """Takes it back where no handler has started: "rescinded", "too-late" or "unknown"."""
        return await self._cancel("RESCINDED", True)

    async def _cancel(self, code: str, if_unstarted: bool) -> str:
        parameters = {
            "queue": self._queue,
            "position": self._position,
            "ifUnstarted": if_unstarted,
            "reason": ColloquyError(code, "its sender gave it up").to_data(),
        }
        return await self._site.calls.call("queues.cancel", parameters)


class CommandWork(Work):
    """A command taken from a mailbox, from its offer to its settlement."""

    def __init__(
        self, site: Site, receiver: Receiver, delivery: Delivery, message: Message
    ) -> None:
        super().__init__(message)
        self._site = site
        self._receiver = receiver
        self._delivery = delivery
        self.attempt = delivery.failures + delivery.crashes + 1
        #: Somebody follows the message.
        self._followed = False
        self._deadline: asyncio.TimerHandle | None = None
        receiver.hears[delivery.fence] = self._noticed

    @property
    def start_by_ms(self) -> float:
        ttl = self.envelope.ttl_ms
        expires = float("inf") if ttl is None else self.envelope.created_ms + ttl
        return min(super().start_by_ms, expires)

    def started(self) -> None:
        super().started()
        if self._followed:
            self._report("started")
        if self.envelope.deadline_ms is not None:
            left = max(0, self.envelope.deadline_ms - now_ms()) / 1_000
            self._deadline = asyncio.get_running_loop().call_later(left, self._too_late)

    def progress(self, data: Any) -> None:
        if self._followed and self.state == "started":
            self._report("progress", {"data": pack(data)})

    async def answer_with(self, chunks: AsyncGenerator[Any, None]) -> None:
        await chunks.aclose()
        raise ColloquyError(
            "UNSUPPORTED", f"{self.envelope.name} answers in chunks: ask for a stream"
        )

    async def succeed(self, result: Any, effects: list[Effect], budget: int | None) -> None:
        frames = [it.frame for it in effects]
        if result is None:
            await self._end(queues.DONE, effects=frames)
        else:
            await self._end(queues.DONE_WITH_RESULT, result=pack(result), effects=frames)

    async def fail(self, thrown: BaseException, budget: int | None = None) -> None:
        error = error_of(thrown)
        if self.cancelled is not None:
            await self._end(queues.CANCELLED, error=self.cancelled)
        elif error.code == "CLOSED":
            self.give_back()
        elif self.undecodable:
            await self._end(queues.DEAD, error=error)
        elif self.state == "waiting" and error.code == "TIMEOUT":
            await self._end(
                queues.EXPIRED, error=ColloquyError("EXPIRED", "no handler was free in time")
            )
        else:
            await self._end_failed(thrown, error)

    def give_back(self) -> None:
        """Not settled, it goes to another when its receiver leaves."""
        self.state = "final"
        self._receiver.held.pop(self._delivery.fence, None)
        self._receiver.hears.pop(self._delivery.fence, None)

    async def _end_failed(self, thrown: BaseException, error: ColloquyError) -> None:
        """A `ColloquyError` that is not retryable is final; for anything else there is another attempt."""
        failures = self._delivery.failures + 1
        if isinstance(thrown, ColloquyError) and not error.retryable:
            await self._end(queues.FAILED, error=error)
        elif failures >= ATTEMPTS_MAX:
            await self._end(queues.DEAD, error=error)
        else:
            ceiling = min(_RETRY_MS_MAX, _RETRY_MS * 2 ** (failures - 1))
            await self._end(queues.RETRY, error=error, delay_ms=int(random.random() * ceiling))

    async def _end(self, outcome: int, **fields: Any) -> None:
        if self.state == "final":
            return
        if self.cancelled is not None and self.state == "started":
            outcome, fields = queues.CANCELLED, {"error": self.cancelled}
        self.state = "final"
        if self._deadline is not None:
            self._deadline.cancel()
        wait = _REPEAT_SECONDS
        while True:
            try:
                await self._site.queues.settle(self._receiver, self._delivery, outcome, **fields)
                return
            except ColloquyError as error:
                if error.code == "CLOSED":
                    return
                if error.code not in ("INDETERMINATE", "STORE_FAILED"):
                    if not fields.get("effects"):
                        self._site.on_error(error, self.envelope.name)
                        return
                    # An effect could not be made: the attempt has failed, and the next one sees why.
                    again = ColloquyError(
                        error.code, error.message, retryable=True, details=error.details
                    )
                    self.state = "started"
                    await self._end_failed(again, again)
                    return
            await asyncio.sleep(wait)
            wait = min(_REPEAT_SECONDS_MAX, wait * 2)

    def _noticed(self, kind: int, reason: Any) -> None:
        if kind == 0:
            self._cancel(error_from(reason), queues.CANCELLED)
        elif kind == 1 and self.state == "waiting":
            reason = ColloquyError("RESCINDED", "its sender withdrew it")
            self._cancel(reason, queues.RESCINDED)
        elif kind == 1:
            self._report("started")
        elif kind == 2:
            self._followed = True
            if self.state != "final":
                self._report("unstarted" if self.state == "waiting" else "started")

    def _cancel(self, reason: ColloquyError, outcome: int) -> None:
        if self.state == "started":
            self.stop(reason)
        elif self.state == "waiting":
            self.cancelled = reason
            self._site.spawn(self._end(outcome, error=reason), self.envelope.name)

    def _too_late(self) -> None:
        details = {"deadline": True}
        reason = ColloquyError("CANCELLED", "its deadline passed while it ran", details=details)
        self._cancel(reason, queues.CANCELLED)

    def _report(self, kind: str, more: dict[str, Any] | None = None) -> None:
        queue, position, fence, *_ = self._delivery
        report = {
            "queue": queue,
            "position": position,
            "fence": fence,
            "kind": kind,
            **(more or {}),
        }
        self._site.spawn(self._site.calls.call("queues.report", {"reports": [report]}), kind)
