"""Python and JavaScript on one hub: requests, streams, commands and events, both ways."""

from __future__ import annotations

import asyncio
import time
import unittest
from typing import Any, AsyncIterator

from colloquy import ColloquyError, Context, join

from .fabric import shared


def limited(test: Any) -> Any:
    async def run(self: FabricTest) -> None:
        async with asyncio.timeout(90):
            await test(self)

    return run


class FabricTest(unittest.IsolatedAsyncioTestCase):
    def __init_subclass__(cls) -> None:
        """What hangs fails, and says where."""
        for name, test in list(vars(cls).items()):
            if name.startswith("test_"):
                setattr(cls, name, limited(test))

    async def asyncSetUp(self) -> None:
        self.errors: list[BaseException] = []
        self.net = await join(shared().url, on_error=lambda error, where: self.errors.append(error))
        self.me = await self.net.agent("python", type="python")
        await self.net.wait_for("agent:js")

    async def asyncTearDown(self) -> None:
        await self.net.close(drain=0)
        self.assertEqual(self.errors, [])

    async def order(
        self, how: str, name: str, data: Any = None, to: str = "agent:python", **options: Any
    ) -> Any:
        """Has the agent in JavaScript ask, read or send."""
        order = {"to": to, "name": name, "data": data}
        return await self.me.request(
            "agent:js", how, {**order, "options": options} if options else order
        )

    async def refused(self, code: str, work: Any) -> ColloquyError:
        with self.assertRaises(ColloquyError) as caught:
            await work
        self.assertEqual(caught.exception.code, code)
        return caught.exception


class Requests(FabricTest):
    async def test_an_agent_in_javascript_is_asked(self) -> None:
        self.assertEqual(await self.me.request("agent:js", "greet", "world"), "Hello, world!")
        self.assertEqual(await self.me.request("type:js", "greet", "you"), "Hello, you!")
        self.assertEqual(await self.me.request("skill:greet.fr", "greet", "toi"), "Hello, toi!")

    async def test_an_agent_in_python_is_asked(self) -> None:
        self.me.handle("double", lambda n, context: n * 2)
        self.assertEqual(await self.order("ask", "double", 21), {"value": 42})
        self.assertEqual(await self.order("ask", "double", 2, to="type:python"), {"value": 4})

    async def test_values_come_back_as_they_were(self) -> None:
        self.me.handle("echo", lambda value, context: value)
        deep = {
            "bytes": b"\x00\xff",
            "list": [1, -2.5, None, True, "é𝄞"],
            "in": {"more": [b"", b"x"]},
        }
        for value in (None, 0, "", [], {}, b"\x01\x02", 2**53 - 1, "long " * 10_000, deep):
            self.assertEqual(await self.me.request("agent:js", "echo", value), value)
            self.assertEqual(
                await self.order("ask", "echo", value), {} if value is None else {"value": value}
            )

    async def test_agents_of_one_process_ask_each_other(self) -> None:
        other = await self.net.agent("other")
        other.handle("greet", lambda name, context: f"Hi, {name}")
        self.assertEqual(await self.me.request("agent:other", "greet", "you"), "Hi, you")
        error = await self.refused("NO_HANDLER", self.me.request("agent:other", "dance"))
        self.assertFalse(error.retryable)

    async def test_failures_have_codes_in_both_directions(self) -> None:
        error = await self.refused("HANDLER_FAILED", self.me.request("agent:js", "fail"))
        self.assertEqual((error.message, error.details["name"]), ("no such thing", "TypeError"))
        await self.refused("NO_HANDLER", self.me.request("agent:js", "dance"))
        error = await self.refused("AGENT_UNREACHABLE", self.me.request("agent:nobody", "dance"))
        self.assertTrue(error.retryable)
        await self.refused("NO_ELIGIBLE_AGENT", self.me.request("type:nobody", "dance"))
        await self.refused("INVALID_ADDRESS", self.me.request("nobody", "dance"))
        error = await self.refused(
            "SERIALIZATION_ERROR", self.me.request("agent:js", "echo", {"a": [{1}]})
        )
        self.assertEqual(error.details["path"], "a[0]")

        async def refuse(data: Any, context: Context) -> None:
            raise ColloquyError("FORBIDDEN", "not for you", details={"why": data})

        self.me.handle("refuse", refuse)
        self.me.handle("break", lambda data, context: 1 / 0)
        self.me.handle("odd", lambda data, context: object())
        answer = await self.order("ask", "refuse", 7)
        self.assertEqual(answer["error"]["code"], "FORBIDDEN")
        self.assertEqual(answer["error"]["details"], {"why": 7})
        answer = await self.order("ask", "break")
        self.assertEqual(answer["error"]["details"]["name"], "ZeroDivisionError")
        answer = await self.order("ask", "odd")
        self.assertEqual(answer["error"]["code"], "SERIALIZATION_ERROR")
        answer = await self.order("ask", "nothing")
        self.assertEqual(answer["error"]["code"], "NO_HANDLER")

    async def test_progress_is_told_in_both_directions(self) -> None:
        steps: list[Any] = []
        done = await self.me.request("agent:js", "slow", on_progress=steps.append)
        self.assertEqual((done, steps), ("done", [{"step": 1}, {"step": 2}, {"step": 3}]))

    async def test_cancelling_a_task_cancels_the_work_of_the_other(self) -> None:
        events: asyncio.Queue[Any] = asyncio.Queue()
        await self.me.subscribe("stalled.by.python", lambda data, message: events.put(data))
        begun = asyncio.Event()
        work = self.me.request(
            "agent:js", "stall", "stalled.by.python", on_progress=lambda _: begun.set()
        )
        task = asyncio.create_task(work)
        await begun.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(await events.get(), "aborted")

    async def test_a_cancelled_request_cancels_the_handler(self) -> None:
        cancelled = asyncio.Event()

        async def stall(data: Any, context: Context) -> None:
            context.progress("begun")
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        self.me.handle("stall", stall)
        answer = await self.order("ask and cancel", "stall")
        self.assertEqual(answer["error"]["code"], "CANCELLED")
        await cancelled.wait()

    async def test_a_timeout_says_what_is_known(self) -> None:
        error = await self.refused(
            "TIMEOUT", self.me.request("agent:js", "stall", "timed.out", timeout=3)
        )
        self.assertEqual((error.details["outcome"], error.retryable), ("in-progress", False))
        error = await self.refused("TIMEOUT", self.me.request("agent:js", "quiet", deadline=0.05))
        self.assertTrue(error.details["deadline"])

    async def test_a_handler_is_told_its_deadline_and_passes_it_on(self) -> None:
        async def nest(data: Any, context: Context) -> Any:
            left = context.remaining()
            inner = await context.request("agent:js", "remaining", deadline=3_600)
            return [left, inner / 1_000]

        self.me.handle("nest", nest)
        here, there = (await self.order("ask", "nest", deadlineMs=60_000))["value"]
        self.assertTrue(there <= here + 0.01 and 0 < here <= 60, (here, there))

    async def test_a_handler_that_waits_for_what_is_cancelled_has_failed(self) -> None:
        async def wait(data: Any, context: Context) -> None:
            task = asyncio.create_task(asyncio.Event().wait())
            asyncio.get_running_loop().call_soon(task.cancel)
            await task

        self.me.handle("wait", wait)
        answer = await self.order("ask", "wait")
        self.assertEqual(answer["error"]["code"], "HANDLER_FAILED")
        self.assertEqual(answer["error"]["details"]["name"], "CancelledError")
        await self.me.ready()
        outcome = await (await self.me.send("agent:python", "wait")).settled()
        self.assertEqual(
            (outcome.state, outcome.error and outcome.error.code), ("dead", "HANDLER_FAILED")
        )

    async def test_a_failure_of_another_that_a_handler_lets_through_is_not_retryable(self) -> None:
        async def ask(data: Any, context: Context) -> Any:
            return await context.request("agent:nobody", "x")

        async def read(data: Any, context: Context) -> Any:
            return [chunk async for chunk in context.stream("agent:nobody", "x")]

        async def read_late(data: Any, context: Context) -> Any:
            return [chunk async for chunk in context.stream("agent:js", "unready")]

        for handler in (ask, read, read_late):
            self.me.handle(handler.__name__, handler)
            error = (await self.order("ask", handler.__name__))["error"]
            self.assertEqual(
                (error["code"], error["retryable"], error["details"].get("through")),
                ("AGENT_UNREACHABLE", False, "python"),
            )

    async def test_what_is_done_is_not_cancelled_while_its_effects_are_made(self) -> None:
        queues, entered, gate = self.net._site.queues, asyncio.Event(), asyncio.Event()
        enqueue = queues.enqueue

        async def held(entry: bytes, message: bytes) -> Any:
            entered.set()
            await gate.wait()
            return await enqueue(entry, message)

        async def book(data: Any, context: Context) -> str:
            context.send("agent:js", "SAVE", 1)
            return "booked"

        self.me.handle("book", book)
        call = self.me._call(None, "agent:python", "book", None)
        queues.enqueue = held  # type: ignore[method-assign]
        await entered.wait()
        self.assertEqual(await self.me.request("agent:js", "cancel", call.operation), "too-late")
        gate.set()
        self.assertEqual(await call.answer, "booked")

    async def test_whoever_surveys_is_told_what_goes_on(self) -> None:
        self.me.handle("double", lambda n, context: n * 2)
        self.me.handle("break", lambda data, context: 1 / 0)
        for name in ("double", "double", "break"):
            await self.order("ask", name, 2)
        processes = await self.me.request("agent:js", "activity")
        mine = next(it for it in processes if it["instance"] == self.net._site.instance)
        self.assertGreater(mine["joinedForMs"], 0)
        self.assertEqual((mine["counters"]["started"], mine["counters"]["requests"]), (3, 4))
        [agent] = mine["agents"]
        self.assertEqual((agent["id"], agent["handled"], agent["failed"]), ("python", 2, 1))
        self.assertGreaterEqual(agent["p99Ms"], agent["p50Ms"])

    async def test_a_deadline_ends_a_handler(self) -> None:
        async def stall(data: Any, context: Context) -> None:
            await asyncio.Event().wait()

        self.me.handle("stall", stall)
        answer = await self.order("ask", "stall", deadlineMs=100)
        self.assertEqual(answer["error"]["code"], "TIMEOUT")

    async def test_requests_in_a_circle_are_refused(self) -> None:
        async def bounce(data: Any, context: Context) -> Any:
            back = {"to": "agent:python", "name": "bounce", "data": None}
            return await context.request("agent:js", "forward", back)

        self.me.handle("bounce", bounce)
        error = await self.refused("LOOP_DETECTED", self.me.request("agent:python", "bounce"))
        self.assertEqual(len(error.details["path"]), 6)

    async def test_what_waits_for_a_handler_goes_by_priority_of_arrival_and_is_limited(
        self,
    ) -> None:
        small = await self.net.agent("small", capacity=1, waiting_max=1)
        gate = asyncio.Event()

        async def wait(data: Any, context: Context) -> Any:
            await gate.wait()
            return data

        small.handle("wait", wait)
        first, second = (
            asyncio.create_task(self.order("ask", "wait", n, to="agent:small")) for n in (1, 2)
        )
        while small._load < 2:
            await asyncio.sleep(0.01)
        third = await self.order("ask", "wait", 3, to="agent:small")
        self.assertEqual(third["error"]["code"], "QUEUE_FULL")
        gate.set()
        self.assertEqual([await first, await second], [{"value": 1}, {"value": 2}])


class Presence(FabricTest):
    async def test_each_sees_the_agents_of_the_other(self) -> None:
        [card] = self.net.find("skill:greet.fr")
        self.assertEqual((card["id"], card["type"], card["status"]), ("js", "js", "active"))
        agent = await self.net.agent("translator", type="pool", capabilities=["translate.fr"])
        self.assertEqual(
            await self.me.request("agent:js", "find", {"capability": "translate.fr"}),
            ["translator"],
        )
        await agent.close()
        while await self.me.request("agent:js", "find", {"type": "pool"}) != []:
            await asyncio.sleep(0.01)

    async def test_an_id_is_there_once(self) -> None:
        await self.refused("CONFLICT", self.net.agent("python"))

    async def test_what_is_closed_says_so(self) -> None:
        net = await join(shared().url)
        agent = await net.agent("brief")
        await net.close()
        await net.close()
        self.assertEqual(net.status, "closed")
        for work in (
            agent.request("agent:js", "greet"),
            agent.send("agent:js", "SAVE"),
            agent.publish("market.gold"),
            agent.subscribe("market.*", print),
            net.agent("late"),
        ):
            await self.refused("CLOSED", work)
        await agent.close()

    async def test_spaces_are_apart(self) -> None:
        async with await join(shared().url, space="apart") as net:
            alone = await net.agent("alone")
            self.assertEqual([card["id"] for card in net.find()], ["alone"])
            await self.refused("AGENT_UNREACHABLE", alone.request("agent:js", "greet"))
            alone.handle("greet", lambda name, context: name)
            await alone.ready()
            receipt = await alone.send("agent:alone", "greet", "me")
            self.assertEqual((await receipt.settled()).result, "me")


class Streams(FabricTest):
    async def test_a_stream_of_javascript_is_read(self) -> None:
        words = [f"word {n}" for n in range(250)]
        stream = self.me.stream("agent:js", "story", words, window=10)
        self.assertEqual([word async for word in stream], words)
        self.assertEqual(await stream.result(), "the end")

    async def test_a_stream_of_python_is_read(self) -> None:
        async def count(to: int, context: Context) -> AsyncIterator[int]:
            for n in range(1, to + 1):
                yield n
            context.result = "the end"

        self.me.handle("count", count)
        answer = await self.order("read", "count", 250, window=10)
        self.assertEqual(answer, {"chunks": list(range(1, 251)), "value": "the end"})
        error = (await self.order("ask", "count", 3))["error"]
        self.assertEqual(error["code"], "UNSUPPORTED")

    async def test_a_stream_that_its_reader_has_left_ends_where_nobody_grants_more(self) -> None:
        gone, ended = asyncio.Event(), asyncio.Event()

        async def write(data: Any, context: Context) -> AsyncIterator[int]:
            try:
                yield 0
                await gone.wait()
                for n in range(1, 100):
                    yield n
            finally:
                ended.set()

        self.me.handle("write", write)
        answer = await self.order("read and leave", "write")
        self.assertEqual(answer["error"]["code"], "TIMEOUT")
        gone.set()
        await ended.wait()

    async def test_a_writer_in_python_runs_a_window_ahead_and_ends_when_its_reader_leaves(
        self,
    ) -> None:
        written: list[int] = []
        left = asyncio.Event()

        async def endless(data: Any, context: Context) -> AsyncIterator[int]:
            try:
                while True:
                    written.append(len(written))
                    yield len(written)
            finally:
                left.set()

        self.me.handle("endless", endless)
        self.assertEqual(await self.order("read some", "endless"), 1)
        await left.wait()
        self.assertLessEqual(len(written), 6)

    async def test_a_writer_in_javascript_ends_when_its_reader_leaves(self) -> None:
        events: asyncio.Queue[Any] = asyncio.Queue()
        await self.me.subscribe("endless.left", lambda data, message: events.put(data))
        async with self.me.stream("agent:js", "endless", "endless.left", window=4) as stream:
            async for n in stream:
                if n == 20:
                    break
        self.assertLessEqual(stream.received, 24)
        self.assertEqual(await events.get(), "left")

    async def test_a_slow_reader_is_no_silent_writer(self) -> None:
        read = []
        async for word in self.me.stream(
            "agent:js", "story", ["a", "b", "c", "d"], window=2, timeout=3
        ):
            read.append(word)
            if word == "a":
                await asyncio.sleep(3.3)
        self.assertEqual(read, ["a", "b", "c", "d"])

    async def test_a_failure_comes_behind_the_chunks_before_it(self) -> None:
        async def fail(data: Any, context: Context) -> AsyncIterator[int]:
            yield 1
            raise ColloquyError("FORBIDDEN", "no more")

        self.me.handle("fail", fail)
        answer = await self.order("read", "fail")
        self.assertEqual((answer["chunks"], answer["error"]["code"]), ([1], "FORBIDDEN"))


class Events(FabricTest):
    async def test_events_travel_both_ways_and_within_the_process(self) -> None:
        events: asyncio.Queue[Any] = asyncio.Queue()

        async def on_event(data: Any, message: Any) -> None:
            await events.put((message.name, data, message.sender.agent))

        subscription = await self.me.subscribe("market.*", on_event)
        await self.me.request("agent:js", "publish", {"topic": "market.gold", "data": 4_071})
        self.assertEqual(await events.get(), ("market.gold", 4_071, "js"))
        await self.me.publish("market.oil", {"price": 63})
        self.assertEqual(await events.get(), ("market.oil", {"price": 63}, "python"))
        await self.me.publish("market.oil.brent", 64)
        await subscription.cancel()
        await self.me.publish("market.oil", 65)
        self.assertTrue(events.empty())

        await self.me.request("agent:js", "hear", "weather.>")
        await self.me.publish("weather.north.wind", 7)
        while not (heard := await self.me.request("agent:js", "heard")):
            pass
        self.assertEqual(heard, [["weather.north.wind", 7]])
        await self.refused("INVALID_ADDRESS", self.me.publish("no topic"))

    async def test_a_handler_of_events_may_end_its_subscription_and_goes_on(self) -> None:
        answers: asyncio.Queue[Any] = asyncio.Queue()

        async def once(data: Any, message: Any) -> None:
            await subscription.cancel()
            answers.put_nowait(await self.me.request("agent:js", "echo", data))

        subscription = await self.me.subscribe("once.only", once)
        await self.me.publish("once.only", 1)
        await self.me.publish("once.only", 2)
        self.assertEqual(await answers.get(), 1)
        await self.me.request("agent:js", "echo")
        self.assertTrue(answers.empty())


class Commands(FabricTest):
    async def test_a_command_to_javascript_has_a_receipt_and_an_outcome(self) -> None:
        receipt = await self.me.send("agent:js", "SAVE", {"page": b"\x00"})
        self.assertFalse(receipt.duplicate)
        outcome = await receipt.settled()
        saved = {"value": {"page": b"\x00"}, "attempt": 1, "from": "python"}
        self.assertEqual((outcome.state, outcome.result), ("done", saved))
        self.assertEqual(await self.net.track(receipt.id).state(), outcome)
        self.assertEqual(await receipt.cancel(), "too-late")
        outcome = await (await self.me.send("type:js", "REFUSE")).settled()
        self.assertEqual(
            (outcome.state, outcome.error and outcome.error.code), ("dead", "HANDLER_FAILED")
        )
        await self.refused("NO_ELIGIBLE_AGENT", self.me.send("agent:nobody", "SAVE"))

    async def test_exactly_once_is_stored_once(self) -> None:
        id = f"once-{time.time_ns()}"
        options = {
            "guarantee": "exactly-once",
            "id": id,
            "priority": "high",
            "key": "a",
            "ttl": 600,
            "deadline": 600,
        }
        first, second = [
            await self.me.send("agent:js", "SAVE", n, deliver_in=0, **options) for n in (1, 2)
        ]
        self.assertEqual((first.duplicate, second.duplicate), (False, True))
        self.assertEqual(first.id, second.id)
        self.assertEqual((await second.settled()).result["value"], 1)

    async def test_commands_to_python_are_handled_and_tried_again(self) -> None:
        attempts: list[int] = []

        def mail(data: Any, context: Context) -> Any:
            attempts.append(context.attempt)
            if context.attempt < 3:
                raise OSError("busy")
            return {"sent": data}

        self.me.handle("MAIL", mail)
        await self.me.ready()
        outcome = await self.order("send", "MAIL", "welcome")
        self.assertEqual(outcome, {"value": {"state": "done", "result": {"sent": "welcome"}}})
        self.assertEqual(attempts, [1, 2, 3])

    async def test_outcomes_that_are_not_done(self) -> None:
        def refuse(data: Any, context: Context) -> Any:
            raise ColloquyError("FORBIDDEN", "never")

        def fail(data: Any, context: Context) -> Any:
            raise ValueError("always")

        self.me.handle("REFUSE", refuse)
        self.me.handle("FAIL", fail)
        await self.me.ready()
        states = {}
        for name in ("REFUSE", "FAIL", "UNKNOWN"):
            outcome = await (await self.me.send("agent:python", name)).settled()
            states[name] = (outcome.state, outcome.error and outcome.error.code)
        self.assertEqual(states["REFUSE"], ("failed", "FORBIDDEN"))
        self.assertEqual(states["FAIL"], ("dead", "HANDLER_FAILED"))
        self.assertEqual(states["UNKNOWN"], ("failed", "NO_HANDLER"))

    async def test_a_command_is_cancelled_while_it_runs_and_rescinded_before(self) -> None:
        started = asyncio.Event()

        async def stall(data: Any, context: Context) -> None:
            started.set()
            await asyncio.Event().wait()

        self.me.handle("STALL", stall)
        await self.me.ready()
        receipt = await self.me.send("type:python", "STALL")
        await started.wait()
        self.assertEqual(await receipt.rescind(), "too-late")
        await receipt.cancel()
        outcome = await receipt.settled()
        self.assertEqual(
            (outcome.state, outcome.error and outcome.error.code), ("cancelled", "CANCELLED")
        )
        receipt = await self.me.send("type:python", "STALL", deadline=3)
        self.assertEqual((await receipt.settled()).state, "cancelled")
        later = await self.me.send("type:python", "STALL", deliver_in=3_600)
        self.assertEqual(await later.rescind(), "rescinded")
        self.assertEqual((await later.settled()).state, "rescinded")

    async def test_a_command_whose_time_has_passed_is_not_started(self) -> None:
        small = await self.net.agent("small", capacity=1)
        gate = asyncio.Event()
        small.handle("WAIT", lambda data, context: gate.wait())
        await small.ready()
        first = await self.me.send("agent:small", "WAIT")
        second = await self.me.send("agent:small", "WAIT", ttl=0.05)
        await asyncio.sleep(0.1)
        gate.set()
        self.assertEqual((await first.settled()).state, "done")
        self.assertEqual((await second.settled()).state, "expired")

    async def test_a_command_whose_process_leaves_goes_to_another(self) -> None:
        started = asyncio.Event()

        async def stall(data: Any, context: Context) -> None:
            started.set()
            await asyncio.Event().wait()

        leaving = await join(shared().url)
        first = await leaving.agent("first", type="pool")
        first.handle("MOVE", stall)
        await first.ready()
        receipt = await self.me.send("type:pool", "MOVE", "on")
        await started.wait()
        second = await self.net.agent("second", type="pool")
        second.handle("MOVE", lambda data, context: [data, context.attempt])
        await second.ready()
        await leaving.close(drain=0)
        self.assertEqual(await receipt.settled(), ("done", ["on", 1], None))

    async def test_a_closing_agent_ends_what_it_has_begun_and_gives_back_the_rest(self) -> None:
        gate, started = asyncio.Event(), asyncio.Event()

        async def wait(data: Any, context: Context) -> Any:
            started.set()
            await gate.wait()
            return ["first", data]

        pool: Any = {"type": "drained", "capabilities": ["drain"], "capacity": 1}
        leaving = await join(shared().url)
        first = await leaving.agent("slow", **pool)
        first.handle("MOVE", wait)
        await first.ready()
        begun = await self.me.send("type:drained", "MOVE", 1)
        await started.wait()
        waiting = await self.me.send("skill:drain", "MOVE", 2)
        while first._load < 2:
            await asyncio.sleep(0.01)
        second = await self.net.agent("quick", **pool)
        second.handle("MOVE", lambda data, context: ["second", data])
        await second.ready()
        closing = asyncio.create_task(leaving.close(drain=60))
        self.assertEqual((await waiting.settled()).result, ["second", 2])
        later = [await self.me.send("type:drained", "MOVE", n) for n in range(5)]
        self.assertEqual(
            [(await it.settled()).result for it in later], [["second", n] for n in range(5)]
        )
        self.assertFalse(closing.done())
        gate.set()
        await closing
        self.assertEqual((await begun.settled()).result, ["first", 1])

    async def test_what_a_handler_stages_happens_with_its_end_or_not_at_all(self) -> None:
        events: list[Any] = []
        saved: list[Any] = []

        async def book(data: Any, context: Context) -> str:
            context.publish("booked", context.attempt)
            context.send("agent:python", "KEEP", context.attempt)
            if context.attempt == 1:
                raise OSError("after staging")
            return "booked"

        self.me.handle("BOOK", book)
        self.me.handle(
            "KEEP", lambda data, context: saved.append([data, len(context.message.path or ())])
        )
        await self.me.ready()
        async with await join(shared().url) as net:
            listener = await net.agent("listener")
            heard: asyncio.Queue[Any] = asyncio.Queue()
            await listener.subscribe("booked", lambda data, message: heard.put(data))
            outcome = await (await self.me.send("agent:python", "BOOK")).settled()
            self.assertEqual((outcome.state, outcome.result), ("done", "booked"))
            self.assertEqual(await heard.get(), 2)
            while not saved:
                await asyncio.sleep(0.01)
            self.assertEqual((saved, heard.qsize()), ([[2, 1]], 0))


if __name__ == "__main__":
    unittest.main()
