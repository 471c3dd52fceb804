/** What waits for its time or its turn comes by itself: no sign of life makes up for what was not told. */
import { expect, onTestFinished, test } from "vitest";
import type { Broker, Delivery, QueuedMessage } from "../../src/broker/broker.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import { openAt } from "../support/servers/servers.ts";

const timeout = 60_000;
/** Signs of life are further apart than a test lasts. */
const leaseMs = 600_000;
const hourMs = 3_600_000;
const text = (data: Uint8Array) => new TextDecoder().decode(data);

function message(content: string, more: Partial<QueuedMessage> = {}): QueuedMessage {
  const frame = new TextEncoder().encode(content);
  return { frame, lane: 2, guarantee: "at-least-once", id: content, ...more };
}

overEachServer((server) => {
  let places = 0;
  const open = async (): Promise<Broker> => {
    const there = await server();
    const broker = await openAt(there.placeUrl(`waiting-${++places}`, leaseMs));
    onTestFinished(() => broker.close());
    await broker.queues.declare(["q"]);
    return broker;
  };
  const receive = ({ queues }: Broker): readonly Delivery[] => {
    const received: Delivery[] = [];
    const leaving = new AbortController();
    const ended = (async () => {
      const options = { credit: 10, consumer: "c" };
      for await (const batch of queues.receive("q", options, leaving.signal)) {
        received.push(...batch);
      }
    })();
    onTestFinished(async () => {
      leaving.abort();
      await ended;
    });
    return received;
  };

  test("what is due soon comes soon, whatever is sent for later", { timeout }, async () => {
    const broker = await open();
    const received = receive(broker);
    await broker.queues.enqueue("q", [message("now")]);
    await expect.poll(() => received.length, { timeout }).toBe(1);
    const send = (content: string, delayMs: number) =>
      broker.queues.enqueue("q", [message(content, { notBeforeMs: Date.now() + delayMs })]);
    await send("soon", 1_000);
    await send("later", hourMs);
    await expect.poll(() => received.length, { timeout }).toBe(2);
    expect(received.map(({ frame }) => text(frame))).toEqual(["now", "soon"]);
  });

  test("what has expired in the line of a key makes way, however much it is", {
    timeout,
  }, async () => {
    const broker = await open();
    const received = receive(broker);
    await broker.queues.enqueue("q", [message("held", { key: "k" })]);
    await expect.poll(() => received.length, { timeout }).toBe(1);
    const expiresAtMs = Date.now() + 1_000;
    const stale = Array.from({ length: 30 }, (_, index) =>
      message(`stale ${index}`, { key: "k", expiresAtMs }),
    );
    await broker.queues.enqueue("q", [...stale, message("next", { key: "k" })]);
    // By the clock of the server, of which a client knows only nearly what it says.
    await expect.poll(() => Date.now(), { timeout }).toBeGreaterThan(expiresAtMs + 500);
    const settlements = received.map((each) => ({ ...each, outcome: { kind: "done" } as const }));
    await broker.queues.settle(settlements);
    await expect.poll(() => received.length, { timeout }).toBe(2);
    expect(received.map(({ frame }) => text(frame))).toEqual(["held", "next"]);
  });
});
