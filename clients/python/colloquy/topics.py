"""Live fan-out through the hub. See docs/protocol.md, "Live: topics"."""

from __future__ import annotations

import asyncio
from typing import Callable

from . import wire
from .connection import Connection
from .errors import ColloquyError, error_from
from .wire import Frame, Reader, Writer

#: Told topic and message.
Receive = Callable[[str, bytes], None]
#: Told whether somebody was subscribed, and too slow for it.
OnUnheard = Callable[[bool], None]

#: Publications that want to know whether they were heard, before the hub is asked how far it is.
_QUESTIONS_MAX = 128


class _Subscription:
    def __init__(
        self,
        number: int,
        pattern: str,
        receive: Receive,
        on_dropped: Callable[[int], None],
        on_ended: Callable[[ColloquyError], None],
    ) -> None:
        self.number = number
        self.pattern = pattern
        self.receive = receive
        self.on_dropped = on_dropped
        self.on_ended = on_ended
        self.in_force: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def reject(self, error: ColloquyError) -> None:
        if self.in_force.done():
            if error.code != "CLOSED":
                self.on_ended(error)
        else:
            self.in_force.set_exception(error)
            self.in_force.exception()


class Topics:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._subscriptions: dict[int, _Subscription] = {}
        self._numbers = 0
        self._questions: dict[int, OnUnheard] = {}
        self._published = 0
        handlers = {
            wire.PUBLISH: self._deliver,
            wire.SUBSCRIBED: self._subscribed,
            wire.UNHEARD: self._unheard,
            wire.PONG: self._heard,
            wire.DROPPED: self._dropped,
            # QUIET is not heeded: what nobody hears is published all the same.
            wire.LOUD: self._heed,
        }
        connection.add(self, handlers)

    def publish(
        self,
        topic: str,
        message: bytes,
        *,
        control: bool = False,
        on_unheard: OnUnheard | None = None,
    ) -> None:
        """Without a session it is lost. `on_unheard` is called when nobody got it."""
        connection = self._connection
        connection.check()
        if not connection.ready:
            return
        number = 0
        if on_unheard is not None:
            self._published = number = self._published + 1
            self._questions[number] = on_unheard
        connection.send(wire.PUBLISH, Writer().u53(number).text8(topic), message, control=control)
        if number % _QUESTIONS_MAX == 1:
            # What is not called unheard by the PONG to this was heard.
            connection.send(wire.PING, Writer().u53(number))

    async def subscribe(
        self,
        pattern: str,
        receive: Receive,
        on_dropped: Callable[[int], None] = lambda count: None,
        on_ended: Callable[[ColloquyError], None] = lambda error: None,
    ) -> Callable[[], None]:
        """Returns, once the subscription is in force, what ends it. Raises FORBIDDEN, QUEUE_FULL, CLOSED.

        `on_dropped` is told what the hub dropped because this process was too slow, `on_ended` why a
        hub that was found again lets it subscribe no more.
        """
        self._connection.check()
        self._numbers += 1
        subscription = _Subscription(self._numbers, pattern, receive, on_dropped, on_ended)
        self._subscriptions[subscription.number] = subscription
        self._announce(subscription)

        def leave() -> None:
            if self._subscriptions.pop(subscription.number, None) is not None:
                self._connection.send(wire.UNSUBSCRIBE, Writer().u53(subscription.number))

        try:
            await subscription.in_force
        except BaseException:
            leave()
            raise
        return leave

    def begun(self) -> None:
        for subscription in self._subscriptions.values():
            self._announce(subscription)

    def resumed(self) -> None:
        pass

    def lost(self) -> None:
        self._questions.clear()

    def closed(self, error: ColloquyError) -> None:
        for subscription in self._subscriptions.values():
            subscription.reject(error)
        self._subscriptions.clear()
        self._questions.clear()

    def _announce(self, subscription: _Subscription) -> None:
        header = Writer().u53(subscription.number).text8(subscription.pattern)
        self._connection.send(wire.SUBSCRIBE, header)

    def _deliver(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        subscription = self._subscriptions.get(reader.u53())
        if subscription is not None:
            subscription.receive(reader.text8(), frame.payload)

    def _subscribed(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        subscription = self._subscriptions.get(reader.u53())
        if subscription is None:
            return
        if reader.left:
            del self._subscriptions[subscription.number]
            subscription.reject(error_from(reader.error()))
        elif not subscription.in_force.done():
            subscription.in_force.set_result(None)

    def _unheard(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        on_unheard = self._questions.pop(reader.u53(), None)
        if on_unheard is not None:
            on_unheard(reader.left > 0 and reader.u8() == 1)

    def _heard(self, frame: Frame) -> None:
        number = Reader(frame.header).u53()
        for question in [it for it in self._questions if it <= number]:
            del self._questions[question]

    def _dropped(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        count, number = reader.u53(), reader.u53()
        subscription = self._subscriptions.get(number)
        if subscription is not None:
            subscription.on_dropped(count)

    def _heed(self, frame: Frame) -> None:
        self._connection.send(wire.HEEDED, Writer().u53(Reader(frame.header).u53()), control=True)
