"""Python and JavaScript on one hub: requests, streams, commands and events, both ways."""

from __future__ import annotations

import asyncio
import unittest

from colloquy import ColloquyError, join

from .fabric import Hub

hub: Hub


def setUpModule() -> None:
    global hub, peer
    hub = Hub()
    peer = hub.peer()


def tearDownModule() -> None:
    peer.kill()
    hub.remove()


class FabricTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.errors: list[BaseException] = []
        self.net = await join(hub.url, on_error=lambda error, where: self.errors.append(error))
        self.me = await self.net.agent("python", type="python")
        await self.net.wait_for("agent:js")

    async def asyncTearDown(self) -> None:
        await self.net.close(drain=0)
        self.assertEqual(self.errors, [])

    async def ask(self, name: str, data: object = None) -> object:
        return await self.me.request("agent:js", name, data)


class Requests(FabricTest):
    async def test_an_agent_in_javascript_is_asked(self) -> None:
        self.assertEqual(await self.me.request("agent:js", "greet", "world"), "Hello, world!")
        self.assertEqual(await self.me.request("type:js", "greet", "you"), "Hello, you!")
        self.assertEqual(await self.me.request("skill:greet.fr", "greet", "toi"), "Hello, toi!")

    async def test_an_agent_in_python_is_asked(self) -> None:
        self.me.handle("double", lambda n, context: n * 2)
        order = {"to": "agent:python", "name": "double", "data": 21}
        self.assertEqual(await self.ask("ask", order), {"value": 42})


if __name__ == "__main__":
    unittest.main()
