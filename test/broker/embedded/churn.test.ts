/** Steady coming and going of rows. Promise G21. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import type { Write } from "../../../src/broker/engine/storage.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { contentOf, openedStorage, temporaryDirectory } from "./stores.ts";

/** COLLOQUY_ROWS=500000000 for a soak. */
const rows = Number(process.env["COLLOQUY_ROWS"] ?? 1_000_000);
const rowsLive = 4_096;
const rowsPerGroup = 256;

test(`G21: ${rows} rows that come and go: the file stays within twice what is live`, {
  timeout: Math.max(30_000, rows / 10),
}, () => {
  const directory = temporaryDirectory();
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
