"""Events: what this process tells whoever listens, and what it hears."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any, Callable

from .message import Envelope, check, decode_message
from .site import Site

#: Events that wait for the handler of a subscription; what comes beyond is dropped, and counted.
_EVENTS_MAX = 1_024


class Events:
    """Those of this process reach its own subscriptions here: the hub never brings them back."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._subscriptions: set[Subscription] = set()

    async def publish(self, topic: str, message: bytes) -> None:
        site = self._site
        site.topics.publish(site.topic(topic), message)
        site.counters["published"] += 1
        for subscription in self._subscriptions:
            if subscription.matches(topic):
                subscription.push(message)
        await site.connection.drain()

    async def subscribe(
        self, pattern: str, handler: Callable[[Any, Envelope], Any]
    ) -> Subscription:
        check("pattern", "pattern", pattern, "INVALID_ADDRESS")
        subscription = Subscription(self._site, pattern, handler, self._subscriptions.discard)
        await subscription._open()
        self._subscriptions.add(subscription)
        return subscription

    async def close(self) -> None:
        for subscription in list(self._subscriptions):
            await subscription.cancel()


class Subscription:
    """Events to a handler, one after the other. Made by `Agent.subscribe`."""

    def __init__(
        self,
        site: Site,
        pattern: str,
        handler: Callable[[Any, Envelope], Any],
        on_end: Callable[[Subscription], None],
    ) -> None:
        self._site = site
        self.pattern = pattern
        self._handler = handler
        self._on_end = on_end
        tokens = {"*": r"(?!_)[^.]+", ">": r"(?!_)[^.]+(\.(?!_)[^.]+)*"}
        parts = (tokens.get(it, re.escape(it)) for it in pattern.split("."))
        self._regex = re.compile(r"\.".join(parts))
        self._events: asyncio.Queue[bytes] = asyncio.Queue(_EVENTS_MAX)
        #: Events that were dropped, here or by the hub, because they came faster than they were handled.
        self.dropped = 0
        self._ended = False
        self._task: asyncio.Task[Any] | None = None
        self._leave: Callable[[], None] = lambda: None

    def matches(self, topic: str) -> bool:
        return self._regex.fullmatch(topic) is not None

    def push(self, message: bytes) -> None:
        try:
            self._events.put_nowait(message)
        except asyncio.QueueFull:
            self._drop(1)

    def _drop(self, count: int) -> None:
        self.dropped += count

    async def cancel(self) -> None:
        """No more of them; its handler may call it, too, and goes on. Safe to repeat."""
        self._ended = True
        self._on_end(self)
        self._leave()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _open(self) -> None:
        site = self._site
        self._leave = await site.topics.subscribe(
            site.topic(self.pattern),
            lambda _, message: self.push(message),
            self._drop,
            lambda error: site.on_error(error, f"subscription {self.pattern}"),
        )
        self._task = site.spawn(self._run(), f"subscription {self.pattern}")

    async def _run(self) -> None:
        while not self._ended:
            data = await self._events.get()
            try:
                envelope, payload = decode_message(data)
                result = self._handler(payload.decode(), envelope)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:
                self._site.on_error(error, f"subscription {self.pattern}")
