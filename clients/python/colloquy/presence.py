"""Who is there: what this process shows of itself, and what others show. See docs/protocol.md, "Who is there"."""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Iterable

from .calls import Calls
from .errors import ColloquyError
from .payload import pack, unpack

LEASE_SECONDS = 5.0
_RENEW_SECONDS = 1.5
_CARDS_SECONDS = 600.0
_REWRITE_RENEWALS = 120
_CARDS_PER_CHUNK = 256

Card = dict[str, Any]


class Candidate:
    """An agent that messages can be sent to, with what this process has learned about it."""

    def __init__(self, instance: str, card: Card) -> None:
        self.instance = instance
        self.card = card
        #: Requests of this process that it has not answered.
        self.outstanding = 0
        self.reported_load = 0
        #: Nobody listened when it was last asked.
        self.suspect = False

    @property
    def id(self) -> str:
        return self.card["id"]

    @property
    def load(self) -> int:
        return max(self.outstanding, self.reported_load)

    @property
    def eligible(self) -> bool:
        active = self.card["status"] == "active" and not self.suspect
        return active and self.load < self.card["capacity"]

    def is_in(self, address: str) -> bool:
        kind, _, name = address.partition(":")
        if kind == "agent":
            return self.id == name
        return name in self.card["capabilities"] if kind == "skill" else self.card["type"] == name


class Registry:
    """Every agent that is there, those of this process too."""

    def __init__(self) -> None:
        self._by_instance: dict[str, dict[str, Candidate]] = {}
        self._turn = 0
        self._waiting: set[asyncio.Event] = set()

    def replace(self, instance: str, cards: Iterable[Card], loads: dict[str, int]) -> None:
        known = self._by_instance.get(instance, {})
        agents: dict[str, Candidate] = {}
        for card in cards:
            agent = agents[card["id"]] = known.get(card["id"]) or Candidate(instance, card)
            agent.card, agent.suspect = card, False
            agent.reported_load = loads.get(card["id"], 0)
        self._by_instance[instance] = agents
        for event in self._waiting:
            event.set()

    def remove(self, instance: str) -> None:
        self._by_instance.pop(instance, None)

    def members(self, address: str | None = None) -> list[Candidate]:
        """Those that `address` means, or everybody; of two with one id the younger."""
        youngest: dict[str, Candidate] = {}
        for agents in self._by_instance.values():
            for agent in agents.values():
                other = youngest.get(agent.id)
                if other is None or other.card["startedMs"] < agent.card["startedMs"]:
                    youngest[agent.id] = agent
        return [it for it in youngest.values() if address is None or it.is_in(address)]

    def choose(self, address: str, passed_over: Iterable[Candidate] = ()) -> Candidate:
        """Whom a request to `address` goes to. Raises AGENT_UNREACHABLE or NO_ELIGIBLE_AGENT."""
        members = [it for it in self.members(address) if it not in passed_over]
        if address.startswith("agent:"):
            if members:
                return members[0]
            agent = address[len("agent:") :]
            details = {"agent": agent, "outcome": "not-started"}
            raise ColloquyError("AGENT_UNREACHABLE", f"{agent} is not there", details=details)
        eligible = [it for it in members if it.eligible]
        if not eligible:
            known = [
                {"agent": it.id, "status": it.card["status"], "load": it.load} for it in members
            ]
            message = f"{address}: nobody of {len(known)} is active and has room"
            details = {"address": address, "agents": known}
            raise ColloquyError("NO_ELIGIBLE_AGENT", message, details=details)
        self._turn += 1
        turn = self._turn % len(eligible)
        # Begins at another each time, so that equals take turns.
        return min(eligible[turn:] + eligible[:turn], key=lambda it: it.load / it.card["capacity"])

    async def wait_for(self, address: str, count: int) -> list[Candidate]:
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            while len(members := self.members(address)) < count:
                changed.clear()
                await changed.wait()
            return members
        finally:
            self._waiting.remove(changed)


class _Instance:
    """What another process shows."""

    def __init__(self) -> None:
        self.leased = False
        self.links = 0
        self.loads: dict[str, int] = {}
        self.chunks: dict[str, list[Card]] = {}
        #: Runs since a reset, until its lease comes again.
        self.doubt: asyncio.TimerHandle | None = None

    def believe(self) -> None:
        if self.doubt is not None:
            self.doubt.cancel()
            self.doubt = None


class Presence:
    """Keeps this process's entries, and feeds the registry with those of others."""

    def __init__(
        self,
        *,
        calls: Calls,
        registry: Registry,
        instance: str,
        prefix: str,
        process: dict[str, Any],
        cards: Callable[[], list[Card]],
        loads: Callable[[], dict[str, int]],
        on_lost: Callable[[str], None],
        on_returned: Callable[[str], None],
    ) -> None:
        self._calls = calls
        self._registry = registry
        self._instance = instance
        self._prefix = prefix
        self._process = process
        self._cards = cards
        self._loads = loads
        self._on_lost = on_lost
        self._on_returned = on_returned
        self._instances: dict[str, _Instance] = {}
        self._links = 0
        self._chunks = 0
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._put([self._lease()])
        await self._calls.follow("store.watch", {"prefix": self._prefix}, self._learn)
        self._renewing = asyncio.create_task(self._renew())

    async def show(self) -> None:
        """Returns once the others can see the cards as they are now."""
        cards = self._cards()
        self._registry.replace(self._instance, cards, {})
        chunks = [
            cards[at : at + _CARDS_PER_CHUNK] for at in range(0, len(cards), _CARDS_PER_CHUNK)
        ]
        writes = [
            self._entry(f"cards/{n}", chunk, _CARDS_SECONDS) for n, chunk in enumerate(chunks)
        ]
        writes += [self._deletion(f"cards/{n}") for n in range(len(chunks), self._chunks)]
        self._chunks = len(chunks)
        if writes:
            await self._put(writes)

    async def restore(self) -> None:
        """After a reconnect: the hub may have lost what was there."""
        self._links += 1
        await self._put([self._lease()])
        await self.show()

    async def close(self) -> None:
        """Tells the others that this process is gone."""
        if self._renewing is not None:
            self._renewing.cancel()
        for instance in self._instances.values():
            instance.believe()
        cards = [self._deletion(f"cards/{n}") for n in range(self._chunks)]
        await self._put([self._deletion("lease"), *cards])

    async def _put(self, writes: list[dict[str, Any]]) -> None:
        await self._calls.call("store.put", {"writes": writes})

    def _deletion(self, part: str) -> dict[str, Any]:
        return {"key": f"{self._prefix}{self._instance}/{part}", "volatile": True}

    def _entry(self, part: str, value: Any, seconds: float) -> dict[str, Any]:
        entry = {**self._deletion(part), "value": pack(value), "ttlMs": int(seconds * 1_000)}
        return {**entry, "bound": True}

    def _lease(self) -> dict[str, Any]:
        lease = {"links": self._links, "loads": self._loads(), "process": self._process}
        return self._entry("lease", lease, LEASE_SECONDS)

    async def _renew(self) -> None:
        renewals = 0
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            renewals += 1
            try:
                await self._put([self._lease()])
                if renewals % _REWRITE_RENEWALS == 0:
                    await self.show()
            except ColloquyError as error:
                if error.code == "CLOSED":
                    return

    def _learn(self, changes: Any) -> None:
        for change in changes:
            if change["kind"] == "reset":
                for name, instance in self._instances.items():
                    self._doubt(name, instance)
                continue
            name, _, part = change["key"][len(self._prefix) :].partition("/")
            if name == self._instance:
                continue
            try:
                value = unpack(change["value"]) if change["kind"] == "put" else None
                self._learn_part(name, part, value)
            except (ColloquyError, KeyError, TypeError, AttributeError):
                continue  # Somebody shows what is no card.

    def _learn_part(self, name: str, part: str, value: Any) -> None:
        instance = self._instances.setdefault(name, _Instance())
        if part == "lease":
            instance.believe()
            if value is None:
                self._lost(name, instance)
                return
            missed = instance.leased and instance.links != value["links"]
            instance.leased, instance.links = True, value["links"]
            instance.loads = {
                id: it for id, it in value["loads"].items() if isinstance(it, (int, float))
            }
            if missed:
                self._on_returned(name)
        elif value is None:
            instance.chunks.pop(part, None)
        else:
            instance.chunks[part] = [_card(it) for it in value]
        if instance.leased:
            cards = [card for chunk in instance.chunks.values() for card in chunk]
            self._registry.replace(name, cards, instance.loads)
        elif not instance.chunks:
            del self._instances[name]

    def _lost(self, name: str, instance: _Instance) -> None:
        was_there, instance.leased = instance.leased, False
        if not instance.chunks:
            self._instances.pop(name, None)
        self._registry.remove(name)
        if was_there:
            self._on_lost(name)

    def _doubt(self, name: str, instance: _Instance) -> None:
        """What does not show itself again within a lease's time is gone."""

        def drop() -> None:
            instance.chunks.clear()
            self._lost(name, instance)

        instance.believe()
        instance.doubt = asyncio.get_running_loop().call_later(LEASE_SECONDS, drop)


def _card(data: Any) -> Card:
    """Raises KeyError or TypeError for what is none."""
    texts = (data["id"], data["type"], data["status"], *data["capabilities"])
    numbers = (data["capacity"], data["startedMs"])
    if not all(isinstance(it, str) for it in texts) or not all(
        isinstance(it, (int, float)) for it in numbers
    ):
        raise TypeError
    if data["capacity"] <= 0:
        raise TypeError
    return data
