"""A client's session with its hub, over as many links as it takes. See docs/protocol.md, "A session".

    connecting -- link, HELLO, WELCOME --> ready -- the link ends --> connecting
        |                                    +------- close() ------> closed
        +-- a refusal that is final --> closed

Parts (topics, queues, calls) hold what must survive a link. When a session has begun each writes again
what the hub must know. Everything runs in one event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
from collections import deque
from typing import Any, Callable, Protocol
from urllib.parse import urlsplit

from . import wire
from .errors import ColloquyError, error_from, invalid
from .wire import CONTROL, Frame, FrameParser, Reader, Writer, encode_frame, process_host, ulid

PROTOCOL = 1
TCP_PORT = 4_481
_OPEN_SECONDS = 10.0
_PINGS_PER_SILENCE = 6
_READ_BYTES = 2**16
#: Bytes in the link before what follows waits in lanes, where what is urgent passes the rest.
_LINK_BYTES_MAX = 2**16
#: Bytes in the lanes before `drain` waits.
_LANES_BYTES_MAX = 2**22
#: After these the client comes again: bytes may have been damaged on their way. But not for ever.
_DAMAGES = ("INVALID_MESSAGE", "INVALID_VERSION", "MESSAGE_TOO_LARGE")
_DAMAGES_MAX = 5


class Part(Protocol):
    """What lives longer than a link."""

    def begun(self) -> None:
        """A session has begun: sends what comes before RESUMED."""

    def resumed(self) -> None:
        """RESUMED was sent: sends what comes behind it, and what was not answered."""

    def lost(self) -> None:
        """The link is gone."""

    def closed(self, error: ColloquyError) -> None:
        """Never again: everything that waits fails with `error`."""


class Connection:
    def __init__(
        self,
        url: str,
        *,
        name: str,
        token: str | None,
        tls: ssl.SSLContext | None,
        on_status: Callable[[str, ColloquyError | None], None],
    ) -> None:
        self._open_link = link_to(url, tls)
        self._local = url.startswith("unix:")
        self._hello: dict[str, Any] = {
            "protocol": PROTOCOL,
            "incarnation": ulid(),
            "name": name[:255],
            "process": os.getpid(),
            "host": process_host()[:255],
        }
        if token is not None:
            self._hello["credential"] = token
        self._on_status = on_status
        self._parts: list[Part] = []
        self._handlers: dict[int, list[Callable[[Frame], None]]] = {wire.PING: [self._pong]}
        self._output: _Output | None = None
        self._task: asyncio.Task[None] | None = None
        self._damages = 0
        self._heard = False
        self._silence = 30.0
        #: Why there will be no session any more.
        self.failure: ColloquyError | None = None

    def add(self, part: Part, handlers: dict[int, Callable[[Frame], None]]) -> None:
        """Parts begin in the order in which they were added."""
        self._parts.append(part)
        for type, handler in handlers.items():
            self._handlers.setdefault(type, []).append(handler)

    @property
    def ready(self) -> bool:
        return self._output is not None

    def check(self) -> None:
        """Raises why there will be no session any more."""
        if self.failure is not None:
            raise self.failure

    def send(
        self, type: int, header: Writer, payload: bytes = b"", *, control: bool = False
    ) -> None:
        """Without a session it is dropped: the next one's parts begin with what matters."""
        frame = encode_frame(type, header.take(), payload, CONTROL if control else 0)
        if self._output is not None:
            self._output.send(frame, control)

    async def drain(self) -> None:
        """Waits while much waits to be sent."""
        if self._output is not None:
            await self._output.drain()

    async def open(self) -> None:
        """Begins the first session. Raises what keeps it from beginning."""
        try:
            self._task = asyncio.create_task(self._run(await self._begin()))
        except BaseException as error:
            self._end(error if isinstance(error, ColloquyError) else _closed())
            raise

    async def close(self) -> None:
        """Ends the session in order. Safe to repeat."""
        output, task = self._output, self._task
        self._end(_closed())
        if output is not None:
            output.send(_json_frame(wire.GOODBYE, {}), False)
            await output.close()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, session: _Session) -> None:
        """One session after the other."""
        loop = asyncio.get_running_loop()
        failures = 0
        while self.failure is None:
            begun = loop.time()
            cause = await self._read(session)
            self._lose(cause)
            if loop.time() - begun >= self._wait_max:
                failures = self._damages = 0
            # A hub that said goodbye in order may have a successor at once.
            failures = 0 if cause is None else failures + 1
            while self.failure is None:
                await asyncio.sleep(self._backoff(failures))
                try:
                    session = await self._begin()
                    break
                except ColloquyError as error:
                    failures += 1
                    if self._is_final(error):
                        self._end(error)

    @property
    def _wait_max(self) -> float:
        return 1.0 if self._local else 2.0

    def _backoff(self, failures: int) -> float:
        least = 0.01 if self._local else 0.1
        ceiling = min(self._wait_max, least * 2 ** min(failures - 1, 20))
        return random.random() * ceiling if failures > 0 else 0.0

    async def _begin(self) -> _Session:
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                reader, writer = await self._open_link()
                try:
                    session = _Session(reader, writer)
                    await self._greet(session)
                except BaseException:
                    writer.transport.abort()
                    raise
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            message = f"no hub answers: {str(error) or 'it took too long'}"
            raise ColloquyError("AGENT_UNREACHABLE", message) from error
        self._output = _Output(writer)
        for part in self._parts:
            part.begun()
        self.send(wire.RESUMED, Writer())
        for part in self._parts:
            part.resumed()
        self._on_status("ready", None)
        return session

    async def _greet(self, session: _Session) -> None:
        session.writer.write(_json_frame(wire.HELLO, self._hello))
        frame = await session.next_frame()
        if frame is None:
            raise OSError("the link ended")
        fields = _json_of(frame)
        if frame.type == wire.GOODBYE and "reason" in fields:
            raise error_from(fields["reason"])
        if frame.type != wire.WELCOME:
            raise OSError("the hub said goodbye")
        if fields.get("protocol") != PROTOCOL:
            raise invalid("welcome.protocol", str(PROTOCOL), "INVALID_VERSION")
        silence = fields.get("silenceMsMax")
        self._silence = (
            silence / 1_000 if isinstance(silence, (int, float)) and silence > 0 else 30.0
        )

    async def _read(self, session: _Session) -> ColloquyError | None:
        """Reads until the session ends. Returns why; None when the hub said goodbye in order."""
        pings = asyncio.create_task(self._ping(session))
        try:
            while (frame := await session.next_frame()) is not None:
                self._heard = True
                if frame.type == wire.GOODBYE:
                    reason = _json_of(frame).get("reason")
                    if reason is None:
                        return None
                    error = error_from(reason)
                    if self._is_final(error):
                        self._end(error)
                    return error
                self._dispatch(frame)
            return ColloquyError("AGENT_UNREACHABLE", "the hub went away")
        except OSError as error:
            return ColloquyError("AGENT_UNREACHABLE", f"the link broke: {error}")
        except ColloquyError as error:
            # The hub sent what no hub sends.
            session.writer.write(_json_frame(wire.GOODBYE, {"reason": error.to_data()}))
            return error
        finally:
            pings.cancel()
            session.writer.transport.abort()

    def _dispatch(self, frame: Frame) -> None:
        for handler in self._handlers.get(frame.type, ()):
            try:
                handler(frame)
            except ColloquyError:
                raise
            except Exception as error:  # A fault of this process, not of the hub's.
                context = {"message": "colloquy: a frame from the hub", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    async def _ping(self, session: _Session) -> None:
        silent = 0
        while silent <= _PINGS_PER_SILENCE:
            await asyncio.sleep(self._silence / _PINGS_PER_SILENCE)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            self.send(wire.PING, Writer().u53(0), control=True)
        session.writer.transport.abort()

    def _pong(self, frame: Frame) -> None:
        self.send(wire.PONG, Writer().u53(Reader(frame.header).u53()), control=True)

    def _is_final(self, error: ColloquyError) -> bool:
        if error.code not in _DAMAGES:
            return not error.retryable and error.code != "AGENT_UNREACHABLE"
        self._damages += 1
        return self._damages > _DAMAGES_MAX

    def _lose(self, cause: ColloquyError | None) -> None:
        self._output = None
        if self.failure is None:
            for part in self._parts:
                part.lost()
            self._on_status("lost", cause)

    def _end(self, error: ColloquyError) -> None:
        if self.failure is None:
            self.failure = error
            self._output = None
            for part in self._parts:
                part.closed(error)
            self._on_status("closed", None if error.code == "CLOSED" else error)


class _Session:
    """The reading side of a link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader
        self._parser = FrameParser()
        self._frames: deque[Frame] = deque()
        self._failure: ColloquyError | None = None

    async def next_frame(self) -> Frame | None:
        """None at the end of the link. Raises what is wrong with its bytes, after what was right."""
        while not self._frames:
            if self._failure is not None:
                raise self._failure
            chunk = await self._reader.read(_READ_BYTES)
            if not chunk:
                return None
            try:
                for frame in self._parser.push(chunk):
                    self._frames.append(frame)
            except ColloquyError as error:
                self._failure = error
        return self._frames.popleft()


class _Output:
    """Two lanes into a link: what is urgent passes the rest."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._lanes: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self._bytes = 0
        self._pump: asyncio.Task[None] | None = None

    def send(self, frame: bytes, urgent: bool) -> None:
        if self._writer.transport.is_closing():
            return  # Whoever reads the link learns of it.
        if self._pump is None and self._has_room:
            self._writer.write(frame)
            return
        self._lanes[0 if urgent else 1].append(frame)
        self._bytes += len(frame)
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())

    async def drain(self) -> None:
        if self._pump is not None and self._bytes > _LANES_BYTES_MAX:
            await asyncio.wait([self._pump])

    async def close(self) -> None:
        """Lets what was sent go out, a second long. Never raises."""
        try:
            async with asyncio.timeout(1.0):
                if self._pump is not None:
                    await asyncio.wait([self._pump])
                self._writer.close()
                await self._writer.wait_closed()
        except OSError:
            pass
        self._writer.transport.abort()

    @property
    def _has_room(self) -> bool:
        return self._writer.transport.get_write_buffer_size() < _LINK_BYTES_MAX

    async def _run(self) -> None:
        urgent, other = self._lanes
        try:
            while urgent or other:
                await self._writer.drain()
                while (urgent or other) and self._has_room:
                    frame = (urgent or other).popleft()
                    self._bytes -= len(frame)
                    self._writer.write(frame)
        except OSError:
            pass  # Whoever reads the link learns of it.
        finally:
            self._pump = None


def link_to(url: str, tls: ssl.SSLContext | None) -> Callable[[], Any]:
    """How to open a link: unix:PATH, tcp://HOST[:PORT] or tls://HOST[:PORT]. Raises INVALID_OPTION."""
    scheme, _, path = url.partition(":")
    if scheme == "unix" and path:
        return lambda: asyncio.open_unix_connection(path)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or TCP_PORT
    except ValueError:
        host = None
    if scheme not in ("tcp", "tls") or not host:
        raise invalid("url", f"unix:PATH, tcp://HOST or tls://HOST, found {url}", "INVALID_OPTION")
    if scheme == "tcp":
        return lambda: asyncio.open_connection(host, port)
    context = tls or ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return lambda: asyncio.open_connection(host, port, ssl=context)


def _json_frame(type: int, fields: dict[str, Any]) -> bytes:
    return encode_frame(type, json.dumps(fields, separators=(",", ":")).encode())


def _json_of(frame: Frame) -> dict[str, Any]:
    try:
        value = json.loads(frame.header.decode())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise invalid("frame.header", "a JSON object")
    return value


def _closed() -> ColloquyError:
    return ColloquyError("CLOSED", "the connection was closed")
