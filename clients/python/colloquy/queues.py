"""Durable work through the hub: sending, receiving, settling, following. See docs/protocol.md, "Durable: queues"."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, NamedTuple

from . import wire
from .connection import Connection
from .errors import ColloquyError, error_from, invalid
from .payload import unpack
from .wire import Frame, Reader, Writer

#: Messages that may wait for the hub's answer; above it `enqueue` waits.
UNANSWERED_MAX = 4_096
#: Early notices that are kept for deliveries that have not come.
_EARLY_MAX = 1_000
#: What a run of answers may make a client walk through.
_RUN_MAX = 1_000_000

GUARANTEES = ("at-most-once", "at-least-once", "exactly-once")
DONE, DONE_WITH_RESULT, FAILED, RETRY, DEAD, RELEASE, EXPIRED, RESCINDED, CANCELLED = range(9)
_STATES = (
    "unknown",
    "queued",
    "offered",
    "started",
    "waiting-input",
    "done",
    "done",
    "failed",
    "dead",
    "expired",
    "cancelled",
    "rescinded",
)


class Outcome(NamedTuple):
    """What became of a command."""

    #: "done", "failed", "dead", "expired", "cancelled", "rescinded" or "unknown";
    #: before the end "queued", "offered", "started" or "waiting-input".
    state: str
    #: Of "done": what the handler returned.
    result: Any = None
    #: Why it is not done.
    error: ColloquyError | None = None


class Delivery(NamedTuple):
    queue: str
    position: int
    fence: int
    failures: int
    pickups: int
    crashes: int
    message: bytes


class Receiver:
    """Deliveries from one queue, until it is cancelled."""

    def __init__(
        self,
        number: int,
        queue: str,
        credit: int,
        consumer: str,
        on_delivery: Callable[[Receiver, Delivery], None],
        on_end: Callable[[ColloquyError], None],
    ) -> None:
        self.number = number
        self.queue = queue
        self.credit = credit
        self.consumer = consumer
        self.on_delivery = on_delivery
        self.on_end = on_end
        #: Positions by fence of what is in hand, claimed when a session begins.
        self.held: dict[int, int] = {}
        #: By fence: takes the kind of a notice, and its error. Notices may come before their delivery.
        self.hears: dict[int, Callable[[int, Any], None]] = {}
        self.early: dict[int, list[tuple[int, Any]]] = {}


class Queues:
    """What was sent and not answered stays here, and is repeated under its number."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._receivers: dict[int, Receiver] = {}
        self._receiver_numbers = 0
        self._entries: dict[int, tuple[bytes, bytes, asyncio.Future[Any]]] = {}
        self._sequences = 0
        self._room = asyncio.Event()
        self._settlements: dict[int, tuple[bytes, bytes, asyncio.Future[Any]]] = {}
        self._settlement_numbers = 0
        self._tracks: dict[int, tuple[bytes, asyncio.Future[Outcome]]] = {}
        self._track_numbers = 0
        handlers = {
            wire.ENQUEUED: self._enqueued,
            wire.DELIVER: self._deliver,
            wire.NOTICE: self._notice,
            wire.ENDED: self._ended,
            wire.SETTLED: self._settled,
            wire.TRACKED: self._tracked,
            wire.FINAL: self._final,
        }
        connection.add(self, handlers)

    async def enqueue(self, entry: bytes, message: bytes) -> tuple[int, bool]:
        """Returns position, and whether it had been stored before, once it is safe. Raises why not."""
        while len(self._entries) >= UNANSWERED_MAX:
            self._room.clear()
            await self._room.wait()
        self._connection.check()
        self._sequences += 1
        answer = _future()
        self._entries[self._sequences] = (entry, message, answer)
        self._send_entry(self._sequences, entry, message)
        return await asyncio.shield(answer)

    def receive(self, queue: str, credit: int, consumer: str, **callbacks: Any) -> Receiver:
        self._receiver_numbers += 1
        receiver = Receiver(self._receiver_numbers, queue, credit, consumer, **callbacks)
        self._receivers[receiver.number] = receiver
        self._announce(receiver)
        return receiver

    def hold(self, receiver: Receiver) -> None:
        """Takes nothing new: what is in hand is claimed by a receiver that has no room for more."""
        number, receiver.credit = receiver.number, 1
        if self._receivers.pop(number, None) is None:
            return
        if receiver.held:
            self._receiver_numbers += 1
            receiver.number = self._receiver_numbers
            self._receivers[receiver.number] = receiver
            self._announce(receiver)
        self._connection.send(wire.CANCEL, Writer().u53(number))

    def cancel(self, receiver: Receiver) -> None:
        """No more of it; what is not settled goes back."""
        if self._receivers.pop(receiver.number, None) is not None:
            self._connection.send(wire.CANCEL, Writer().u53(receiver.number))

    async def settle(
        self,
        receiver: Receiver,
        delivery: Delivery,
        outcome: int,
        *,
        error: ColloquyError | None = None,
        delay_ms: int = 0,
        result: bytes = b"",
        effects: list[bytes] | None = None,
    ) -> None:
        """Also returns when it is stale: final by this or a later attempt. Raises what it was refused
        with: then it is still in hand."""
        self._connection.check()
        header = (
            Writer().u53(delivery.position).u53(delivery.fence).u8(outcome).text16(delivery.queue)
        )
        if outcome == RETRY:
            header.u53(delay_ms)
        if error is not None:
            header.error(error)
        payload = b"".join((result, *(effects or ())))
        answer = _future()
        self._settlement_numbers += 1
        number, rest = self._settlement_numbers, header.u32(len(result)).take()
        self._send_settlement(number, rest, payload)
        self._settlements[number] = (rest, payload, answer)
        await asyncio.shield(answer)
        receiver.held.pop(delivery.fence, None)
        receiver.hears.pop(delivery.fence, None)

    async def track(self, queue: str, position: int, *, wait: bool) -> Outcome:
        """The state now; with `wait`, once it is final."""
        self._connection.check()
        self._track_numbers += 1
        number, answer = self._track_numbers, _future()
        question = Writer().u53(number).u53(position).u8(int(wait)).text16(queue).take()
        self._tracks[number] = (question, answer)
        self._connection.send(wire.TRACK, Writer().raw(question))
        try:
            return await answer
        finally:
            if self._tracks.pop(number, None) is not None:
                self._connection.send(wire.UNTRACK, Writer().u53(number))

    def begun(self) -> None:
        for receiver in self._receivers.values():
            self._announce(receiver)

    def resumed(self) -> None:
        for number, (rest, payload, _) in self._settlements.items():
            self._send_settlement(number, rest, payload)
        for sequence, (entry, message, _) in self._entries.items():
            self._send_entry(sequence, entry, message)
        for question, _ in self._tracks.values():
            self._connection.send(wire.TRACK, Writer().raw(question))

    def lost(self) -> None:
        for receiver in self._receivers.values():
            receiver.early.clear()

    def closed(self, error: ColloquyError) -> None:
        unknown = ColloquyError(
            "INDETERMINATE", "the connection was closed before the hub answered"
        )
        for _, _, answer in self._entries.values():
            _fail(answer, unknown)
        for _, _, answer in self._settlements.values():
            _fail(answer, error)
        for _, answer in self._tracks.values():
            _fail(answer, error)
        self._entries.clear()
        self._settlements.clear()
        self._tracks.clear()
        self._receivers.clear()
        self._room.set()

    def _send_entry(self, sequence: int, entry: bytes, message: bytes) -> None:
        # Sequences are added in order: the first that is there is the lowest.
        header = Writer().u53(sequence).u53(next(iter(self._entries))).raw(entry)
        self._connection.send(wire.ENQUEUE, header, message)

    def _send_settlement(self, number: int, rest: bytes, payload: bytes) -> None:
        self._connection.send(wire.SETTLE, Writer().u53(number).raw(rest), payload)

    def _announce(self, receiver: Receiver) -> None:
        header = Writer().u53(receiver.number).u32(receiver.credit).text16(receiver.queue)
        claims = Writer()
        for fence, position in receiver.held.items():
            claims.u53(position).u53(fence)
        self._connection.send(wire.RECEIVE, header.text16(receiver.consumer).u8(1), claims.take())

    def _enqueued(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        for _ in range(reader.u32()):
            kind, count, sequence = reader.u8(), reader.u32(), reader.u53()
            position, error = (reader.u53(), None) if kind < 2 else (0, reader.error())
            for n in range(_bounded(count)):
                _, _, answer = self._entries.pop(sequence + n, (b"", b"", None))
                if answer is not None and error is not None:
                    _fail(answer, error_from(error))
                elif answer is not None and not answer.done():
                    answer.set_result((position + n, kind == 1))
        self._room.set()

    def _deliver(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        receiver = self._receivers.get(reader.u53())
        if receiver is None:
            return  # It was on its way when the receiver stopped, and goes back by itself.
        position, fence = reader.u53(), reader.u53()
        attempts = (reader.u16(), reader.u16(), reader.u16())
        receiver.held[fence] = position
        delivery = Delivery(receiver.queue, position, fence, *attempts, frame.payload)
        receiver.on_delivery(receiver, delivery)
        for notice in receiver.early.pop(fence, ()):
            self._hear(receiver, fence, *notice)

    def _notice(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        receiver = self._receivers.get(reader.u53())
        _, fence, kind = reader.u53(), reader.u53(), reader.u8()
        if receiver is None:
            return
        error = reader.error() if kind == 0 else None
        if fence in receiver.held:
            self._hear(receiver, fence, kind, error)
        else:
            receiver.early.setdefault(fence, []).append((kind, error))
            if len(receiver.early) > _EARLY_MAX:
                del receiver.early[next(iter(receiver.early))]

    def _hear(self, receiver: Receiver, fence: int, kind: int, error: Any) -> None:
        hears = receiver.hears.get(fence)
        if hears is not None:
            hears(kind, error)

    def _ended(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        receiver = self._receivers.pop(reader.u53(), None)
        if receiver is not None:
            receiver.on_end(error_from(reader.error()))

    def _settled(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        for _ in range(reader.u32()):
            kind, count, number = reader.u8(), reader.u32(), reader.u53()
            error = reader.error() if kind >= 2 else None
            for n in range(_bounded(count)):
                _, _, answer = self._settlements.pop(number + n, (b"", b"", None))
                if answer is not None and error is not None:
                    _fail(answer, error_from(error))
                elif answer is not None and not answer.done():
                    answer.set_result(None)

    def _tracked(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        number, code = reader.u53(), reader.u8()
        _, answer = self._tracks.pop(number, (b"", None))
        if answer is None or answer.done():
            return
        if code >= len(_STATES):
            _fail(answer, error_from(reader.error()))
        elif code == 6:
            answer.set_result(Outcome("done", unpack(frame.payload)))
        else:
            error = error_from(reader.error()) if code > 6 else None
            answer.set_result(Outcome(_STATES[code], None, error))

    def _final(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        for _ in range(reader.u32()):
            number, count = reader.u53(), reader.u32()
            for n in range(_bounded(count)):
                _, answer = self._tracks.pop(number + n, (b"", None))
                if answer is not None and not answer.done():
                    answer.set_result(Outcome("done"))


def encode_entry(
    *,
    queue: str,
    lane: int,
    guarantee: str,
    id: str,
    key: str | None,
    not_before_ms: int | None,
    expires_at_ms: int | None,
) -> bytes:
    """What follows sequence and repeatsFrom in the header of ENQUEUE."""
    code = GUARANTEES.index(guarantee)
    options = code
    for bit, option in ((4, key), (8, not_before_ms), (16, expires_at_ms)):
        options |= bit if option is not None else 0
    writer = Writer().u8(options).u8(lane).text16(queue)
    if code == 2:
        writer.text16(id)
    if key is not None:
        writer.text16(key)
    for time in (not_before_ms, expires_at_ms):
        if time is not None:
            writer.u53(time)
    return writer.take()


def _bounded(count: int) -> int:
    if count > _RUN_MAX:
        raise invalid("count", f"up to {_RUN_MAX}")
    return count


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def _fail(future: asyncio.Future[Any], error: ColloquyError) -> None:
    if not future.done():
        future.set_exception(error)
        # Whoever gave up does not look.
        future.exception()
