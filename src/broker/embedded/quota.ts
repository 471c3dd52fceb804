/**
 * A limit on the database file that is narrower than the disk. The last part of it is kept for work
 * that makes room: without it a full store could not even settle what it has.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { StorageShortage, Write } from "../engine/storage.ts";
import { storeError } from "./failure.ts";
import { pragma } from "./pragmas.ts";

const bytesMin = 2 ** 18;
const reserveShare = 1 / 8;
const reservePagesMin = 32;

export class Quota {
  readonly #pagesMax: number;
  readonly #pageBytes: number;
  readonly #reservePages: number;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;

  /** @throws INVALID_OPTION when `bytesMax` is too small to work with. */
  constructor(database: DatabaseSync, bytesMax: number) {
    if (!(Number.isSafeInteger(bytesMax) && bytesMax >= bytesMin)) {
      const message = `bytesMax: ${bytesMax}, must be a whole number, ${bytesMin} or more`;
      throw new ColloquyError("INVALID_OPTION", message, {
        details: { bytesMax, least: bytesMin },
      });
    }
    this.#pageBytes = pragma(database, "page_size") as number;
    this.#pagesMax = Math.floor(bytesMax / this.#pageBytes);
    this.#reservePages = Math.max(reservePagesMin, Math.floor(this.#pagesMax * reserveShare));
    this.#pages = database.prepare("PRAGMA page_count");
    this.#freePages = database.prepare("PRAGMA freelist_count");
    database.exec(`PRAGMA max_page_count = ${this.#pagesMax}`);
  }

  /** Set when only the reserve is left; what was under way then may still take half of it. */
  get shortage(): StorageShortage | undefined {
    const left = this.#pagesMax - this.#pagesUsed();
    if (left > this.#reservePages) return undefined;
    const [value, free] = [this.#reservePages, left].map((pages) => pages * this.#pageBytes);
    return { limit: "bytesMax", value: value as number, free: free as number };
  }

  /** @throws STORE_FAILED ("disk-full") for a group that only adds, when half the reserve is left. */
  admit(writes: readonly Write[]): void {
    if (writes.some(({ table, value }) => value === undefined || table === "settled")) return;
    const used = this.#pagesUsed();
    let needed = 0;
    for (const { value } of writes) needed += 1 + (value?.length ?? 0) / this.#pageBytes;
    if (used + needed > this.#pagesMax - this.#reservePages / 2) {
      throw storeError("disk-full", { limit: "bytesMax", pagesMax: this.#pagesMax, pages: used });
    }
  }

  #pagesUsed(): number {
    const pages = Number(this.#pages.get()?.["page_count"]);
    return pages - Number(this.#freePages.get()?.["freelist_count"]);
  }
}
