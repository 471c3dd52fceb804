/** Steady coming and going, of rows and of messages. Promise G21. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Delivery } from "../../../src/broker/broker.ts";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { openEngine } from "../../../src/broker/engine/engine.ts";
import type { Write } from "../../../src/broker/engine/storage.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { extent } from "../../support/extent.ts";
import { contentOf, openedStorage, temporaryDirectory } from "./stores.ts";

/** COLLOQUY_ROWS=500000000 for a soak. */
const rows = Number(process.env["COLLOQUY_ROWS"] ?? extent({ ci: 1_000_000, here: 200_000 }));
const rowsLive = 4_096;
const rowsPerGroup = 256;

test(`G21: ${rows} rows that come and go: the file stays within twice what is live`, {
  timeout: Math.max(30_000, rows / 10),
}, () => {
  const directory = temporaryDirectory("memory");
  const random = new SeededRandom(21);
  const storage = openSqliteStorage(directory, { durability: "process" });
  const lengths: number[] = [];
  let bytesLive = 0;
  for (let added = 0, removed = 0; added < rows; ) {
    const group: Write[] = [];
    for (const end = added + rowsPerGroup; added < end; added++) {
      const length = 100 + (random.uint32() % 400);
      lengths.push(length);
      bytesLive += length;
      const value = new Uint8Array(length);
      group.push({ table: "page", a: 4 + (added % 8), b: added, value });
    }
    for (; added - removed > rowsLive; removed++) {
      bytesLive -= lengths[removed] as number;
      group.push({ table: "page", a: 4 + (removed % 8), b: removed, value: undefined });
    }
    storage.commit(group);
    if (storage.checkpointDue) storage.checkpoint();
  }
  expect(contentOf(storage).size).toBe(rowsLive);
  storage.close();
  const { size } = statSync(join(directory, "store.sqlite"));
  expect(size).toBeLessThan(2 * bytesLive);
  openedStorage(directory);
});

/** So many wait at any time, and are looked through from time to time. */
const waitingMin = 2_048;
const messagesPerBatch = 256;
const batchesPerLook = 32;
const messages = rows / 20;

test(`G21: ${messages} messages of 100 B to 1 MB that come and go, with readers: the file stays within twice the most that lived`, {
  timeout: Math.max(60_000, rows / 2),
}, async () => {
  const directory = temporaryDirectory("memory");
  const random = new SeededRandom(21);
  const storage = openSqliteStorage(directory, { durability: "process" });
  const engine = openEngine({ storage, clock: systemClock, random, name: "churn" });
  const { queues } = engine.connect("churn");
  await queues.declare(["work"]);
  const ending = new AbortController();
  const options = { credit: messagesPerBatch, consumer: "reader" };
  const deliveries = queues.receive("work", options, ending.signal)[Symbol.asyncIterator]();
  let [bytesLive, bytesMost, sent, done, browsed] = [0, 0, 0, 0, 0];
  const size = (): number => {
    const draw = random.uint32();
    return draw % 400 === 0 ? 10_000 + (draw % 990_001) : 100 + (draw % 400);
  };
  const settle = async (batch: readonly Delivery[]): Promise<void> => {
    await queues.settle(batch.map((delivery) => ({ ...delivery, outcome: { kind: "done" } })));
    for (const { frame } of batch) bytesLive -= frame.length;
    done += batch.length;
  };
  while (sent < messages) {
    const batch = Array.from({ length: messagesPerBatch }, () => {
      const frame = new Uint8Array(size());
      bytesLive += frame.length;
      return { frame, lane: 2, guarantee: "at-least-once", id: `${sent++}` } as const;
    });
    bytesMost = Math.max(bytesMost, bytesLive);
    await queues.enqueue("work", batch);
    while (sent - done > waitingMin) await settle((await deliveries.next()).value);
    if ((sent / messagesPerBatch) % batchesPerLook !== 0) continue;
    for await (const stored of queues.browse("work", {}, ending.signal)) browsed += stored.length;
  }
  ending.abort();
  await engine.close();
  const file = statSync(join(directory, "store.sqlite"));
  expect(browsed).toBeGreaterThan(messages / 10_000);
  expect(file.size).toBeLessThan(2 * bytesMost);
  openedStorage(directory);
});
