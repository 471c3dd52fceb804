"""Everything that has no frame of its own: a method, parameters, an answer. See docs/protocol.md, "Calls"."""

from __future__ import annotations

import asyncio
from typing import Any, Callable

from . import wire
from .connection import Connection
from .errors import ColloquyError, error_from
from .payload import Payload, encode_payload
from .wire import FRAME_BYTES_MAX, Frame, Reader, Writer


class _Call:
    def __init__(
        self, method: str, parameters: dict[str, Any], on_note: Callable[[Any], None] | None
    ) -> None:
        self.method = method
        self.payload = encode_payload(parameters, FRAME_BYTES_MAX)
        #: Of a call that stays open.
        self.on_note = on_note
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def fail(self, error: ColloquyError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()


class Calls:
    """All the calls that this client makes may be made again when a link breaks before the answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: dict[int, _Call] = {}
        self._numbers = 0
        connection.add(self, {wire.REPLY: self._reply, wire.NOTE: self._note})

    async def call(self, method: str, parameters: dict[str, Any]) -> Any:
        number, call = self._begin(method, parameters, None)
        try:
            return await call.answer
        finally:
            self._hang_up(number)

    async def follow(
        self, method: str, parameters: dict[str, Any], on_note: Callable[[Any], None]
    ) -> Callable[[], None]:
        """Stays open, and begins anew in each session: notes come until what is returned is called."""
        number, call = self._begin(method, parameters, on_note)
        try:
            await call.answer
        except BaseException:
            self._hang_up(number)
            raise
        return lambda: self._hang_up(number)

    def begun(self) -> None:
        pass

    def resumed(self) -> None:
        for number, call in self._open.items():
            self._send(number, call)

    def lost(self) -> None:
        pass

    def closed(self, error: ColloquyError) -> None:
        for call in self._open.values():
            call.fail(error)
        self._open.clear()

    def _begin(
        self, method: str, parameters: dict[str, Any], on_note: Callable[[Any], None] | None
    ) -> tuple[int, _Call]:
        self._connection.check()
        self._numbers += 1
        call = self._open[self._numbers] = _Call(method, parameters, on_note)
        self._send(self._numbers, call)
        return self._numbers, call

    def _send(self, number: int, call: _Call) -> None:
        header = Writer().u53(number).text8(call.method).u8(call.payload.codec)
        self._connection.send(wire.CALL, header, call.payload.data)

    def _hang_up(self, number: int) -> None:
        if self._open.pop(number, None) is not None:
            self._connection.send(wire.HANGUP, Writer().u53(number))

    def _reply(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        number, failed = reader.u53(), reader.u8() != 0
        value = Payload(reader.u8(), frame.payload).decode(FRAME_BYTES_MAX)
        call = self._open.get(number)
        if call is None:
            return
        if failed or call.on_note is None:
            del self._open[number]
        if failed:
            call.fail(error_from(value))
        elif not call.answer.done():
            call.answer.set_result(value)

    def _note(self, frame: Frame) -> None:
        reader = Reader(frame.header)
        call = self._open.get(reader.u53())
        if call is not None and call.on_note is not None:
            call.on_note(Payload(reader.u8(), frame.payload).decode(FRAME_BYTES_MAX))
