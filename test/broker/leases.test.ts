/** What a living process holds is its own, for however many leases, and whoever else receives. */
import { expect, onTestFinished, test } from "vitest";
import type { Broker, Delivery } from "../../src/broker/broker.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import { openAt } from "../support/servers/servers.ts";

const timeout = 60_000;
/** Of who is to hold something for longer than that, on a machine that may stand still for a while. */
const leaseMs = 2_000;
const shortMs = 500;
const message = { frame: Uint8Array.of(1), lane: 2, guarantee: "at-least-once", id: "m" } as const;

overEachServer((server) => {
  const open = async (place: string, lease: number) => {
    const broker = await openAt((await server()).placeUrl(place, lease));
    onTestFinished(() => broker.close());
    return broker;
  };

  test("a delivery is held for several leases", { timeout }, async () => {
    const [holder, other] = [await open("leases", leaseMs), await open("leases", leaseMs)];
    await holder.queues.declare(["q"]);
    const held = receive(holder);
    await holder.queues.enqueue("q", [message]);
    await expect.poll(() => held.length, { timeout }).toBe(1);
    const elsewhere = receive(other);
    await passes(3 * leaseMs);
    expect([held.length, elsewhere.length]).toEqual([1, 0]);
    await settleAll(holder, held);
  });

  test("a long lease is kept where others come with a short one", { timeout }, async () => {
    const holder = await open("long-short", 600_000);
    await holder.queues.declare(["q"]);
    const held = receive(holder);
    await holder.queues.enqueue("q", [message]);
    await expect.poll(() => held.length, { timeout }).toBe(1);
    const entry = { key: "bound", value: Uint8Array.of(1), volatile: true, bound: true } as const;
    await holder.store?.put([{ ...entry, ttlMs: 600_000 }]);
    // Others find that it has not shown itself for longer than they would be silent.
    await passes(shortMs);
    const elsewhere = receive(await open("long-short", shortMs));
    await passes(4 * shortMs);
    expect([held.length, elsewhere.length]).toEqual([1, 0]);
    expect(await holder.store?.get(["bound"])).toMatchObject([{ key: "bound" }]);
    await settleAll(holder, held);
  });
});

function receive({ queues }: Broker): readonly Delivery[] {
  const received: Delivery[] = [];
  const leaving = new AbortController();
  const ended = (async () => {
    const options = { credit: 10, consumer: "c" };
    for await (const batch of queues.receive("q", options, leaving.signal)) received.push(...batch);
  })();
  onTestFinished(async () => {
    leaving.abort();
    await ended;
  });
  return received;
}

async function settleAll({ queues }: Broker, held: readonly Delivery[]): Promise<void> {
  const settlements = held.map((each) => ({ ...each, outcome: { kind: "done" } as const }));
  expect(await queues.settle(settlements)).toEqual(held.map(() => ({ kind: "settled" })));
}

function passes(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
