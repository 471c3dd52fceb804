/**
 * The pages of one lane that are in memory, and messages read out of them. A page is one object for as
 * long as anything refers to it, because its settle bits are changed in place.
 */
import { HashTable } from "../../runtime/hash-table.ts";
import type { Lane } from "../broker.ts";
import { Page } from "./page.ts";
import { laneKey, returnedKey, returnedPage } from "./returned.ts";
import { Slot } from "./slot.ts";
import type { NumberedRow, Storage } from "./storage.ts";

const scanRows = 64;
const scanBytes = 2 ** 19;
/** Pages that single messages were read from: their neighbours are wanted next. */
const recentMax = 16;

export class LanePages {
  readonly #storage: Storage;
  readonly #lane: Lane;
  readonly #pagesKey: number;
  readonly #returnedKey: number;
  /** Pages that kept slots refer to, by first position. */
  readonly #pages = new HashTable<number, Page>();
  /** The latest first. */
  readonly #recent: Page[] = [];
  #waitingBytes = 0;

  constructor(storage: Storage, queueNumber: number, lane: Lane) {
    this.#storage = storage;
    this.#lane = lane;
    this.#pagesKey = laneKey(queueNumber, lane);
    this.#returnedKey = returnedKey(queueNumber, lane);
  }

  /** Bytes of the pages in which slots wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Somebody refers to the slot: its page stays. */
  keep(slot: Slot): void {
    if (slot.kept) return;
    slot.kept = true;
    const { page } = slot;
    if (page.slots++ === 0 && page.table === "page") this.#pages.set(page.b, page);
  }

  /** Nobody refers to the slot any more. */
  forget(slot: Slot): void {
    slot.kept = false;
    const { page } = slot;
    if (--page.slots === 0 && page.table === "page") this.#pages.delete(page.b);
  }

  /** The slot begins to wait. */
  enter(slot: Slot): void {
    this.keep(slot);
    if (slot.page.waiting++ === 0) this.#waitingBytes += slot.page.bytes.length;
  }

  /** The slot does not wait any more. */
  leave({ page }: Slot): void {
    if (--page.waiting === 0) this.#waitingBytes -= page.bytes.length;
  }

  /** The pages behind the one that begins at `b`, some of them; none at the end. */
  readAfter(b: number): readonly Page[] {
    const storage = this.#storage;
    const a = this.#pagesKey;
    const rows = storage.scan("page", a, b + 1, a, { rows: scanRows, bytes: scanBytes });
    const first = rows[0];
    if (first === undefined) return [];
    const settled = new Map<number, Uint8Array>();
    for (const row of storage.scan("settled", a, first.b, a, { rows: rows.length })) {
      settled.set(row.b, row.value);
    }
    return rows.map((row) => this.#pageOf(row, settled.get(row.b)));
  }

  /** Messages that came back, from `position` on, some of them, as slots that are not kept. */
  readReturned(position: number): readonly Slot[] {
    const a = this.#returnedKey;
    const limits = { rows: scanRows, bytes: scanBytes };
    return this.#storage
      .scan("later", a, position, a, limits)
      .map((row) => new Slot(returnedPage(row), 0, this.#lane));
  }

  /** The live message at `position`, as a slot that is not kept; undefined when there is none. */
  read(position: number): Slot | undefined {
    const recent = this.#recentWith(position);
    const slot = recent === undefined ? undefined : this.#slotIn(recent, position);
    if (slot !== undefined) return slot;
    const a = this.#returnedKey;
    const value = this.#storage.read("later", a, position);
    if (value !== undefined)
      return new Slot(returnedPage({ a, b: position, value }), 0, this.#lane);
    const page = recent === undefined ? this.#readWith(position) : undefined;
    return page === undefined ? undefined : this.#slotIn(page, position);
  }

  #slotIn(page: Page, position: number): Slot | undefined {
    const index = page.indexOf(position);
    if (index === -1 || page.isFinal(index)) return undefined;
    return new Slot(page, index, this.#lane);
  }

  #recentWith(position: number): Page | undefined {
    const recent = this.#recent;
    for (let index = 0; index < recent.length; index++) {
      const page = recent[index] as Page;
      if (position < page.b || position > page.positionAt(page.count - 1)) continue;
      if (index > 0) recent.unshift(...recent.splice(index, 1));
      return page;
    }
    return undefined;
  }

  #readWith(position: number): Page | undefined {
    const row = this.#storage.floor("page", this.#pagesKey, position);
    if (row === undefined) return undefined;
    const page = this.#pageOf(row, this.#storage.read("settled", row.a, row.b));
    this.#recent.unshift(page);
    if (this.#recent.length > recentMax) this.#recent.pop();
    return page;
  }

  #pageOf(row: NumberedRow, settled: Uint8Array | undefined): Page {
    const present = this.#pages.get(row.b) ?? this.#recent.find(({ b }) => b === row.b);
    return present ?? new Page("page", row, row.value, settled);
  }
}
