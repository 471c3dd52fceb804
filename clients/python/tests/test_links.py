"""Links that are guarded, and links that break: a hub with a token and a certificate, killed and started again."""

from __future__ import annotations

import asyncio
import ssl
import unittest
from typing import Any, AsyncIterator

from colloquy import ColloquyError, Context, Network, join

from .fabric import ROOT, Hub

CERTIFICATES = ROOT / "test/support/certificates"
TOKEN = "open sesame, please"
hub: Hub


def setUpModule() -> None:
    global hub, peer
    hub = Hub(
        *("--tcp", "127.0.0.1:0"),
        *("--tls-cert", str(CERTIFICATES / "hub.crt"), "--tls-key", str(CERTIFICATES / "hub.key")),
        COLLOQUY_TOKEN=TOKEN,
    )
    peer = hub.peer()


def tearDownModule() -> None:
    peer.kill()
    hub.remove()


def secure() -> str:
    return hub.endpoints["tls"]


class Guarded(unittest.IsolatedAsyncioTestCase):
    tls = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.crt"))

    async def refused(self, code: str, **options: Any) -> None:
        with self.assertRaises(ColloquyError) as caught:
            await join(**options)
        self.assertEqual(caught.exception.code, code)

    async def test_a_token_opens_a_hub_behind_tls(self) -> None:
        async with await join(secure(), token=TOKEN, tls=self.tls) as net:
            me = await net.agent("python")
            await net.wait_for("agent:js")
            self.assertEqual(await me.request("agent:js", "greet", "you"), "Hello, you!")

    async def test_who_shows_nothing_is_refused(self) -> None:
        await self.refused("UNAUTHORIZED", url=secure(), tls=self.tls)
        await self.refused("UNAUTHORIZED", url=secure(), tls=self.tls, token="wrong")
        # The hub's certificate is signed by nobody that this machine knows.
        await self.refused("AGENT_UNREACHABLE", url=secure(), token=TOKEN)
        await self.refused("AGENT_UNREACHABLE", url="unix:/nowhere/hub.sock")
        await self.refused("INVALID_OPTION", url="nats://somewhere")


class Broken(unittest.IsolatedAsyncioTestCase):
    async def test_everything_goes_on_when_the_hub_has_been_killed_and_is_back(self) -> None:
        async with asyncio.timeout(60):
            async with await join(hub.url, on_error=lambda error, where: None) as net:
                await self.kill_in_the_middle(net)

    async def kill_in_the_middle(self, net: Network) -> None:
        me = await net.agent("python")
        await net.wait_for("agent:js")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        await me.subscribe("news", lambda data, message: heard.put(data))
        released, held = asyncio.Event(), asyncio.Event()

        async def hold(data: Any, context: Context) -> Any:
            held.set()
            await released.wait()
            return "here"

        async def drip(count: int, context: Context) -> AsyncIterator[int]:
            for n in range(1, count + 1):
                await asyncio.sleep(0.01)
                yield n

        me.handle("hold", hold)
        me.handle("drip", drip)
        me.handle("WORK", hold)
        await me.ready()

        async def read(stream: Any) -> list[int]:
            return [n async for n in stream]

        order = {"to": "agent:python", "data": 200}
        there_held = asyncio.Event()
        there = me.request("agent:js", "hold", "release", on_progress=lambda _: there_held.set())
        tasks = [
            asyncio.create_task(it)
            for it in (
                there,
                me.request("agent:js", "ask", {**order, "name": "hold"}),
                read(me.stream("agent:js", "drip", 200, window=20)),
                me.request("agent:js", "read", {**order, "name": "drip", "options": {"window": 20}}),
            )
        ]
        receipt = await me.send("agent:python", "WORK")
        await there_held.wait()
        await held.wait()
        hub.kill()
        while net.status == "ready":
            await asyncio.sleep(0.01)
        sent = asyncio.create_task(me.send("agent:js", "SAVE", "meanwhile"))
        settled = asyncio.create_task(receipt.settled())
        await asyncio.to_thread(hub.start)
        released.set()
        while not tasks[0].done():
            await me.publish("release", "there")
            await asyncio.sleep(0.05)
        numbers = list(range(1, 201))
        self.assertEqual(await asyncio.gather(*tasks[:3]), ["there", {"value": "here"}, numbers])
        self.assertEqual((await tasks[3])["chunks"], numbers)
        self.assertEqual((await settled).result, "here")
        self.assertEqual((await (await sent).settled()).result["value"], "meanwhile")
        await me.request("agent:js", "publish", {"topic": "news", "data": "again"})
        self.assertEqual(await heard.get(), "again")
        self.assertEqual(net.status, "ready")


if __name__ == "__main__":
    unittest.main()
