/** What was received before the server was killed is settled after it: a server does not know every delivery again. */
import { test as anyTest, expect, onTestFinished, vi } from "vitest";
import type { Delivery } from "../../../src/broker/broker.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const test = anyTest.skipIf(missingServer("nats"));

test("no answer is waited for that a server which has started again does not give", async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const count = 40;
  // Whoever waited for one would wait for longer than a test may last.
  const broker = await openNatsBroker({ servers: server.url, requestTimeoutMs: 600_000 });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["jobs"]);
  const held: Delivery[] = [];
  const ends = new AbortController();
  onTestFinished(() => ends.abort());
  const receiving = (async () => {
    const options = { credit: count, consumer: "slow" };
    for await (const batch of broker.queues.receive("jobs", options, ends.signal)) {
      held.push(...batch);
    }
  })();
  const messages = Array.from({ length: count }, (_, index) => ({
    frame: Uint8Array.of(index),
    lane: 2 as const,
    guarantee: "at-least-once" as const,
    id: `job ${index}`,
  }));
  const outcomes = await broker.queues.enqueue("jobs", messages);
  expect(outcomes.map(({ kind }) => kind)).toEqual(messages.map(() => "stored"));
  await vi.waitFor(() => expect(held).toHaveLength(count), { timeout: 30_000, interval: 1 });

  const settle = async (deliveries: readonly Delivery[]) => {
    const outcome = { kind: "done" } as const;
    return broker.queues.settle(deliveries.map((delivery) => ({ ...delivery, outcome })));
  };
  const under = settle(held.slice(0, count / 2));
  await server.kill();
  await server.start();
  const after = settle(held.slice(count / 2));
  const settled = [...(await under), ...(await after)];
  expect(settled.map(({ kind }) => kind)).toEqual(held.map(() => "settled"));
  const waiting = async () => (await broker.queues.mailboxes())[0]?.waiting;
  await expect.poll(waiting).toBe(0);
  ends.abort();
  await receiving;
  expect(held).toHaveLength(count);
});
