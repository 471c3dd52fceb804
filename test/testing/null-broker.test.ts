import { expect, test } from "vitest";
import type { QueuedMessage } from "../../src/broker/broker.ts";
import { withRuntime } from "../../src/broker/runtime.ts";
import { brokerCases } from "../../src/testing/conformance/broker-cases.ts";
import { casesFor } from "../../src/testing/conformance/case.ts";
import { NullBroker } from "../../src/testing/null-broker.ts";

const message: QueuedMessage = {
  frame: new Uint8Array(1),
  lane: 2,
  guarantee: "at-least-once",
  id: "1",
};

// Every client of nothing sees the same nothing.
const connect = () => withRuntime(async () => new NullBroker()).open();
const open = async () => {
  const broker = await connect();
  return { broker, connect, close: () => broker.close() };
};

/** What of the contract can be kept without keeping anything. */
const kept = [
  "a broker has the ports that it says it has",
  "a broker says how durable it is, and why",
  "all clients of a broker say the same of it",
  "the present status comes first, and closed is the last",
  "several may follow the statuses, and each may stop",
  "after close every call is refused with CLOSED",
  "closing again, or twice at once, changes nothing",
  "a subscription under an aborted signal is cancelled",
  "a queue that was never declared takes nothing",
  "nothing enqueued and nothing settled is nothing done",
  "an enqueue under an aborted signal is cancelled",
  "receiving ends without throwing once it is aborted",
  "what was never there is unknown, also to one who waits",
  "browsing a queue that was never declared shows nothing",
  "a key is refused, not ignored",
  "a lane is refused, not ignored",
  "a delay is refused, not ignored",
  "exactly-once is refused, not ignored",
  "a broker without a store says so",
  "a broker without a log says so",
];

const { capabilities } = new NullBroker();
for (const { name, run } of casesFor(capabilities, brokerCases)) {
  if (kept.includes(name)) test(name, () => run(open));
}

test("every refusal that the suite asks for is among them", () => {
  const names = casesFor(capabilities, brokerCases).map(({ name }) => name);
  expect(kept.filter((name) => !names.includes(name))).toEqual([]);
  const refusals = brokerCases.filter(({ lacks }) => lacks.length > 0).map(({ name }) => name);
  expect(refusals.filter((name) => !kept.includes(name))).toEqual([
    "a delayed retry is refused, not ignored",
  ]);
});

test("nothing is heard, stored or found", async () => {
  const broker = new NullBroker();
  let unheard = 0;
  broker.topics.publish([
    { topic: "a", frame: message.frame, onUnheard: () => unheard++ },
    { topic: "b", frame: message.frame },
  ]);
  expect(unheard).toBe(1);
  await broker.queues.declare(["q"]);
  expect(await broker.queues.mailboxes()).toEqual([]);
  const [outcome] = await broker.queues.enqueue("q", [message]);
  expect(outcome).toMatchObject({ kind: "rejected", error: { code: "NO_ELIGIBLE_AGENT" } });
  const claim = { queue: "q", position: 1, fence: 1 };
  const settling = broker.queues.settle([{ ...claim, outcome: { kind: "done" } }]);
  await expect(settling).resolves.toEqual([{ kind: "stale" }]);
  expect([await broker.queues.replay([1]), await broker.queues.purge([1])]).toEqual([0, 0]);
});

test("a receiver of nothing ends when the broker is closed", async () => {
  const broker = new NullBroker();
  const options = { credit: 1, consumer: "waits" };
  const receiving = (async () => {
    for await (const _ of broker.queues.receive("q", options, new AbortController().signal));
  })();
  await broker.close();
  await receiving;
});
