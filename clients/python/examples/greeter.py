"""An agent in Python. Any agent of the fabric, and `colloquy request agent:greeter greet '"world"'`, reaches it.

COLLOQUY_URL=unix:hub.sock python3 -m examples.greeter
"""

import asyncio
from typing import Any, AsyncIterator

from colloquy import Context, join


async def main() -> None:
    async with await join() as net:
        greeter = await net.agent("greeter", type="greeter", capabilities=["greet"])

        @greeter.handle("greet")  # wants an answer now
        async def greet(name: str, context: Context) -> str:
            return f"Hello, {name}, from Python!"

        @greeter.handle("count")  # an answer in chunks
        async def count(to: int, context: Context) -> AsyncIterator[int]:
            for n in range(1, to + 1):
                yield n

        @greeter.handle("remember")  # durable: kept until it is done, tried again when it raises
        async def remember(name: str, context: Context) -> dict[str, Any]:
            context.publish("greeter.remembers", name)  # with the end of the command, or not at all
            return {"remembered": name, "attempt": context.attempt}

        await greeter.ready()
        print("greeter is here; Ctrl-C ends it", flush=True)
        await asyncio.Event().wait()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
