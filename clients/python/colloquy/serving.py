"""Requests of other processes to agents of this one. See docs/protocol.md, "Requests and answers"."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, AsyncGenerator, Awaitable, Callable, NamedTuple

from .errors import ColloquyError, error_of
from .message import Envelope, Message, Sender, encode_message
from .site import Site
from .topics import OnUnheard
from .wire import now_ms

_ACKNOWLEDGE_SECONDS = 1.0
_KEPT_SECONDS = 30.0
_KEPT_BYTES_MAX = 2**23
_SAYINGS_MAX = 10_000


class Effect(NamedTuple):
    """What a handler has staged."""

    #: As part of a settlement.
    frame: bytes
    #: By itself. Returns when it is safe.
    make: Callable[[], Awaitable[Any]]


class Work:
    """One piece of work for a handler: a request, or a command. `state` is "waiting", "started" or "final"."""

    #: Counts from 1.
    attempt = 1

    def __init__(self, message: Message) -> None:
        self.envelope = message.envelope
        self._payload = message.payload
        self.state = "waiting"
        self.task: asyncio.Task[None] | None = None
        #: Why nothing that comes of it counts any more.
        self.cancelled: ColloquyError | None = None
        self.undecodable = False

    @property
    def input(self) -> Any:
        """Raises INVALID_MESSAGE, SERIALIZATION_ERROR, MESSAGE_TOO_LARGE."""
        try:
            return self._payload.decode()
        except ColloquyError:
            self.undecodable = True
            raise

    @property
    def start_by_ms(self) -> float:
        """Clock time after which no handler may start."""
        return float("inf") if self.envelope.deadline_ms is None else self.envelope.deadline_ms

    def started(self) -> None:
        self.state = "started"

    def stop(self, reason: ColloquyError) -> None:
        """The caller has given up: the handler's task is cancelled."""
        self.cancelled = reason
        if self.task is not None:
            self.task.cancel()


class RequestWork(Work):
    """One request, from its arrival to its answer."""

    def __init__(self, incoming: Incoming, agent: Sender, message: Message) -> None:
        super().__init__(message)
        self._incoming = incoming
        self._site = incoming.site
        self._self = agent
        self._topic = self.envelope.reply_to or self._site.inbox_of(self.envelope.sender.instance)
        self._told: str | None = None
        #: The requester waits no longer; the work goes on.
        self.left = False
        self._credit = self.envelope.credit or 0
        self._window = max(1, self._credit)
        self._room = asyncio.Event()
        self._sent = 0
        #: Chunks that may not have been read, with their numbers.
        self._unread: list[tuple[int, bytes]] = []
        self._deadline: asyncio.TimerHandle | None = None
        if self.envelope.deadline_ms is not None:
            left = max(0, self.envelope.deadline_ms - now_ms()) / 1_000
            self._deadline = asyncio.get_running_loop().call_later(left, self._expire)

    @property
    def outcome(self) -> str:
        return {"waiting": "not-started", "started": "in-progress"}.get(self.state, "done")

    def progress(self, data: Any) -> None:
        if self.state != "final" and not self.left:
            self._tell("progress", data)

    async def answer_with(self, chunks: AsyncGenerator[Any, None]) -> None:
        """Sends chunks as far as credit allows."""
        async with aclosing(chunks):
            if self.envelope.credit is None:
                message = f"{self.envelope.name} answers in chunks: ask for a stream"
                raise ColloquyError("UNSUPPORTED", message)
            async for chunk in chunks:
                while self._sent >= self._credit:
                    if self.left:
                        raise ColloquyError("CANCELLED", "it was left, and nobody reads on")
                    self._room.clear()
                    await self._room.wait()
                frame = self._frame("response", chunk, sequence=self._sent + 1, partial=True)
                self._sent += 1
                self._unread.append((self._sent, frame))
                # Credit is what was read plus the window: what lies a whole window back has been read.
                del self._unread[: -2 * self._window]
                self._publish(frame)
                await self._site.connection.drain()

    async def succeed(self, result: Any, effects: list[Effect], budget: int | None) -> None:
        if self.state == "started" and effects:
            self.state = "committing"
            for effect in effects:
                await effect.make()
        if self.state != "final":
            self._reply(self._frame("response", result, sequence=self._sent or None, budget=budget))

    async def fail(self, thrown: BaseException, budget: int | None = None) -> None:
        if self.state == "final":
            return
        if getattr(thrown, "code", "") == "CLOSED":
            return self.abandon()
        error = error_of(thrown)
        try:
            frame = self._frame("error", error.to_data(), budget=budget)
        except ColloquyError:  # Its details cannot travel.
            short = ColloquyError(error.code, error.message[:8_192], retryable=error.retryable)
            frame = self._frame("error", short.to_data(), budget=budget)
        self._reply(frame)

    def refuse(self) -> None:
        """It was not started here, and will not be."""
        if self.state != "final":
            self._tell("refused")
            self._finish(None)

    def abandon(self) -> None:
        """The process leaves: nobody will say any more what became of it."""
        if self.state == "waiting":
            self.refuse()
        elif self.state != "final":
            self._tell("forgotten")
            self.give_up(ColloquyError("CLOSED", "the process leaves"))

    def give_up(self, reason: ColloquyError) -> None:
        """Nothing more comes of it."""
        if self.state in ("waiting", "started"):
            self._finish(None)
            self.stop(reason)

    def leave(self) -> None:
        """The requester waits no longer; the work goes on, of a stream as far as it was granted."""
        self.left = True
        self._room.set()

    def grant(self, credit: int) -> None:
        if credit > self._credit:
            self._credit = credit
            self._room.set()

    def acknowledge(self) -> None:
        state = "queued" if self.state == "waiting" else "started"
        if self.state != "final" and not self.left and self._told != state:
            self._told = state
            self._tell("accepted", state)

    def resume(self, received: int, credit: int) -> None:
        """The requester asks again, has chunks up to `received`, and has granted `credit`."""
        self._told = None
        self.acknowledge()
        self._unread = [it for it in self._unread if it[0] > received]
        for _, frame in self._unread:
            self._publish(frame)
        self.grant(credit)

    def _expire(self) -> None:
        if self.state != "final":
            name = self.envelope.name
            details = {"name": name, "outcome": self.outcome, "deadline": True}
            error = ColloquyError("TIMEOUT", f"{name}: its deadline has passed", details=details)
            self._reply(self._frame("error", error.to_data()))
            self.stop(error)

    def _tell(self, name: str, data: Any = None) -> None:
        to, about = self.envelope.sender.agent, self.envelope.id
        self._site.control(
            name, sender=self._self, to=to, topic=self._topic, about=about, data=data
        )

    def _frame(self, kind: str, value: Any, **fields: Any) -> bytes:
        request = self.envelope
        envelope = Envelope(
            id=request.id,
            kind=kind,
            name=request.name,
            sender=self._self,
            to=(f"agent:{request.sender.agent}",),
            created_ms=now_ms(),
            priority=request.priority,
            correlation_id=request.id,
            conversation_id=request.conversation_id,
            **fields,
        )
        return encode_message(envelope, value)

    def _reply(self, frame: bytes) -> None:
        self._finish(frame)
        self._publish(frame)

    def _publish(self, frame: bytes) -> None:
        if not self.left:
            self._site.post(self._topic, frame)

    def _finish(self, reply: bytes | None) -> None:
        self.state = "final"
        if self._deadline is not None:
            self._deadline.cancel()
        self._incoming.ended(self.envelope.id, reply, self._unread)


class _Kept(NamedTuple):
    at: float
    reply: bytes
    chunks: list[tuple[int, bytes]]

    @property
    def size(self) -> int:
        return len(self.reply) + sum(len(frame) for _, frame in self.chunks)


class Incoming:
    """Requests in hand, and what is remembered of those that are not."""

    def __init__(self, site: Site, accept: Callable[[Message], RequestWork | None]) -> None:
        self.site = site
        #: Makes the work and hands it to its agent; None where the agent is not here.
        self._accept = accept
        self._active: dict[str, RequestWork] = {}
        self._kept: dict[str, _Kept] = {}
        self._kept_bytes = 0
        #: When the youngest answer or saying that is no longer here was made.
        self._forgotten_at = float("-inf")
        #: "missing", "taken", "cancelled" or "cancelled-at-work", and when that was said.
        self._said: dict[str, tuple[str, float]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def on_request(self, message: Message) -> None:
        id = message.envelope.id
        if id in self._active or id in self._kept:
            return
        saying = self._saying(id)
        if saying == "missing":
            self._say(id, "taken")
        elif saying is not None:
            return
        work = self._accept(message)
        if work is None:
            RequestWork(self, self._agent_of(message.envelope), message).refuse()
        elif work.state != "final":
            self._active[id] = work
            if self._sweep is None:
                self._acknowledge_later()

    def ended(self, id: str, reply: bytes | None, chunks: list[tuple[int, bytes]]) -> None:
        self._active.pop(id, None)
        if reply is not None:
            kept = self._kept[id] = _Kept(asyncio.get_running_loop().time(), reply, chunks)
            self._kept_bytes += kept.size
            self._forget_old()

    def on_control(self, message: Message) -> None:
        envelope = message.envelope
        work = self._active.get(envelope.correlation_id or "")
        name = envelope.name
        if name == "credit":
            if work is not None:
                work.grant(envelope.credit or 0)
        elif name == "inquiry":
            if work is not None:
                work.resume(envelope.sequence or 0, envelope.credit or 0)
            else:
                self._report(envelope, message.payload.decode())
        elif name in ("cancel", "leave", "look"):
            self._judge(envelope, message.payload.decode(), work)
        elif name == "attach":
            self._decline(envelope)
        elif name == "waits":
            self._tell("waiting", envelope)

    def lost(self, instance: str) -> None:
        """A requester's process gives no sign of life: where it is gone nobody waits any more."""
        works = list(self._active.values())
        asked = [it for it in works if not it.left and it.envelope.sender.instance == instance]

        def gone(no_room: bool) -> None:
            for work in asked:
                if not work.left:
                    self._cancel(
                        work, ColloquyError("CANCELLED", "the requester's process is gone")
                    )

        if asked:
            self._tell("present", asked[0].envelope, on_unheard=gone)

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for work in list(self._active.values()):
            work.abandon()

    def _judge(self, envelope: Envelope, data: Any, work: RequestWork | None) -> None:
        id = envelope.correlation_id or ""
        outcome = work.outcome if work is not None else self._outcome_of(id, data)
        if envelope.name == "cancel" and work is None and outcome == "not-started":
            # It may still be on its way, and must not be started then.
            self._say(id, "cancelled")
        elif envelope.name == "cancel" and work is not None and outcome != "done":
            reason = ColloquyError("CANCELLED", f"cancelled by {envelope.sender.agent}")
            if _sent_ago(data) is None:
                # It was not the requester, who waits still.
                work._reply(work._frame("error", reason.to_data()))
                work.stop(reason)
            else:
                self._cancel(work, reason)
        elif envelope.name == "leave" and work is not None:
            work.leave()
        self._tell("verdict", envelope, {"ask": envelope.name, "outcome": outcome})

    def _cancel(self, work: RequestWork, reason: ColloquyError) -> None:
        said = "cancelled" if work.outcome == "not-started" else "cancelled-at-work"
        self._say(work.envelope.id, said)
        work.give_up(reason)

    def _outcome_of(self, id: str, data: Any) -> str:
        saying = self._saying(id)
        if saying == "cancelled":
            return "not-started"
        if saying == "cancelled-at-work":
            return "in-progress"
        if self._find(id) is not None:
            return "done"
        return "not-started" if self._is_sure(data) else "unknown"

    def _report(self, envelope: Envelope, data: Any) -> None:
        """The work is not here: it was answered, never came, or nobody knows."""
        id = envelope.correlation_id or ""
        kept = self._find(id)
        if kept is not None:
            topic = envelope.reply_to or self.site.inbox_of(envelope.sender.instance)
            received = envelope.sequence or 0
            for frame in [*(it for number, it in kept.chunks if number > received), kept.reply]:
                self.site.post(topic, frame)
            return
        saying = self._saying(id)
        if saying == "cancelled":
            self._tell("refused", envelope)
        elif saying in (None, "missing") and self._is_sure(data):
            self._say(id, "missing")
            self._tell("missing", envelope)
        else:
            self._tell("forgotten", envelope)

    def _decline(self, attach: Envelope) -> None:
        error = ColloquyError("UNSUPPORTED", "this process lets nobody attach")
        sender, to = self._agent_of(attach), (f"agent:{attach.sender.agent}",)
        reply = Envelope(
            attach.id, "error", "attach", sender, to, now_ms(), correlation_id=attach.id
        )
        topic = attach.reply_to or self.site.inbox_of(attach.sender.instance)
        self.site.post(topic, encode_message(reply, error.to_data()))

    def _is_sure(self, data: Any) -> bool:
        """True when a request of that age would be known here if it had come."""
        ago = _sent_ago(data)
        return ago is not None and ago < asyncio.get_running_loop().time() - self._forgotten_at

    def _saying(self, id: str) -> str | None:
        return self._said.get(id, (None, 0.0))[0]

    def _say(self, id: str, saying: str) -> None:
        now = asyncio.get_running_loop().time()
        self._said.pop(id, None)
        self._said[id] = (saying, now)
        while True:
            oldest = next(iter(self._said))
            at = self._said[oldest][1]
            if now - at < _KEPT_SECONDS and len(self._said) <= _SAYINGS_MAX:
                return
            del self._said[oldest]
            self._forgotten_at = max(self._forgotten_at, at)

    def _find(self, id: str) -> _Kept | None:
        self._forget_old()
        return self._kept.get(id)

    def _forget_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            oldest = next(iter(self._kept))
            kept = self._kept[oldest]
            if now - kept.at < _KEPT_SECONDS and self._kept_bytes <= _KEPT_BYTES_MAX:
                return
            del self._kept[oldest]
            self._kept_bytes -= kept.size
            self._forgotten_at = max(self._forgotten_at, kept.at)

    def _tell(
        self, name: str, about: Envelope, data: Any = None, on_unheard: OnUnheard | None = None
    ) -> None:
        self.site.control(
            name,
            sender=self._agent_of(about),
            to=about.sender.agent,
            topic=about.reply_to or self.site.inbox_of(about.sender.instance),
            about=(about.correlation_id if about.kind == "control" else about.id) or about.id,
            data=data,
            on_unheard=on_unheard,
        )

    def _agent_of(self, envelope: Envelope) -> Sender:
        address = envelope.to[0] if envelope.to else "agent:unknown"
        return Sender(address.partition(":")[2], "unknown", self.site.instance)

    def _acknowledge_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_ACKNOWLEDGE_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        self._sweep = None
        for work in list(self._active.values()):
            work.acknowledge()
        if self._active:
            self._acknowledge_later()


def _sent_ago(data: Any) -> float | None:
    """Seconds since the request was sent, where that is known."""
    ago = data.get("sentAgoMs") if isinstance(data, dict) else None
    return ago / 1_000 if isinstance(ago, (int, float)) and not isinstance(ago, bool) else None
