"""Links that are guarded, and links that break: a hub with a token and a certificate, killed and started again."""

from __future__ import annotations

import asyncio
import os
import ssl
import unittest
from unittest import mock
from typing import Any, AsyncIterator

from colloquy import ColloquyError, Context, Network, join

from .fabric import CERTIFICATES, TOKEN, shared


def credentials() -> dict[str, Any]:
    return {
        "token": TOKEN,
        "tls": ssl.create_default_context(cafile=str(CERTIFICATES / "authority.crt")),
    }


class Guarded(unittest.IsolatedAsyncioTestCase):
    async def refused(self, code: str, **options: Any) -> None:
        with self.assertRaises(ColloquyError) as caught:
            await join(**options)
        self.assertEqual(caught.exception.code, code)

    async def test_a_token_opens_a_hub_behind_tls(self) -> None:
        async with await join(shared().endpoints["tls"], **credentials()) as net:
            me = await net.agent("python")
            await net.wait_for("agent:js")
            self.assertEqual(await me.request("agent:js", "greet", "you"), "Hello, you!")

    async def test_the_token_may_be_one_of_the_environment(self) -> None:
        url, tls = shared().endpoints["tls"], credentials()["tls"]
        with mock.patch.dict(os.environ, COLLOQUY_URL=url, COLLOQUY_TOKEN=TOKEN):
            async with await join(tls=tls) as net:
                self.assertEqual(net.status, "ready")

    async def test_who_shows_nothing_is_refused(self) -> None:
        url, tls = shared().endpoints["tls"], credentials()["tls"]
        await self.refused("UNAUTHORIZED", url=url, tls=tls)
        await self.refused("UNAUTHORIZED", url=url, tls=tls, token="wrong")
        # The hub's certificate is signed by nobody that this machine knows.
        await self.refused("AGENT_UNREACHABLE", url=url, token=TOKEN)
        await self.refused("AGENT_UNREACHABLE", url="unix:/nowhere/hub.sock")
        await self.refused("INVALID_OPTION", url="nats://somewhere")


class Proxy:
    """Stands between this client and the hub, and cuts links."""

    def __init__(self, bytes_at_once: int) -> None:
        self._bytes_at_once = bytes_at_once
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"tls://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = shared().endpoints["tls"].removeprefix("tls://").rstrip("/").split(":")
        there, back = await asyncio.open_connection(host, int(port))
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(self._bytes_at_once):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


class Cut(unittest.IsolatedAsyncioTestCase):
    async def test_where_bytes_are_cut_means_nothing(self) -> None:
        async with Proxy(bytes_at_once=1) as proxy, await join(proxy.url, **credentials()) as net:
            me = await net.agent("python")
            await net.wait_for("agent:js")
            stream = me.stream("agent:js", "story", ["once", "upon", "a", "time"])
            self.assertEqual([word async for word in stream], ["once", "upon", "a", "time"])

    async def test_links_that_are_cut_lose_nothing_and_do_nothing_twice(self) -> None:
        async with (
            Proxy(bytes_at_once=2**16) as proxy,
            await join(proxy.url, **credentials()) as net,
        ):
            me = await net.agent("python")
            await net.wait_for("agent:js")
            handled: list[int] = []
            released = asyncio.Event()

            async def work(n: int, context: Context) -> int:
                handled.append(n)
                await released.wait()
                return n

            me.handle("WORK", work)
            await me.ready()
            receipts = [await me.send("agent:python", "WORK", n) for n in range(50)]
            read = []
            async for n in me.stream("agent:js", "drip", 90, window=20):
                read.append(n)
                if n % 30 == 0:
                    proxy.cut()
                    receipts.append(await me.send("agent:python", "WORK", 50 + n))
            self.assertEqual(read, list(range(1, 91)))
            released.set()
            outcomes = [await receipt.settled() for receipt in receipts]
            numbers = [*range(50), 80, 110, 140]
            self.assertEqual(
                [(it.state, it.result) for it in outcomes], [("done", n) for n in numbers]
            )
            self.assertEqual(sorted(handled), numbers)


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
