/** What is kept free, so that a full disk does not stop what is there from ending. Promises G2 and G8. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type {
  Broker,
  Delivery,
  EnqueueOutcome,
  Outcome,
  QueuedMessage,
} from "../../../src/broker/broker.ts";
import { openStoreBroker, type StoreBroker } from "../../../src/broker/embedded/open.ts";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { failureOf } from "./failures.ts";
import { temporaryDirectory } from "./stores.ts";

const frame = new Uint8Array(2_000).fill(7);
const batchSize = 10;

/** A disk of 1 MiB, or undefined where none can be had. */
function tinyDisk(): string | undefined {
  const disk = join(temporaryDirectory(), "disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  onTestFinished(() => void execFileSync("umount", [disk]));
  return disk;
}

function open(directory: string, options?: Parameters<typeof openStoreBroker>[1]): StoreBroker {
  const broker = openStoreBroker(directory, options);
  onTestFinished(() => broker.close());
  return broker;
}

/** Sends batches until one is refused. @returns how many were stored, and the refusal. */
async function fill(broker: Broker): Promise<{ stored: number; refused: EnqueueOutcome }> {
  for (let stored = 0; stored < 1_000_000; ) {
    const batch = Array.from({ length: batchSize }, (_, index): QueuedMessage => {
      return { frame, lane: 2, guarantee: "at-least-once", id: `${stored + index}` };
    });
    const outcomes = await broker.queues.enqueue("jobs", batch);
    const refused = outcomes.find(({ kind }) => kind !== "stored");
    stored += outcomes.filter(({ kind }) => kind === "stored").length;
    if (refused !== undefined) return { stored, refused };
  }
  throw new Error("it was never full");
}

/** Settles whatever is delivered until all `count` are; every third ends as a dead letter. */
async function settleAll(broker: Broker, count: number): Promise<readonly string[]> {
  const ended = new AbortController();
  const kinds: string[] = [];
  const outcomeOf = ({ position }: Delivery): Outcome =>
    position % 3 === 0
      ? {
          kind: "dead",
          error: { code: "HANDLER_FAILED", message: "no", retryable: false },
        }
      : { kind: "done" };
  const options = { consumer: "handler", credit: 64 };
  for await (const batch of broker.queues.receive("jobs", options, ended.signal)) {
    const outcomes = await broker.queues.settle(
      batch.map((delivery) => {
        const { position, fence } = delivery;
        return { queue: "jobs", position, fence, outcome: outcomeOf(delivery) };
      }),
    );
    kinds.push(...outcomes.map(({ kind }) => kind));
    if (kinds.length >= count) break;
  }
  ended.abort();
  return kinds;
}

async function refusedThenSettled(broker: Broker, limit: string): Promise<void> {
  await broker.queues.declare(["jobs"]);
  const { stored, refused } = await fill(broker);
  expect(stored).toBeGreaterThan(50);
  expect(refused).toMatchObject({
    kind: "rejected",
    error: { code: "QUEUE_FULL", retryable: true, details: { limit } },
  });
  const kinds = await settleAll(broker, stored);
  expect(new Set(kinds)).toEqual(new Set(["settled"]));
  expect(kinds).toHaveLength(stored);
  let letters = 0;
  for await (const batch of broker.queues.deadLetters({}, new AbortController().signal)) {
    letters += batch.length;
  }
  expect(letters).toBe(Math.floor(stored / 3));
  // What became free is there for new work.
  expect((await fill(broker)).stored).toBeGreaterThan(10);
}

test("G2, G8: a disk of 1 MiB that is full takes nothing new, settles all that is there, then goes on", {
  timeout: 120_000,
}, async (context) => {
  const disk = tinyDisk();
  if (disk === undefined) return context.skip("needs the right to mount");
  await refusedThenSettled(open(disk), "reserveBytes");
});

test("G2, G8: a quota that is used up does the same", { timeout: 120_000 }, async () => {
  await refusedThenSettled(open(temporaryDirectory(), { bytesMax: 2 ** 20 }), "bytesMax");
});

test("a disk that others fill is noticed, and again when they have gone", async (context) => {
  const disk = tinyDisk();
  if (disk === undefined) return context.skip("needs the right to mount");
  const broker = open(disk);
  await broker.queues.declare(["jobs"]);
  const message: QueuedMessage = { frame, lane: 2, guarantee: "at-least-once", id: "" };
  const others = join(disk, "others");
  writeFileSync(others, new Uint8Array(600_000));
  let kinds: readonly string[] = [];
  for (let count = 0; count < 200 && !kinds.includes("rejected"); count++) {
    kinds = (await broker.queues.enqueue("jobs", [message])).map(({ kind }) => kind);
  }
  expect(kinds).toEqual(["rejected"]);
  writeFileSync(others, "");
  expect(await broker.queues.enqueue("jobs", [message])).toMatchObject([{ kind: "stored" }]);
});

test("where there is little room, entries are still renewed and deleted, and none is added", async (context) => {
  const disk = tinyDisk();
  if (disk === undefined) return context.skip("needs the right to mount");
  const broker = open(disk, { reserveBytes: 2 ** 30 });
  const value = Uint8Array.of(1);
  const refused = { kind: "rejected", error: { code: "QUEUE_FULL" } };
  expect(await broker.store?.put([{ key: "a", value }])).toMatchObject(refused);
  expect(await broker.log?.append("history", [value])).toMatchObject(refused);
  expect(await broker.store?.put([{ key: "a", value, volatile: true }])).toMatchObject({
    kind: "stored",
  });
  await broker.close();
  const before = open(disk, { reserveBytes: 0 });
  await before.store?.put([{ key: "lock", value }]);
  await before.close();
  const again = open(disk, { reserveBytes: 2 ** 30 });
  expect(await again.store?.put([{ key: "lock", value, ttlMs: 1_000 }])).toMatchObject({
    kind: "stored",
  });
  expect(await again.store?.put([{ key: "lock" } as never])).toMatchObject({ kind: "stored" });
});

test("reserveBytes that is no whole number is refused", () => {
  for (const reserveBytes of [-1, 1.5, Number.NaN]) {
    const directory = temporaryDirectory();
    const failure = failureOf(() => openSqliteStorage(directory, { reserveBytes }));
    expect(failure?.code).toBe("INVALID_OPTION");
    expect(failure?.message).toContain(`reserveBytes: ${reserveBytes}`);
  }
});
