"""Requests and streams to other agents, from sending them to their end. See docs/protocol.md, "Requests and answers".

waiting -- answer, failure --------------------------------------> final
waiting -- silence, deadline --> asking -- verdict, or 1 s ------> final
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Callable

from .errors import ColloquyError, error_from, unreachable
from .message import Envelope, Message, encode_message
from .presence import Candidate
from .site import Site
from .wire import now_ms

_START_SECONDS = 5.0
_VERDICT_SECONDS = 1.0
#: For so long what is asked once is asked again after a reconnect.
_INSIST_SECONDS = 30.0
#: After a reconnect the others need time to come back, too.
_REGROUP_SECONDS = 4.0
_RETRY_SECONDS = 0.05


class Call:
    """One request under way. `answer` is its future."""

    def __init__(
        self,
        calls: Requests,
        envelope: Envelope,
        value: Any,
        *,
        pool: str,
        target: Candidate,
        timeout: float,
        passed_over: list[Candidate],
        chunks: Chunks | None = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> None:
        self._calls = calls
        self._loop = asyncio.get_running_loop()
        self.envelope = envelope
        self._value = value
        self._message = encode_message(envelope, value)
        self._pool = pool
        self._tried = passed_over
        self.target = target
        self._timeout = timeout
        self._chunks = chunks
        self._on_progress = on_progress
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = self._loop.time()
        self._known = "unknown"
        self._heard = False
        self._asking = False
        #: The last chunk when one was found missing.
        self._gap: int | None = None
        self.answer: asyncio.Future[Any] = self._loop.create_future()
        #: What the answer says was not used of the budget.
        self.unused: int | None = None

    @property
    def id(self) -> str:
        return self.envelope.id

    @property
    def operation(self) -> str:
        """Names the work: `net.attach` of a JavaScript process finds it by that."""
        return f"{self.target.instance},{self.id},{self.target.id}"

    def send(self) -> None:
        topic = self._calls.site.inbox_of(self.target.instance)
        self._calls.site.post(topic, self._message, on_unheard=self._unheard)

    def begin(self) -> None:
        self.target.outstanding += 1
        self._wait(min(_START_SECONDS, self._timeout))
        self.send()

    def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        site, sender, to = self._calls.site, self.envelope.sender, self.target.id
        topic = site.inbox_of(self.target.instance)
        site.control(name, sender=sender, to=to, topic=topic, about=self.id, data=data, **fields)

    @property
    def sent_ago(self) -> dict[str, int]:
        return {"sentAgoMs": int((self._loop.time() - self._sent_at) * 1_000)}

    def inquire(self) -> None:
        """Messages may have been lost: asks what became of it."""
        if self.answer.done():
            return
        instance, chunks = self.target.instance, self._chunks

        def unheard(no_room: bool) -> None:
            if self.answer.done() or self.target.instance != instance:
                return
            if self._calls.regrouping:
                self._loop.call_later(_RETRY_SECONDS, self.inquire)
            else:
                self._lose()

        where = {} if chunks is None else {"sequence": chunks.received, "credit": chunks.granted}
        self.tell("inquiry", self.sent_ago, on_unheard=unheard, **where)

    def on_control(self, message: Message) -> None:
        name = message.envelope.name
        if name == "accepted":
            state = message.payload.decode()
            self._known = "not-started" if state == "queued" else "in-progress"
            self._alive()
        elif name == "progress":
            self._known = "in-progress"
            self._alive()
            if self._on_progress is not None:
                self._on_progress(message.payload.decode())
        elif name == "question":
            # Nobody here can be asked back.
            asked = message.payload.decode()
            self.tell("answer", {"number": asked["number"], "kind": "declined"})
            self._alive()
        elif name == "missing":
            self._missing()
        elif name == "refused":
            self._next()
        elif name == "forgotten":
            self._lose()

    def on_answer(self, message: Message) -> None:
        envelope, payload = message
        chunks, sequence = self._chunks, envelope.sequence or 0
        if envelope.kind == "error":
            self.unused = envelope.budget
            self.fail(error_from(payload.decode()))
        elif envelope.partial:
            self._known = "in-progress"
            self._alive()
            if chunks is not None and not chunks.push(sequence, payload.decode()):
                self._fill_gap(False)
        elif chunks is not None and sequence > chunks.received:
            self._fill_gap(True)
        else:
            self.unused = envelope.budget
            result = payload.decode()
            if not self.answer.done():
                self._finish()
                self.answer.set_result(result)

    def fail(self, error: ColloquyError) -> None:
        if not self.answer.done():
            self._finish()
            self.answer.set_exception(error)
            self.answer.exception()

    def cancel(self) -> None:
        """The caller has given up: the work is cancelled, too."""
        if not self.answer.done():
            self._calls.ask_to_cancel(self, lambda outcome: None)
            self.fail(ColloquyError("CANCELLED", f"{self.envelope.name}: its caller gave up"))

    @property
    def _late(self) -> bool:
        return self.envelope.deadline_ms is not None and now_ms() >= self.envelope.deadline_ms

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.envelope.deadline_ms
        if deadline is not None:
            seconds = min(seconds, max(0.0, (deadline - now_ms()) / 1_000))
        self._timer = self._loop.call_later(seconds, self._expire)

    def _alive(self) -> None:
        self._heard = True
        if not self.answer.done() and not self._asking:
            self._wait(self._timeout)

    def granted(self, credit: int) -> None:
        """The reader goes on, and silence begins anew."""
        if not self.answer.done():
            self.tell("credit", credit=credit)
            if not self._asking:
                self._wait(self._timeout)

    def _expire(self) -> None:
        if self._chunks is not None and self._chunks.unread and not self._late:
            return self._wait(self._timeout)  # The writer may be waiting for the reader.
        self._asking = True
        self._timer = self._loop.call_later(_VERDICT_SECONDS, self._give_up)

        def told(outcome: str | None) -> None:
            if self.answer.done():
                return
            if outcome is not None:
                self._known = outcome
            elif self._known == "not-started":
                self._known = "unknown"
            if outcome == "done":
                # Its answer was on its way, and is kept where it was made.
                self.inquire()
            else:
                self._give_up()

        self._calls.ask_to_cancel(self, told)

    def _give_up(self) -> None:
        name, known, late = self.envelope.name, self._known, self._late
        details: dict[str, Any] = {"name": name, "id": self.operation, "outcome": known}
        if late:
            details["deadline"] = True
            message = f"{name}: its deadline has passed; it is {known}"
        else:
            waited = self._timeout if self._heard else min(_START_SECONDS, self._timeout)
            message = f"{name}: no sign of life for {waited:g} s; it is {known}"
        retryable = known == "not-started" and not late
        self.fail(ColloquyError("TIMEOUT", message, retryable=retryable, details=details))

    def _lose(self) -> None:
        """Nobody can say any more what became of it."""
        if self._chunks is not None:
            self.fail(self._cut("unknown"))
        else:
            self.fail(unreachable(self.envelope.name, self.target.id, "unknown", self.operation))

    def _not_started(self, no_room: bool) -> ColloquyError:
        error = unreachable(self.envelope.name, self.target.id, "not-started", self.operation)
        if no_room:
            error.code, error.message = (
                "QUEUE_FULL",
                f"the process of {self.target.id} is too slow to be told",
            )
        return error

    def _cut(self, outcome: str) -> ColloquyError:
        name, received = self.envelope.name, self._chunks.received if self._chunks else 0
        details = {"name": name, "received": received, "outcome": outcome, "id": self.operation}
        return ColloquyError("STREAM_CUT", f"{name}: cut after chunk {received}", details=details)

    def _missing(self) -> None:
        if self._chunks is not None and self._chunks.received > 0:
            self.fail(self._cut("unknown"))
        elif not self._asking:
            self.send()

    def _unheard(self, no_room: bool) -> None:
        if not self.answer.done() and not self._heard:
            self.target.suspect = not no_room
            self._next(no_room)

    def _next(self, no_room: bool = False) -> None:
        """Nobody took it where it was sent: another of the pool, or nobody."""
        if self.answer.done() or self._asking:
            return
        self._tried.append(self.target)
        try:
            chosen = self._calls.site.registry.choose(self._pool, self._tried)
        except ColloquyError:
            if self._calls.regrouping:
                self._tried.remove(self.target)
                self._loop.call_later(_RETRY_SECONDS, self._send_again)
            else:
                self.fail(self._not_started(no_room))
            return
        self.target.outstanding -= 1
        self.target = chosen
        self.target.outstanding += 1
        self.envelope.to = (f"agent:{chosen.id}",)
        self._message = encode_message(self.envelope, self._value)
        self.send()

    def _send_again(self) -> None:
        if not self.answer.done() and not self._asking:
            self.send()

    def _fill_gap(self, is_end: bool) -> None:
        """Chunks were lost on their way. Their writer keeps them until they are read: it is asked, once."""
        received = self._chunks.received if self._chunks is not None else 0
        if self._gap != received:
            self._gap = received
            self.inquire()
        elif is_end:
            self.fail(self._cut("done"))

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.target.outstanding -= 1
        self._calls.forget(self)


class Chunks:
    """The chunks of a streamed answer. Credit is what was read plus the window."""

    def __init__(self, window: int) -> None:
        self._window = window
        self.granted = window
        self.received = 0
        self._waiting: deque[Any] = deque()
        self._news = asyncio.Event()

    @property
    def unread(self) -> int:
        return len(self._waiting)

    def push(self, sequence: int, chunk: Any) -> bool:
        """False when a chunk is missing before it. One that came before, or that nobody asked for, is dropped."""
        if sequence == self.received + 1 and sequence <= self.granted:
            self.received = sequence
            self._waiting.append(chunk)
            self._news.set()
        return sequence <= self.received or sequence > self.granted

    async def next(self, call: Call) -> Any:
        """The next chunk. Raises StopAsyncIteration at the end, or what the stream failed with."""
        while not self._waiting:
            if call.answer.done():
                call.answer.result()
                raise StopAsyncIteration
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait([news, call.answer], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        chunk = self._waiting.popleft()
        credit = self.received - len(self._waiting) + self._window
        # Half a window at a time: a grant for every chunk would double the traffic.
        if (credit - self.granted) * 2 >= self._window:
            self.granted = credit
            call.granted(credit)
        return chunk


class Stream:
    """An answer in chunks: `async for chunk in stream`, then `await stream.result()`.

    Leave it early by `await stream.aclose()`, or use it as `async with`: then the work is cancelled.
    """

    def __init__(self, call: Call, chunks: Chunks) -> None:
        self._call = call
        self._chunks = chunks

    @property
    def received(self) -> int:
        """Number of the last chunk that came."""
        return self._chunks.received

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        return await self._chunks.next(self._call)

    async def result(self) -> Any:
        """What the handler returned at the end. Raises what the stream failed with."""
        return await asyncio.shield(self._call.answer)

    async def aclose(self) -> None:
        self._call.cancel()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class _Asked:
    """A cancel that waits for its verdict."""

    def __init__(self, call: Call, tell: Callable[[str | None], None]) -> None:
        self.call = call
        self.instance = call.target.instance
        self.tell = tell


class Requests:
    """Requests of this process that have no answer. They outlive the link."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._open: dict[str, Call] = {}
        self._asked: dict[str, _Asked] = {}
        self._regroup_until = 0.0

    @property
    def regrouping(self) -> bool:
        return asyncio.get_running_loop().time() < self._regroup_until

    def begin(self, call: Call) -> None:
        self._open[call.id] = call
        call.begin()

    def forget(self, call: Call) -> None:
        self._open.pop(call.id, None)

    def ask_to_cancel(self, call: Call, tell: Callable[[str | None], None]) -> None:
        """Tells the verdict of the handler's process; None where nobody is there to give one."""
        asked = self._asked[call.id] = _Asked(call, tell)
        loop = asyncio.get_running_loop()
        loop.call_later(_INSIST_SECONDS, self._told, asked, None)
        self._send_cancel(asked)

    def on_message(self, message: Message) -> None:
        envelope = message.envelope
        about, instance = envelope.correlation_id or "", envelope.sender.instance
        if envelope.kind == "control" and envelope.name == "verdict":
            asked, verdict = self._asked.get(about), message.payload.decode()
            if asked is not None and asked.instance == instance and verdict["ask"] == "cancel":
                self._told(asked, verdict["outcome"])
            return
        call = self._open.get(about)
        # What comes from elsewhere than it was sent to is late.
        if call is None or call.target.instance != instance:
            return
        try:
            if envelope.kind == "control":
                call.on_control(message)
            else:
                call.on_answer(message)
        except ColloquyError as error:  # What it sent cannot be read.
            call.fail(error)

    def reattach(self) -> None:
        """The hub can be reached again: what was on its way may be lost."""
        self._regroup_until = asyncio.get_running_loop().time() + _REGROUP_SECONDS
        for call in list(self._open.values()):
            call.inquire()
        for asked in list(self._asked.values()):
            self._send_cancel(asked)

    def inquire_of(self, instance: str) -> None:
        """The process is gone, stands still, or was away: finds out what became of its work."""
        for call in list(self._open.values()):
            if call.target.instance == instance:
                call.inquire()

    def close(self, error: ColloquyError) -> None:
        for call in list(self._open.values()):
            call.fail(error)

    def _send_cancel(self, asked: _Asked) -> None:
        call = asked.call
        call.tell("cancel", call.sent_ago, on_unheard=lambda no_room: self._told(asked, None))

    def _told(self, asked: _Asked, outcome: str | None) -> None:
        if self._asked.get(asked.call.id) is asked:
            del self._asked[asked.call.id]
            asked.tell(outcome)
