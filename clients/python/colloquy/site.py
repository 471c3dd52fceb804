"""What the parts of one process share: its names, and how messages leave it."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Coroutine

from .calls import Calls
from .connection import Connection
from .errors import ColloquyError
from .message import Envelope, Sender, encode_message
from .presence import Registry
from .queues import Queues
from .topics import OnUnheard, Topics
from .wire import now_ms, ulid


class Site:
    def __init__(
        self, connection: Connection, space: str, on_error: Callable[[BaseException, str], None]
    ) -> None:
        self.connection = connection
        self.topics = Topics(connection)
        self.queues = Queues(connection)
        self.calls = Calls(connection)
        self.registry = Registry()
        self.on_error = on_error
        #: What this process has done, for whoever surveys it.
        self.counters = dict.fromkeys(("requests", "streams", "commands", "published", "started"), 0)
        self._dot = "" if space == "default" else f"{space}."
        self._tilde = "" if space == "default" else f"{space}~"
        self.instance = ulid()
        self.inbox = self.inbox_of(self.instance)
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Takes what this process sends to itself, which the hub never brings back.
        self.loopback: Callable[[bytes], None] = lambda message: None

    def topic(self, topic: str) -> str:
        return self._dot + topic

    def topic_of(self, wire_topic: str) -> str:
        return wire_topic[len(self._dot) :]

    def inbox_of(self, instance: str) -> str:
        return self.topic(f"_inbox.{instance}")

    def name(self, name: str) -> str:
        """Of a queue or a key of the store."""
        return self._tilde + name

    def spawn(self, work: Coroutine[Any, Any, Any], where: str) -> asyncio.Task[Any]:
        """Runs what nobody waits for; what it raises goes to `on_error`."""

        def ended(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None and getattr(error, "code", "") != "CLOSED":
                self.on_error(error, where)

        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)
        return task

    def post(
        self,
        topic: str,
        message: bytes,
        *,
        control: bool = False,
        on_unheard: OnUnheard | None = None,
    ) -> None:
        """Publishes to an inbox, which may be this process's own. After the end it goes nowhere."""
        if topic == self.inbox:
            asyncio.get_running_loop().call_soon(self.loopback, message)
        elif self.connection.failure is None:
            self.topics.publish(topic, message, control=control, on_unheard=on_unheard)

    def control(
        self,
        name: str,
        *,
        sender: Sender,
        to: str,
        topic: str,
        about: str,
        data: Any = None,
        sequence: int | None = None,
        credit: int | None = None,
        on_unheard: OnUnheard | None = None,
    ) -> None:
        """What the two ends of a request tell each other beside it and its answer."""
        envelope = Envelope(
            id=ulid(),
            kind="control",
            name=name,
            sender=sender,
            to=(f"agent:{to}",),
            created_ms=now_ms(),
            priority="critical",
            reply_to=self.inbox,
            correlation_id=about,
            sequence=sequence,
            credit=credit,
        )
        try:
            message = encode_message(envelope, data)
        except ColloquyError as error:
            self.on_error(error, f"control {name}")
            return
        self.post(topic, message, control=True, on_unheard=on_unheard)
