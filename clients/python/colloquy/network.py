"""This process's place in the fabric."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import time
import traceback
from typing import Any, Callable

from .agent import Agent
from .commands import Receipt
from .connection import Connection
from .errors import ColloquyError, invalid
from .events import Events
from .message import Envelope, Message, Sender, check, decode_message
from .presence import Card, Presence
from .requests import Requests
from .serving import Incoming, RequestWork
from .site import Site

#: Controls for whoever handles a request; the others are for whoever has made it.
_FOR_HANDLERS = frozenset(("credit", "inquiry", "attach", "cancel", "leave", "look", "waits"))
_SAY_SECONDS = 2.0
#: Agents that are told of to whoever surveys this process.
_SURVEYED_MAX = 1_000


async def join(
    url: str | None = None,
    *,
    space: str = "default",
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    name: str | None = None,
    on_error: Callable[[BaseException, str], None] | None = None,
) -> Network:
    """Takes part in a fabric through its hub: unix:PATH, tcp://HOST[:PORT] or tls://HOST[:PORT].

    Without `url` it is COLLOQUY_URL. `token` is for a hub that asks for one, else COLLOQUY_TOKEN. `tls` is a
    context with the hub's authority or a certificate of one's own. `on_error` gets failures that no
    caller waits for; default: they are printed. Raises AGENT_UNREACHABLE where no hub answers, UNAUTHORIZED.
    """
    url = url or os.environ.get("COLLOQUY_URL")
    if not url:
        raise invalid("url", "the URL of a hub, here or in COLLOQUY_URL", "INVALID_OPTION")
    if "." in check("id", "space", space, "INVALID_ADDRESS"):
        raise invalid("space", "an id without dots", "INVALID_ADDRESS")
    token = token or os.environ.get("COLLOQUY_TOKEN") or None
    net = Network(
        url, space, token, tls, name or f"{os.path.basename(sys.argv[0]) or 'python'}", on_error
    )
    try:
        await net._open()
    except BaseException:
        await net._connection.close()
        raise
    return net


class Network:
    """Made by `join`. `async with await join(...) as net` closes it at the end of the block."""

    def __init__(
        self,
        url: str,
        space: str,
        token: str | None,
        tls: ssl.SSLContext | None,
        name: str,
        on_error: Callable[[BaseException, str], None] | None,
    ) -> None:
        #: "ready", "lost" while the hub is looked for, or "closed".
        self.status = "lost"
        self._joined = False
        self._connection = Connection(
            url, name=name, token=token, tls=tls, on_status=self._on_status
        )
        self._site = Site(self._connection, space, on_error or _print)
        self._site.loopback = self._receive
        self._requests = Requests(self._site)
        self._incoming = Incoming(self._site, self._accept)
        self._events = Events(self._site)
        self._agents: dict[str, Agent] = {}
        self._joined_at = time.monotonic()
        self._presence = Presence(
            calls=self._site.calls,
            registry=self._site.registry,
            instance=self._site.instance,
            prefix=self._site.name("presence/"),
            process={"name": name, "host": socket.gethostname(), "pid": os.getpid()},
            cards=lambda: [it.card for it in self._agents.values()],
            loads=lambda: {it.id: it._load for it in self._agents.values() if it._load > 0},
            on_lost=self._lost,
            on_returned=self._requests.inquire_of,
        )

    async def agent(
        self,
        id: str,
        *,
        type: str = "agent",
        capabilities: tuple[str, ...] | list[str] = (),
        capacity: int = 100,
        waiting_max: int = 10_000,
    ) -> Agent:
        """A new agent of this process. Returns once the others can see it. Raises CONFLICT."""
        self._connection.check()
        if id in self._agents:
            raise ColloquyError(
                "CONFLICT", f"this process has an agent {id}", details={"agent": id}
            )
        options = {"type": type, "capabilities": tuple(capabilities), "capacity": capacity}
        parts = (self._site, self._requests, self._events)
        agent = self._agents[id] = Agent(
            *parts, id, **options, waiting_max=waiting_max, on_left=self._forget
        )
        await self._presence.show()
        return agent

    def find(self, address: str | None = None) -> list[Card]:
        """The cards of those that `address` means; without one, of everybody."""
        return [it.card for it in self._site.registry.members(address)]

    async def wait_for(self, address: str, count: int = 1) -> list[Card]:
        """Returns once at least so many are there."""
        check("address", "address", address, "INVALID_ADDRESS")
        return [it.card for it in await self._site.registry.wait_for(address, count)]

    def track(self, id: str) -> Receipt:
        """The receipt with that id, whoever has sent the command."""
        return Receipt.of(self._site, id)

    async def close(self, drain: float = 10.0) -> None:
        """Lets running handlers end, tells the others, and leaves. Safe to repeat."""
        agents = list(self._agents.values())
        if self._connection.failure is None:
            for agent in agents:
                agent._closing = True
            await self._say(self._presence.show)
        await asyncio.gather(*(agent._leave(drain) for agent in agents))
        self._incoming.close()
        if self._connection.failure is None:
            await self._say(self._presence.close)
        await self._events.close()
        self._requests.close(ColloquyError("CLOSED", "the network was closed"))
        await self._connection.close()

    async def __aenter__(self) -> Network:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _open(self) -> None:
        await self._connection.open()
        await self._site.topics.subscribe(
            self._site.inbox, lambda _, message: self._receive(message)
        )
        await self._presence.open()
        self._joined = True

    async def _say(self, what: Callable[[], Any]) -> None:
        """A hub that is away is not waited for."""
        try:
            async with asyncio.timeout(_SAY_SECONDS):
                await what()
        except (ColloquyError, TimeoutError):
            pass

    async def _forget(self, agent: Agent) -> None:
        if self._agents.pop(agent.id, None) is not None:
            await self._say(self._presence.show)

    def _on_status(self, status: str, cause: ColloquyError | None) -> None:
        self.status = status
        if status == "ready" and self._joined:
            self._site.spawn(self._presence.restore(), "presence")
            self._requests.reattach()
        elif status == "closed":
            self._requests.close(cause or ColloquyError("CLOSED", "the network was closed"))
            if cause is not None and self._joined:
                self._site.on_error(cause, "connection")

    def _lost(self, instance: str) -> None:
        self._requests.inquire_of(instance)
        self._incoming.lost(instance)

    def _receive(self, data: bytes) -> None:
        """What comes to the inbox of this process."""
        try:
            message = decode_message(data)
            envelope = message.envelope
            if envelope.kind == "request":
                self._incoming.on_request(message)
            elif envelope.kind == "control" and envelope.name == "survey":
                self._tell_activity(envelope)
            elif envelope.kind == "control" and envelope.name in _FOR_HANDLERS:
                self._incoming.on_control(message)
            elif envelope.kind in ("control", "response", "error"):
                self._requests.on_message(message)
        except Exception as error:  # Whatever is wrong with it, the next message may be right.
            self._site.on_error(error, "inbox")

    def _tell_activity(self, question: Envelope) -> None:
        """What goes on here, for `colloquy top` and the like."""
        agents = [
            {"id": it.id, "load": it._load, **it._activity.figures()} for it in self._agents.values()
        ]
        sender = question.sender
        self._site.control(
            "surveyed",
            sender=Sender("network", "network", self._site.instance),
            to=sender.agent,
            topic=question.reply_to or self._site.inbox_of(sender.instance),
            about=question.correlation_id or question.id,
            data={
                "joinedForMs": (time.monotonic() - self._joined_at) * 1_000,
                "counters": self._site.counters,
                "agents": agents[:_SURVEYED_MAX],
            },
        )

    def _accept(self, message: Message) -> RequestWork | None:
        address = message.envelope.to[0] if message.envelope.to else ""
        agent = self._agents.get(address.partition(":")[2])
        if agent is None:
            return None
        work = RequestWork(self._incoming, agent._self, message)
        agent._accept(work)
        return work


def _print(error: BaseException, where: str) -> None:
    print(f"colloquy: {where}:", *traceback.format_exception(error), file=sys.stderr)
