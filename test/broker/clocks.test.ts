/** Times are told by the clock of the server: that of a process may be wrong, or jump. */
import { expect, onTestFinished, test } from "vitest";
import type { Broker, Delivery, QueuedMessage } from "../../src/broker/broker.ts";
import { openServerBroker } from "../../src/network/server-broker.ts";
import { type Clock, systemClock } from "../../src/runtime/clock.ts";
import { systemRandom as random } from "../../src/runtime/random.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import type { Server } from "../support/servers/server.ts";

const timeout = 60_000;
const hourMs = 3_600_000;
const dueMs = 1_500;
const planted = { code: "HANDLER_FAILED", message: "planted", retryable: true } as const;
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
let places = 0;

/** A broker of a process whose wall clock is ahead by as much as `aheadMs` says. */
async function openAhead(server: Server, aheadMs: () => number): Promise<Broker> {
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs() };
  const broker = await openServerBroker(server.placeUrl(`clocks-${++places}`, 10_000), {
    context: { clock, random, name: "test" },
    tls: undefined,
    token: undefined,
  });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["q"]);
  return broker;
}

function message(content: string, more: Partial<QueuedMessage> = {}): QueuedMessage {
  return { frame: bytes(content), lane: 2, guarantee: "at-least-once", id: content, ...more };
}

/** Everything that has to do with time, by the clock of the server, which is this one's. */
async function assertTimes({ queues, store }: Broker): Promise<void> {
  const received: { readonly content: string; readonly atMs: number }[] = [];
  const retried: number[] = [];
  const receive = async () => {
    for await (const batch of queues.receive("q", { credit: 10, consumer: "c" }, signal)) {
      for (const delivery of batch) await settle(delivery);
    }
  };
  const settle = async (delivery: Delivery) => {
    const content = text(delivery.frame);
    const atMs = Date.now();
    received.push({ content, atMs });
    const isFirst = content === "retried" && delivery.attempts.failures === 0;
    if (isFirst) retried.push(atMs);
    const outcome = isFirst
      ? ({ kind: "retry", delayMs: dueMs, error: planted } as const)
      : ({ kind: "done" } as const);
    await queues.settle([{ ...delivery, outcome }]);
  };
  const nowMs = Date.now();
  await store?.put([{ key: "lasts", value: bytes("x"), ttlMs: hourMs / 2 }]);
  await queues.enqueue("q", [
    message("lasts", { expiresAtMs: nowMs + hourMs / 2 }),
    message("delayed", { notBeforeMs: nowMs + dueMs }),
    message("expired", { expiresAtMs: nowMs - hourMs / 2 }),
    message("retried"),
  ]);
  void receive().catch(() => {});
  await expect.poll(() => received.length, { timeout }).toBe(4);
  const contents = received.map(({ content }) => content);
  expect(contents.toSorted()).toEqual(["delayed", "lasts", "retried", "retried"]);
  const [delayedMs = 0] = received.flatMap((each) =>
    each.content === "delayed" ? [each.atMs] : [],
  );
  expect(delayedMs - nowMs).toBeGreaterThanOrEqual(dueMs);
  const againMs = received.findLast(({ content }) => content === "retried")?.atMs ?? 0;
  expect(againMs - (retried[0] ?? 0)).toBeGreaterThanOrEqual(dueMs);
  expect(await store?.get(["lasts"])).toMatchObject([{ key: "lasts" }]);
}

overEachServer((server) => {
  const hours = [hourMs, -hourMs];

  test("processes may be an hour ahead, or behind", { timeout }, async () => {
    const there = await server();
    const brokers = await Promise.all(hours.map((aheadMs) => openAhead(there, () => aheadMs)));
    await Promise.all(brokers.map(assertTimes));
  });

  test("clocks may jump ahead, or back", { timeout }, async () => {
    const there = await server();
    let jumps = 0;
    const brokers = await Promise.all(
      hours.map((aheadMs) => openAhead(there, () => jumps * aheadMs)),
    );
    jumps = 1;
    await Promise.all(brokers.map(assertTimes));
  });
});
