"""Asks the agent of greeter.py; one in JavaScript of that name would do as well.

COLLOQUY_URL=unix:hub.sock python3 -m examples.asker
"""

import asyncio

from colloquy import ColloquyError, join


async def main() -> None:
    async with await join() as net:
        asker = await net.agent("asker")
        await net.wait_for("agent:greeter")

        print(await asker.request("agent:greeter", "greet", "world", timeout=5))

        async with asker.stream("skill:greet", "count", 3) as stream:
            async for n in stream:
                print(n)

        heard: asyncio.Queue[str] = asyncio.Queue()
        await asker.subscribe("greeter.*", lambda name, message: heard.put(name))
        receipt = await asker.send(
            "agent:greeter", "remember", "world"
        )  # returns once it is on disk
        outcome = await receipt.settled()
        print(outcome.state, outcome.result)
        print(f"the greeter remembers {await heard.get()}")

        try:
            await asker.request("agent:greeter", "dance")
        except ColloquyError as error:
            print(error.code, error.retryable)


asyncio.run(main())
