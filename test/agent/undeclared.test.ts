import { type Broker, join, type Network } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { faultyBroker } from "../../src/testing/faulty-broker.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

/** Probability that a call of the broker fails. */
let failure: number;
let clock: VirtualClock;
let network: Network;
const errors: unknown[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (error: unknown) => unhandled.push(error);

beforeEach(async () => {
  failure = 0;
  errors.length = 0;
  unhandled.length = 0;
  clock = new VirtualClock();
  const faults = { clock, random: new SeededRandom(1), rates: () => ({ failure }) };
  const broker: Broker = faultyBroker(openMemoryBroker({ clock }), faults);
  const onError = (error: unknown) => errors.push(error);
  network = await clock.until(join({ broker, clock, drainOnSignals: false, onError }));
  process.on("unhandledRejection", onUnhandled);
});

afterEach(async () => {
  process.off("unhandledRejection", onUnhandled);
  failure = 0;
  await clock.until(network.close());
});

test("a mailbox that cannot be declared is reported, and declared as soon as it can be", async () => {
  const agent = await clock.until(network.agent("a"));
  failure = 1;
  agent.handle("work", () => "done");
  await clock.advance(10);
  await new Promise(setImmediate);
  expect(unhandled).toEqual([]);
  expect(errors).toMatchObject([{ code: "STORE_FAILED" }]);
  await expect(clock.until(agent.ready())).rejects.toMatchObject({ code: "STORE_FAILED" });

  failure = 0;
  await clock.advance(1_100);
  await clock.until(agent.ready());
  const receipt = await clock.until(agent.send("agent:a", "work"));
  expect(await clock.until(receipt.settled())).toEqual({ state: "done", result: "done" });
});

test("an agent that closes declares nothing any more", async () => {
  const agent = await clock.until(network.agent("a"));
  failure = 1;
  agent.handle("work", () => "done");
  await clock.advance(10);
  await clock.until(agent.close());
  failure = 0;
  await clock.advance(2_000);
  expect(await clock.until(network.mailboxes.list())).toEqual([]);
});
