import { expect, test } from "vitest";
import type { Delivery } from "../../src/broker/broker.ts";
import { defaultLimits } from "../../src/broker/engine/limits.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";

const message = (frame: Uint8Array) =>
  ({ frame, lane: 2, guarantee: "at-least-once", id: "id" }) as const;

test("a memory broker claims no durability, and says which limit an option breaks", async () => {
  const broker = openMemoryBroker({ name: "here" });
  expect(broker.name).toBe("here");
  expect(broker.capabilities.durability).toMatchObject({ level: "none", verified: true });
  expect(broker.capabilities.frameBytesMax).toBe(defaultLimits.frameBytesMax);
  await broker.close();
  for (const limits of [{ crashesMax: 0 }, { groupBytesMax: 1.5 }, { nonsense: 1 }]) {
    expect(() => openMemoryBroker({ limits: limits as never })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  }
  expect(() => openMemoryBroker({ bytesMax: -1 })).toThrow(/bytesMax: -1/);
});

test("it refuses what goes beyond its memory, and takes more when some is settled", async () => {
  const broker = openMemoryBroker({ bytesMax: 100_000 });
  await broker.queues.declare(["work"]);
  const frame = new Uint8Array(10_000);
  const kinds: string[] = [];
  for (let count = 0; count < 12; count++) {
    const [outcome] = await broker.queues.enqueue("work", [message(frame)]);
    kinds.push(outcome?.kind ?? "none");
  }
  expect(kinds.indexOf("rejected")).toBe(9);
  const controller = new AbortController();
  const receiving = broker.queues.receive("work", { credit: 5, consumer: "c" }, controller.signal);
  for await (const batch of receiving) {
    await broker.queues.settle(
      batch.map((each) => ({ ...each, outcome: { kind: "done" } as const })),
    );
    controller.abort();
  }
  expect(await broker.queues.enqueue("work", [message(frame)])).toMatchObject([{ kind: "stored" }]);
  await broker.close();
});

test("a dead letter without an error is refused, and its neighbours are buried and listed", async () => {
  const broker = openMemoryBroker();
  const { signal } = new AbortController();
  await broker.queues.declare(["work"]);
  await broker.queues.enqueue("work", [message(new Uint8Array(1)), message(new Uint8Array(2))]);
  const error = { code: "HANDLER_FAILED", message: "no", retryable: false } as const;
  const held: Delivery[] = [];
  for await (const batch of broker.queues.receive("work", { credit: 2, consumer: "c" }, signal)) {
    held.push(...batch);
    if (held.length < 2) continue;
    const settled = await broker.queues.settle([
      { ...(held[0] as Delivery), outcome: { kind: "dead", error: undefined as never } },
      { ...(held[1] as Delivery), outcome: { kind: "dead", error } },
    ]);
    expect(settled).toMatchObject([
      { kind: "refused", error: { code: "INVALID_OPTION", details: { field: "error" } } },
      { kind: "settled" },
    ]);
    break;
  }
  const errors: unknown[] = [];
  for await (const letters of broker.queues.deadLetters({}, signal)) {
    errors.push(...letters.map((letter) => letter.error));
  }
  expect(errors).toEqual([error]);
  await broker.close();
});

test("broker objects of one memory broker share it; each is closed on its own", async () => {
  const broker = openMemoryBroker();
  const other = broker.connect("other");
  await broker.queues.declare(["work"]);
  await broker.close();
  await broker.close();
  expect(await other.queues.mailboxes()).toMatchObject([{ queue: "work" }]);
  await expect(broker.queues.mailboxes()).rejects.toMatchObject({ code: "CLOSED" });
  const statuses: string[] = [];
  for await (const { kind } of broker.statuses(new AbortController().signal)) statuses.push(kind);
  expect(statuses).toEqual(["closed"]);
  await other.close();
  await expect(other.queues.mailboxes()).rejects.toMatchObject({ code: "CLOSED" });
});
