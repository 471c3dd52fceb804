/** Settlements that are stored, while what comes after that fails. */
import { connect } from "@nats-io/transport-node";
import { test as anyTest, expect, onTestFinished } from "vitest";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import type { NatsClient } from "../../../src/broker/nats/client.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing, type Published } from "../support/losing-client.ts";
import { standingClock } from "../support/standing-clock.ts";

const test = anyTest.skipIf(missingServer("nats"));
const bytes = (text: string) => new TextEncoder().encode(text);
const { signal } = new AbortController();

async function entriesOf({ log }: Broker, stream: string): Promise<number> {
  let count = 0;
  for await (const entries of log?.read(stream, 1, {}, signal) ?? []) count += entries.length;
  return count;
}

test("a settlement that is stored is settled, and its effects are made once, though its message cannot be removed", async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const client = await connect({ servers: server.url });
  onTestFinished(() => client.close());
  let isLosing = false;
  const requestTimeoutMs = 300;
  const { clock, skip } = standingClock();
  const loses = ({ subject }: Published) => {
    const removes = ["$JS.ACK.", "$JS.API.STREAM.MSG.DELETE."];
    if (!isLosing || !removes.some((begin) => subject.startsWith(begin))) return false;
    skip(requestTimeoutMs);
    return true;
  };
  const broker = await openNatsBroker({
    client: losing(client as unknown as NatsClient, loses),
    clock,
    requestTimeoutMs,
    leaseMs: 1_000,
  });
  onTestFinished(() => broker.close());
  const { queues } = broker;
  await queues.declare(["jobs"]);
  const message = { frame: bytes("job"), lane: 2, guarantee: "at-least-once", id: "job" } as const;
  await queues.enqueue("jobs", [message]);
  const deliveries: Delivery[] = [];
  const receiving = new AbortController();
  onTestFinished(() => receiving.abort());
  const receiver = queues.receive("jobs", { credit: 1, consumer: "c" }, receiving.signal);
  void (async () => {
    for await (const batch of receiver) deliveries.push(...batch);
  })();
  await expect.poll(() => deliveries.length).toBe(1);
  const [delivery] = deliveries as [Delivery];
  isLosing = true;
  const append = { kind: "append", stream: "ledger", entries: [bytes("booked")] } as const;
  const done = { ...delivery, outcome: { kind: "done" }, effects: [append] } as const;
  const outcomes = [await queues.settle([done]), await queues.settle([done])].flat();
  isLosing = false;
  expect(await entriesOf(broker, "ledger")).toBe(1);
  expect(outcomes.map(({ kind }) => kind)).toEqual(["settled", "settled"]);
  // It comes back when its lease is over, and leaves then.
  const waiting = async () => (await queues.mailboxes())[0]?.waiting;
  await expect.poll(waiting).toBe(0);
  expect(deliveries).toHaveLength(1);
}, 60_000);

test("a settlement that nobody answers is not refused: it may be repeated", async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  // Tried again without a wait.
  const random = { uint32: () => systemRandom.uint32(), float: () => 0 };
  const broker = await openNatsBroker({ servers: server.url, random });
  onTestFinished(() => broker.close());
  const { queues } = broker;
  await queues.declare(["jobs"]);
  const message = { frame: bytes("job"), lane: 2, guarantee: "at-least-once", id: "job" } as const;
  await queues.enqueue("jobs", [message, message]);
  const deliveries: Delivery[] = [];
  const ends = new AbortController();
  onTestFinished(() => ends.abort());
  void (async () => {
    const options = { credit: 2, consumer: "c" };
    for await (const batch of queues.receive("jobs", options, ends.signal)) {
      deliveries.push(...batch);
    }
  })();
  await expect.poll(() => deliveries.length).toBe(2);
  const admin = await connect({ servers: server.url });
  onTestFinished(() => admin.close());
  // As while there is no leader, nobody answers to its subjects.
  const deleted = await admin.request("$JS.API.STREAM.DELETE.colloquy_state", "", {
    timeout: 10_000,
  });
  expect(deleted.json()).toMatchObject({ success: true });
  const effects = [
    { kind: "put", key: "k", value: bytes("1") },
    { kind: "append", stream: "s", entries: [bytes("1")] },
  ] as const;
  const outcomes = await queues.settle(
    deliveries.map((delivery, index) => ({
      ...delivery,
      outcome: { kind: "done" },
      effects: effects.slice(index, index + 1),
    })),
  );
  expect(outcomes).toMatchObject([{ kind: "indeterminate" }, { kind: "indeterminate" }]);
}, 60_000);
