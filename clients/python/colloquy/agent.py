"""Agents of this process: what they ask of others, and what they handle."""

from __future__ import annotations

import asyncio
import heapq
import inspect
import time
from typing import Any, Awaitable, Callable

from .activity import Activity
from .causality import Mandate, Run
from .commands import CommandWork, Receipt
from .errors import ColloquyError, invalid
from .events import Events, Subscription
from .message import PRIORITIES, Envelope, Sender, check, decode_message, encode_message
from .presence import Card
from .queues import DEAD, GUARANTEES, Delivery, Receiver, encode_entry
from .requests import Call, Chunks, Requests, Stream
from .serving import Effect, Work
from .site import Site
from .wire import ENQUEUE, PUBLISH, Writer, encode_frame, now_ms, ulid

Handler = Callable[[Any, "Context"], Any]


class Context:
    """What a handler knows of the message that it handles, and what it does on its behalf.

    A handler is cancelled (`asyncio.CancelledError`) when its caller has given up, its deadline has
    passed, or its agent closes.
    """

    def __init__(self, agent: Agent, work: Work) -> None:
        self._agent = agent
        self._work = work
        self._run: Run | None = None
        self._effects: list[Effect] = []
        self._failures: list[ColloquyError] = []
        #: What a stream of chunks ends with: an async generator returns nothing.
        self.result: Any = None

    @property
    def message(self) -> Envelope:
        return self._work.envelope

    @property
    def attempt(self) -> int:
        """Of a command: counts from 1."""
        return self._work.attempt

    def remaining(self) -> float:
        """Seconds until the deadline; infinity without one."""
        deadline = self.message.deadline_ms
        return float("inf") if deadline is None else max(0.0, (deadline - now_ms()) / 1_000)

    def progress(self, data: Any = None) -> None:
        """Tells the caller that there is some; restarts its patience."""
        self._work.progress(data)

    async def request(self, to: str, name: str, data: Any = None, **options: Any) -> Any:
        """As `Agent.request`, on behalf of this message: within its deadline, hops and budget."""
        try:
            return await self._agent._request(self, to, name, data, **options)
        except ColloquyError as error:
            self._failures.append(error)
            raise

    def stream(self, to: str, name: str, data: Any = None, **options: Any) -> Stream:
        try:
            stream = self._agent._stream(self, to, name, data, **options)
        except ColloquyError as error:
            self._failures.append(error)
            raise
        stream._call.answer.add_done_callback(self._note)
        return stream

    def send(self, to: str, name: str, data: Any = None, **options: Any) -> None:
        """Staged: it is sent when the handler has returned; for a command together with its end, or not at all."""
        agent = self._agent
        envelope, entry, message = agent._command(self, to, name, data, **options)
        header = Writer().u53(0).u53(0).raw(entry).take()
        queues = agent._site.queues
        frame = encode_frame(ENQUEUE, header, message)
        self._effects.append(Effect(frame, lambda: queues.enqueue(entry, message)))

    def publish(self, topic: str, data: Any = None) -> None:
        """Staged, as `send`."""
        agent = self._agent
        message = agent._event(self, topic, data)
        frame = encode_frame(
            PUBLISH, Writer().u53(0).text8(agent._site.topic(topic)).take(), message
        )
        self._effects.append(Effect(frame, lambda: agent._events.publish(topic, message)))

    # What agent and run need.

    def _admit(self, name: str, to: str) -> Mandate:
        return self._running.admit(name, to)

    @property
    def _running(self) -> Run:
        if self._run is None:
            self._run = Run(self._agent.id, self.message)
        return self._run

    @property
    def _budget(self) -> int | None:
        return self.message.budget if self._run is None else self._run.budget

    def _note(self, answer: asyncio.Future[Any]) -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, ColloquyError):
            self._failures.append(error)

    def _passed_on(self, error: BaseException) -> BaseException:
        """The failure of a call of this handler, let through: the handler has started, whatever the call did."""
        if not isinstance(error, ColloquyError) or error not in self._failures:
            return error
        if isinstance(self._work, CommandWork):
            return error
        details = {**error.details, "through": error.details.get("through", self._agent.id)}
        return ColloquyError(error.code, error.message, retryable=False, details=details)


class Agent:
    """An identity with handlers. Made by `Network.agent`."""

    def __init__(
        self,
        site: Site,
        requests: Requests,
        events: Events,
        id: str,
        *,
        on_left: Callable[[Agent], Awaitable[None]],
        type: str,
        capabilities: tuple[str, ...],
        capacity: int,
        waiting_max: int,
    ) -> None:
        self._site = site
        self._requests = requests
        self._events = events
        self._on_left = on_left
        self.id = check("id", "agent", id, "INVALID_ADDRESS")
        self._self = Sender(id, check("id", "type", type, "INVALID_ADDRESS"), self._site.instance)
        for capability in capabilities:
            check("id", "capability", capability, "INVALID_ADDRESS")
        if capacity < 1:
            raise invalid("capacity", f"1 or more, found {capacity}", "INVALID_OPTION")
        self._capabilities = capabilities
        self._capacity = capacity
        self._waiting_max = waiting_max
        self._handlers: dict[str, Handler] = {}
        self._running: set[Work] = set()
        self._waiting: list[tuple[int, int, Work]] = []
        self._arrivals = 0
        self._idle = asyncio.Event()
        self._closing = False
        self._receivers: list[Receiver] = []
        self._opening: asyncio.Task[None] | None = None
        self._started_ms = now_ms()
        self._activity = Activity()

    # Asking.

    async def request(
        self,
        to: str,
        name: str,
        data: Any = None,
        *,
        timeout: float = 30.0,
        deadline: float | None = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> Any:
        """The answer of an agent: `agent:ID`, or one of `type:TYPE` or `skill:CAPABILITY`.

        `timeout` limits silence, `deadline` everything, in seconds from now. Cancelling the task that
        waits cancels the work. Raises ColloquyError: what the handler raised, NO_ELIGIBLE_AGENT,
        AGENT_UNREACHABLE, NO_HANDLER, TIMEOUT with `details["outcome"]`, and so on.
        """
        options = {"timeout": timeout, "deadline": deadline, "on_progress": on_progress}
        return await self._request(None, to, name, data, **options)

    def stream(
        self,
        to: str,
        name: str,
        data: Any = None,
        *,
        window: int = 100,
        timeout: float = 30.0,
        deadline: float | None = None,
    ) -> Stream:
        """As `request`, for an answer in chunks: the handler runs at most `window` of them ahead."""
        return self._stream(None, to, name, data, window=window, timeout=timeout, deadline=deadline)

    async def send(
        self,
        to: str,
        name: str,
        data: Any = None,
        *,
        guarantee: str = "at-least-once",
        id: str | None = None,
        priority: str = "normal",
        key: str | None = None,
        deliver_in: float | None = None,
        ttl: float | None = None,
        deadline: float | None = None,
    ) -> Receipt:
        """Hands over durable work to the mailbox `to`. Returns once it is stored.

        Times are seconds from now. `guarantee` is "at-most-once", "at-least-once" or "exactly-once", which goes by
        `id`. Raises NO_ELIGIBLE_AGENT where nobody has ever declared the mailbox, QUEUE_FULL.
        """
        options = {"guarantee": guarantee, "id": id, "priority": priority, "key": key}
        times = {"deliver_in": deliver_in, "ttl": ttl, "deadline": deadline}
        envelope, entry, message = self._command(None, to, name, data, **options, **times)
        position, duplicate = await self._site.queues.enqueue(entry, message)
        return Receipt(self._site, self._site.name(to), position, envelope.id, duplicate)

    async def publish(self, topic: str, data: Any = None) -> None:
        """Tells whoever listens now. Raises INVALID_ADDRESS."""
        await self._events.publish(topic, self._event(None, topic, data))

    async def subscribe(
        self, pattern: str, handler: Callable[[Any, Envelope], Any]
    ) -> Subscription:
        """Calls `handler(data, message)` for each event whose topic matches, one after the other."""
        return await self._events.subscribe(pattern, handler)

    # Being asked.

    def handle(self, name: str, handler: Handler | None = None) -> Any:
        """Answers requests and commands of that name by `handler(data, context)`; also a decorator.

        The handler is a function or a coroutine function, whose result is the answer, or an async generator, whose
        chunks are. A plain function must not block: there is one event loop.
        """
        if handler is None:
            return lambda it: self.handle(name, it) or it
        if name in self._handlers:
            details = {"agent": self.id, "name": name}
            raise ColloquyError("CONFLICT", f"{self.id} handles {name} already", details=details)
        self._handlers[check("name", "name", name, "INVALID_OPTION")] = handler
        if self._opening is None:
            self._opening = self._site.spawn(self._open_mailboxes(), f"mailboxes of {self.id}")
        return None

    async def ready(self) -> None:
        """Returns once its mailboxes are declared and worked. Raises CLOSED."""
        if self._opening is None:
            return
        try:
            await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            if not self._opening.cancelled():
                raise
            raise self._leaving from None

    async def close(self, drain: float = 10.0) -> None:
        """Stops taking work, and lets handlers end: so many seconds, then they are cancelled."""
        await self._leave(drain)
        await self._on_left(self)

    @property
    def _leaving(self) -> ColloquyError:
        return ColloquyError("CLOSED", f"{self.id} leaves")

    async def _leave(self, drain: float) -> None:
        self._closing = True
        if self._opening is not None:
            self._opening.cancel()
        waiting, self._waiting = self._waiting, []
        for _, _, work in waiting:
            if isinstance(work, CommandWork):
                work.give_back()
            else:
                self._fail(work, self._leaving)
        for receiver in self._receivers:
            self._site.queues.hold(receiver)
        try:
            async with asyncio.timeout(drain):
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            for work in list(self._running):
                if work.task is not None:
                    work.task.cancel()
        for receiver in self._receivers:
            self._site.queues.cancel(receiver)

    @property
    def card(self) -> Card:
        return {
            "id": self.id,
            "type": self._self.type,
            "capabilities": list(self._capabilities),
            "capacity": self._capacity,
            "weight": 1,
            "status": "draining" if self._closing else "active",
            "startedMs": self._started_ms,
        }

    @property
    def _load(self) -> int:
        return len(self._running) + len(self._waiting)

    async def _open_mailboxes(self) -> None:
        addresses = [f"agent:{self.id}", f"type:{self._self.type}"]
        addresses += [f"skill:{it}" for it in self._capabilities]
        names = [self._site.name(it) for it in addresses]
        await self._site.calls.call("queues.declare", {"queues": names})
        for name in names:
            callbacks = {"on_delivery": self._deliver, "on_end": self._ended}
            receiver = self._site.queues.receive(name, self._capacity, self.id, **callbacks)
            self._receivers.append(receiver)

    def _deliver(self, receiver: Receiver, delivery: Delivery) -> None:
        try:
            message = decode_message(delivery.message)
        except ColloquyError as error:
            settling = self._site.queues.settle(receiver, delivery, DEAD, error=error)
            self._site.spawn(settling, delivery.queue)
            return
        self._accept(CommandWork(self._site, receiver, delivery, message))

    def _ended(self, error: ColloquyError) -> None:
        self._site.on_error(error, f"mailboxes of {self.id}")

    def _accept(self, work: Work) -> None:
        name = work.envelope.name
        if self._closing and isinstance(work, CommandWork):
            work.give_back()  # It was on its way.
        elif self._closing:
            self._fail(work, self._leaving)
        elif name not in self._handlers:
            details = {"agent": self.id, "name": name}
            self._fail(
                work,
                ColloquyError("NO_HANDLER", f"{self.id} does not handle {name}", details=details),
            )
        elif len(self._running) < self._capacity:
            self._start(work)
        elif self._has_room or isinstance(work, CommandWork):
            self._arrivals += 1
            lane = PRIORITIES.index(work.envelope.priority)
            heapq.heappush(self._waiting, (lane, self._arrivals, work))
        else:
            details = {"agent": self.id, "waitingMax": self._waiting_max}
            message = f"{self._waiting_max} requests wait for {self.id} already"
            self._fail(work, ColloquyError("QUEUE_FULL", message, details=details))

    @property
    def _has_room(self) -> bool:
        if len(self._waiting) >= self._waiting_max:
            # Those given up meanwhile make room.
            self._waiting = [it for it in self._waiting if it[2].state == "waiting"]
            heapq.heapify(self._waiting)
        return len(self._waiting) < self._waiting_max

    def _start(self, work: Work) -> None:
        if work.start_by_ms < now_ms():
            details = {"name": work.envelope.name, "outcome": "not-started", "deadline": True}
            message = f"{work.envelope.name}: its time has passed"
            return self._fail(
                work, ColloquyError("TIMEOUT", message, retryable=False, details=details)
            )
        self._running.add(work)
        self._site.counters["started"] += 1
        began = time.monotonic()
        work.started()
        context = Context(self, work)
        work.task = asyncio.create_task(self._handle(work, context))

        def ended(task: asyncio.Task[bool]) -> None:
            if task.cancelled():
                # Where nobody has cancelled it, it has waited for something that was.
                own = asyncio.CancelledError("what the handler waited for was cancelled")
                self._fail(work, work.cancelled or (self._leaving if self._closing else own))
            elif (error := task.exception()) is not None:
                self._site.on_error(error, work.envelope.name)
            failed = task.cancelled() or task.exception() is not None or not task.result()
            self._activity.ended(began, failed)
            self._running.discard(work)
            self._idle.set()
            while self._waiting and len(self._running) < self._capacity:
                _, _, following = heapq.heappop(self._waiting)
                if following.state == "waiting":
                    self._start(following)

        work.task.add_done_callback(ended)

    async def _handle(self, work: Work, context: Context) -> bool:
        """Returns whether its end was the handler's own, and no failure."""
        try:
            result = self._handlers[work.envelope.name](work.input, context)
            if inspect.isasyncgen(result):
                await work.answer_with(result)
                result = context.result
            elif inspect.isawaitable(result):
                result = await result
            await work.succeed(result, context._effects, context._budget)
            return True
        except Exception as error:
            await work.fail(context._passed_on(error), context._budget)
            return False

    def _fail(self, work: Work, error: BaseException) -> None:
        self._site.spawn(work.fail(error), work.envelope.name)

    # What a request of its own and one of a handler have in common: `cause` is of the latter.

    async def _request(
        self, cause: Context | None, to: str, name: str, data: Any, **options: Any
    ) -> Any:
        call = self._call(cause, to, name, data, **options)
        try:
            return await asyncio.shield(call.answer)
        except asyncio.CancelledError:
            call.cancel()
            raise

    def _stream(
        self,
        cause: Context | None,
        to: str,
        name: str,
        data: Any,
        *,
        window: int = 100,
        **options: Any,
    ) -> Stream:
        if window < 1:
            raise invalid("window", f"1 or more, found {window}", "INVALID_OPTION")
        chunks = Chunks(window)
        return Stream(self._call(cause, to, name, data, chunks=chunks, **options), chunks)

    def _call(
        self,
        cause: Context | None,
        to: str,
        name: str,
        data: Any,
        *,
        timeout: float = 30.0,
        deadline: float | None = None,
        chunks: Chunks | None = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> Call:
        site = self._site
        site.connection.check()
        check("address", "to", to, "INVALID_ADDRESS")
        if to.startswith("all:"):
            raise invalid("to", "agent:, type: or skill:", "INVALID_ADDRESS")
        if timeout <= 0:
            raise invalid("timeout", f"more than 0, found {timeout}", "INVALID_OPTION")
        mandate = None if cause is None else cause._admit(name, to)
        passed_over = []
        if cause is not None:
            members = site.registry.members(to)
            passed_over = [it for it in members if cause._running.closes_loop(name, it.id)]
        target = site.registry.choose(to, passed_over)
        envelope = self._envelope(
            "request", name, (f"agent:{target.id}",), cause, mandate, deadline
        )
        envelope.timeout_ms = int(timeout * 1_000)
        envelope.reply_to = site.inbox
        if chunks is not None:
            envelope.credit = chunks.granted
        options = {"pool": to, "target": target, "timeout": timeout, "passed_over": passed_over}
        call = Call(
            self._requests, envelope, data, **options, chunks=chunks, on_progress=on_progress
        )
        if cause is not None and mandate is not None:
            share, running = mandate.budget, cause._running
            call.answer.add_done_callback(lambda _: running.give_back(call.unused, share))
        site.counters["requests" if chunks is None else "streams"] += 1
        self._requests.begin(call)
        return call

    def _command(
        self,
        cause: Context | None,
        to: str,
        name: str,
        data: Any,
        *,
        guarantee: str = "at-least-once",
        id: str | None = None,
        priority: str = "normal",
        key: str | None = None,
        deliver_in: float | None = None,
        ttl: float | None = None,
        deadline: float | None = None,
    ) -> tuple[Envelope, bytes, bytes]:
        check("address", "to", to, "INVALID_ADDRESS")
        if to.startswith("all:"):
            raise ColloquyError(
                "UNSUPPORTED", "one mailbox at a time: all: is not sent to from Python"
            )
        for field, value, values in (
            ("guarantee", guarantee, GUARANTEES),
            ("priority", priority, PRIORITIES),
        ):
            if value not in values:
                raise invalid(field, f"one of {values}, found {value!r}", "INVALID_OPTION")
        mandate = None if cause is None else cause._admit(name, to)
        envelope = self._envelope("command", name, (to,), cause, mandate, deadline)
        self._site.counters["commands"] += 1
        envelope.id = id or envelope.id
        envelope.priority = priority
        envelope.key = key
        envelope.ttl_ms = None if ttl is None else int(ttl * 1_000)
        expiries = [
            envelope.deadline_ms,
            None if ttl is None else envelope.created_ms + envelope.ttl_ms,
        ]
        entry = encode_entry(
            queue=self._site.name(to),
            lane=PRIORITIES.index(priority),
            guarantee=guarantee,
            id=envelope.id,
            key=None if key is None else f"{self.id}~{key}",
            not_before_ms=None if deliver_in is None else now_ms() + int(deliver_in * 1_000),
            expires_at_ms=min((it for it in expiries if it is not None), default=None),
        )
        return envelope, entry, encode_message(envelope, data)

    def _event(self, cause: Context | None, topic: str, data: Any) -> bytes:
        check("topic", "topic", topic, "INVALID_ADDRESS")
        mandate = None if cause is None else cause._admit(topic, topic)
        return encode_message(self._envelope("event", topic, (), cause, mandate, None), data)

    def _envelope(
        self,
        kind: str,
        name: str,
        to: tuple[str, ...],
        cause: Context | None,
        mandate: Mandate | None,
        deadline: float | None,
    ) -> Envelope:
        envelope = Envelope(ulid(), kind, name, self._self, to, now_ms())
        if deadline is not None:
            envelope.deadline_ms = envelope.created_ms + int(deadline * 1_000)
        if cause is None or mandate is None:
            return envelope
        envelope.hops, envelope.budget, envelope.path = mandate
        about = cause.message
        envelope.causation_id = about.id
        envelope.conversation_id = about.conversation_id or about.id
        envelope.workflow_id, envelope.trace = about.workflow_id, about.trace
        limits = [it for it in (envelope.deadline_ms, about.deadline_ms) if it is not None]
        envelope.deadline_ms = min(limits, default=None) if kind != "event" else None
        return envelope
