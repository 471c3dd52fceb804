"""Links that are guarded, and links that break: a hub with a token and a certificate, killed and started again."""

from __future__ import annotations

import asyncio
import ssl
import unittest
from typing import Any, AsyncIterator

from colloquy import ColloquyError, Context, Network, join

from .fabric import CERTIFICATES, TOKEN, shared


class Guarded(unittest.IsolatedAsyncioTestCase):
    tls = ssl.create_default_context(cafile=str(CERTIFICATES / "authority.crt"))

    async def refused(self, code: str, **options: Any) -> None:
        with self.assertRaises(ColloquyError) as caught:
            await join(**options)
        self.assertEqual(caught.exception.code, code)

    async def test_a_token_opens_a_hub_behind_tls(self) -> None:
        async with await join(shared().endpoints["tls"], token=TOKEN, tls=self.tls) as net:
            me = await net.agent("python")
            await net.wait_for("agent:js")
            self.assertEqual(await me.request("agent:js", "greet", "you"), "Hello, you!")

    async def test_who_shows_nothing_is_refused(self) -> None:
        await self.refused("UNAUTHORIZED", url=shared().endpoints["tls"], tls=self.tls)
        await self.refused("UNAUTHORIZED", url=shared().endpoints["tls"], tls=self.tls, token="wrong")
        # The hub's certificate is signed by nobody that this machine knows.
        await self.refused("AGENT_UNREACHABLE", url=shared().endpoints["tls"], token=TOKEN)
        await self.refused("AGENT_UNREACHABLE", url="unix:/nowhere/hub.sock")
        await self.refused("INVALID_OPTION", url="nats://somewhere")


class Cut(unittest.IsolatedAsyncioTestCase):
    async def test_where_bytes_are_cut_on_tcp_means_nothing(self) -> None:
        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while byte := await reader.read(1):
                writer.write(byte)
                await writer.drain()
            writer.close()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_unix_connection(shared().socket)
            await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

        async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with await join(f"tcp://127.0.0.1:{port}") as net:
                me = await net.agent("python")
                await net.wait_for("agent:js")
                stream = me.stream("agent:js", "story", ["once", "upon", "a", "time"])
                self.assertEqual([word async for word in stream], ["once", "upon", "a", "time"])


class Broken(unittest.IsolatedAsyncioTestCase):
    async def test_everything_goes_on_when_the_hub_has_been_killed_and_is_back(self) -> None:
        async with asyncio.timeout(90):
            async with await join(shared().url, on_error=lambda error, where: None) as net:
                await self.kill_in_the_middle(net)

    async def kill_in_the_middle(self, net: Network) -> None:
        me = await net.agent("python")
        await net.wait_for("agent:js")
        heard: asyncio.Queue[Any] = asyncio.Queue()
        await me.subscribe("news", lambda data, message: heard.put(data))
        released, held = asyncio.Event(), asyncio.Event()
        heard_of = [asyncio.Event() for _ in range(4)]

        async def hold(data: Any, context: Context) -> Any:
            context.progress("held")
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
            numbers = []
            async for n in stream:
                numbers.append(n)
                heard_of[2].set()
            return numbers

        def ask(n: int, name: str, data: Any) -> Any:
            return me.request("agent:js", name, data, on_progress=lambda _: heard_of[n].set())

        order = {"to": "agent:python", "data": 200}
        tasks = [
            asyncio.create_task(it)
            for it in (
                ask(0, "hold", "release"),
                ask(1, "ask", {**order, "name": "hold"}),
                read(me.stream("agent:js", "drip", 200, window=20)),
                ask(3, "read", {**order, "name": "drip", "options": {"window": 20}}),
            )
        ]
        receipt = await me.send("agent:python", "WORK")
        for event in (*heard_of, held):
            await event.wait()
        shared().kill()
        while net.status == "ready":
            await asyncio.sleep(0.01)
        sent = asyncio.create_task(me.send("agent:js", "SAVE", "meanwhile"))
        settled = asyncio.create_task(receipt.settled())
        await asyncio.to_thread(shared().start)
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
