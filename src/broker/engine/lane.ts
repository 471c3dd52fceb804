/**
 * One lane of one queue, as far as it is in memory: a window over the pages, behind those messages
 * that came back.
 *
 *   front    messages that came back or were put back, in order of position; served first
 *   ready    messages in order of position, from pages that were read or just written
 *   parked   messages that wait for another one with their key (keys.ts)
 *   cursor   the last page that was looked at; `complete` when there is none behind it
 *
 * A lane is a cache: all of it can be dropped while nobody holds a message, and is read again.
 */
import { HashTable } from "../../runtime/hash-table.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Lane as LaneNumber, QueuedMessage } from "../broker.ts";
import { KeyOrder } from "./keys.ts";
import type { EngineLimits } from "./limits.ts";
import { Page } from "./page.ts";
import { laneKey, returnedKey, returnedPage } from "./returned.ts";
import { Slot } from "./slot.ts";
import type { NumberedRow, Storage } from "./storage.ts";

export interface LaneOptions {
  readonly storage: Storage;
  readonly limits: EngineLimits;
  readonly queueNumber: number;
  readonly lane: LaneNumber;
  /** Nothing of the queue is stored yet. */
  readonly empty: boolean;
  /** True for a message in a receiver's hands, which must not be loaded a second time. */
  readonly isHeld: (position: number) => boolean;
  readonly nowMs: number;
}

/** A due message that was scheduled, and whose key may have older messages in pages not read yet. */
interface Early {
  readonly position: number;
  readonly key: string;
}

/** A message by its position, and its key where that has just come to it. */
interface Woken {
  readonly position: number;
  readonly key: string | undefined;
}

const scanRows = 64;
const scanBytes = 2 ** 19;
const recentPagesMax = 16;
/** Scans that may find only parked messages, until other work has its turn. */
const scansMax = 8;

export class Lane {
  readonly #options: LaneOptions;
  readonly #pagesKey: number;
  readonly #returnedKey: number;
  /** Pages that slots refer to, by first position: one object each, because its bits are changed in place. */
  readonly #pages = new HashTable<number, Page>();
  /** Pages that single messages were read from, the latest first: their neighbours are wanted next. */
  readonly #recentPages: Page[] = [];
  readonly #front: Slot[] = [];
  readonly #ready = new RingBuffer<Slot>();
  readonly #keys = new KeyOrder();
  readonly #early: Early[] = [];
  /** Messages to be read when the next one is asked for: their time has come, or that of their key. */
  #woken: Woken[] = [];
  /** Of the pages in which slots wait. */
  #bytes = 0;
  #cursor = 0;
  #lastPosition = 0;
  #complete: boolean;
  /** Returned messages up to here are in memory, or wait for their time. */
  #returnedCursor = 0;
  /** Reading was broken off after a while without finding anything to offer. */
  #unfinished = false;

  constructor(options: LaneOptions) {
    const { queueNumber, lane, empty } = options;
    this.#options = options;
    this.#pagesKey = laneKey(queueNumber, lane);
    this.#returnedKey = returnedKey(queueNumber, lane);
    this.#complete = empty;
    if (empty) this.#returnedCursor = Number.POSITIVE_INFINITY;
    else this.#loadReturned(options.nowMs, true);
  }

  /** There may be more to offer after other work had its turn. */
  get unfinished(): boolean {
    return this.#unfinished;
  }

  resume(): void {
    this.#unfinished = false;
  }

  /** The next message that may be offered; it no longer waits, and the caller says what becomes of it. */
  next(nowMs: number): Slot | undefined {
    if (this.#woken.length > 0) this.#readWoken(nowMs);
    for (;;) {
      const slot = this.#front.shift() ?? this.#ready.shift();
      if (slot === undefined) {
        if (!this.#load(nowMs)) return undefined;
      } else if (slot.state === "waiting") {
        this.leave(slot);
        return slot;
      }
    }
  }

  /** A page that was just committed, with `messages` from index `from` on. */
  append(page: Page, messages: readonly QueuedMessage[], from: number): void {
    if (!this.#complete) return;
    const { windowMessagesMax, windowBytesMax } = this.#options.limits;
    if (this.#ready.size >= windowMessagesMax || this.#bytes >= windowBytesMax) {
      this.#complete = false;
      return;
    }
    this.#loadPage(page, messages, from);
  }

  /** A message came back, or its time has come; its row is committed. */
  arrive(row: NumberedRow): void {
    if (row.b > this.#returnedCursor) return;
    if (this.#options.isHeld(row.b) || this.#inFront(row.b)) return;
    const { windowMessagesMax } = this.#options.limits;
    const last = this.#front.at(-1);
    if (last !== undefined && this.#front.length >= windowMessagesMax && row.b > last.position) {
      this.#returnedCursor = last.position;
    } else {
      this.#admitReturned(new Slot(returnedPage(row), 0, this.#options.lane));
    }
  }

  /** The time of a message that came back has come. */
  wake(position: number): void {
    if (position <= this.#returnedCursor) this.#woken.push({ position, key: undefined });
  }

  /** Puts a message back that `next` gave out and nobody saw. */
  putBack(slot: Slot): void {
    slot.state = "waiting";
    this.#enter(slot);
    this.#pushFront(slot);
  }

  /** Makes the message the head of its key, where it is offered out of turn. */
  lead(slot: Slot): void {
    if (slot.key !== undefined) this.#keys.lead(slot.key, slot.position);
  }

  /** Counts the slot in, which `find` may have made. */
  keep(slot: Slot): void {
    if (slot.kept) return;
    slot.kept = true;
    const { page } = slot;
    if (page.slots++ === 0 && page.table === "page") this.#pages.set(page.b, page);
  }

  /** The slot does not wait any more. */
  leave(slot: Slot): void {
    if (--slot.page.waiting === 0) this.#bytes -= slot.page.bytes.length;
  }

  /** The message of this slot is final, or will come back as another slot. */
  forget(slot: Slot): void {
    slot.kept = false;
    const { page } = slot;
    if (--page.slots === 0 && page.table === "page") this.#pages.delete(page.b);
  }

  /** The message at `position` is final: the next one with its key may be offered. */
  release(key: string, position: number): void {
    let next = this.#keys.release(key, position);
    while (next !== undefined) {
      if (typeof next === "number") {
        this.#woken.push({ position: next, key });
        return;
      }
      // Held out of turn, by a claim, it leads from now on as well.
      if (next.state === "waiting") this.#pushFront(next);
      if (next.state !== "final") return;
      next = this.#keys.release(key, next.position);
    }
  }

  /** The live message at `position`, from memory or from its row; undefined when there is none. */
  find(position: number): Slot | undefined {
    for (const slot of this.#front) if (slot.position === position) return slot;
    for (const slot of this.#ready) if (slot.position === position) return slot;
    return this.#keys.find(position) ?? this.#materialise(position);
  }

  #readWoken(nowMs: number): void {
    while (this.#woken.length > 0) {
      const woken = this.#woken;
      this.#woken = [];
      for (const each of woken) this.#readOne(each, nowMs);
    }
  }

  #readOne({ position, key }: Woken, nowMs: number): void {
    if (this.#options.isHeld(position) || this.#inFront(position)) return;
    const slot = this.#materialise(position);
    if (slot === undefined) {
      // Final meanwhile: its key goes on to the next.
      if (key !== undefined) this.release(key, position);
    } else if (slot.history.dueMs <= nowMs) {
      // Otherwise it was offered meanwhile, and waits for a later time.
      this.#admit(slot, true);
    }
  }

  /** A slot that is in none of the lists, and not kept, for the message at `position`. */
  #materialise(position: number): Slot | undefined {
    const recent = this.#recentPageWith(position);
    const slot = recent === undefined ? undefined : this.#slotIn(recent, position);
    if (slot !== undefined) return slot;
    const value = this.#options.storage.read("later", this.#returnedKey, position);
    if (value !== undefined) {
      const row = { a: this.#returnedKey, b: position, value };
      return new Slot(returnedPage(row), 0, this.#options.lane);
    }
    const page = recent === undefined ? this.#readPageWith(position) : undefined;
    return page === undefined ? undefined : this.#slotIn(page, position);
  }

  #slotIn(page: Page, position: number): Slot | undefined {
    const index = page.indexOf(position);
    if (index === -1 || page.isFinal(index)) return undefined;
    return new Slot(page, index, this.#options.lane);
  }

  #recentPageWith(position: number): Page | undefined {
    const recent = this.#recentPages;
    for (let index = 0; index < recent.length; index++) {
      const page = recent[index] as Page;
      if (position < page.b || position > page.positionAt(page.count - 1)) continue;
      if (index > 0) recent.unshift(...recent.splice(index, 1));
      return page;
    }
    return undefined;
  }

  #readPageWith(position: number): Page | undefined {
    const { storage } = this.#options;
    const row = storage.floor("page", this.#pagesKey, position);
    if (row === undefined) return undefined;
    const page = this.#pageOf(row, storage.read("settled", row.a, row.b));
    this.#recentPages.unshift(page);
    if (this.#recentPages.length > recentPagesMax) this.#recentPages.pop();
    return page;
  }

  /** @returns whether there may be something to offer now. */
  #load(nowMs: number): boolean {
    if (this.#unfinished) return false;
    if (this.#returnedCursor !== Number.POSITIVE_INFINITY && this.#loadReturned(nowMs, false)) {
      return true;
    }
    const { limits } = this.#options;
    for (let scan = 0; !this.#complete && this.#keys.parked < limits.parkedMax; scan++) {
      if (scan === scansMax) {
        this.#unfinished = true;
        return false;
      }
      this.#loadPages();
      if (this.#ready.size > 0 || this.#front.length > 0) return true;
    }
    return false;
  }

  #loadPages(): void {
    const { storage } = this.#options;
    const limits = { rows: scanRows, bytes: scanBytes };
    const rows = storage.scan("page", this.#pagesKey, this.#cursor + 1, this.#pagesKey, limits);
    const first = rows[0];
    if (first === undefined) {
      this.#complete = true;
      this.#admitEarly(Number.POSITIVE_INFINITY);
      return;
    }
    const settled = new Map<number, Uint8Array>();
    const settledLimits = { rows: rows.length };
    for (const row of storage.scan("settled", first.a, first.b, first.a, settledLimits)) {
      settled.set(row.b, row.value);
    }
    for (const row of rows) this.#loadPage(this.#pageOf(row, settled.get(row.b)));
  }

  #loadPage(page: Page, messages?: readonly QueuedMessage[], from = 0): void {
    const { isHeld, lane } = this.#options;
    const { count } = page;
    for (let index = 0; index < count; index++) {
      if (page.isFinal(index)) continue;
      const position = page.positionAt(index);
      if (this.#early.length > 0) this.#admitEarly(position);
      if (isHeld(position)) continue;
      this.#admit(new Slot(page, index, lane, messages?.[from + index]), false);
    }
    this.#cursor = page.b;
    this.#lastPosition = page.positionAt(count - 1);
  }

  /**
   * Reads what came back from the cursor on, as much as fits. At first all of it is looked at, because
   * a message that waits for its retry blocks its key.
   */
  #loadReturned(nowMs: number, first: boolean): boolean {
    const { storage, limits } = this.#options;
    let from = this.#returnedCursor + 1;
    let kept: number | undefined;
    for (;;) {
      const scan = { rows: scanRows, bytes: scanBytes };
      const rows = storage.scan("later", this.#returnedKey, from, this.#returnedKey, scan);
      for (const row of rows) {
        from = row.b + 1;
        const slot = new Slot(returnedPage(row), 0, this.#options.lane);
        const present = this.#options.isHeld(row.b) || this.#inFront(row.b);
        const due = slot.history.dueMs <= nowMs && !present;
        if (due && kept === undefined && this.#front.length < limits.windowMessagesMax) {
          this.#admitReturned(slot);
        } else {
          if (due) kept ??= row.b - 1;
          this.#note(slot);
        }
      }
      if (rows.length === 0 || (kept !== undefined && !first)) break;
    }
    this.#returnedCursor = kept ?? Number.POSITIVE_INFINITY;
    return this.#front.length > 0;
  }

  /** A message that is not loaded now; one that was offered before is still the head of its key. */
  #note(slot: Slot): void {
    if (slot.key !== undefined && wasOffered(slot)) this.#keys.lead(slot.key, slot.position);
  }

  #admitReturned(slot: Slot): void {
    const { key, position } = slot;
    const early = key !== undefined && !wasOffered(slot) && !this.#complete;
    if (!early || position <= this.#lastPosition) {
      this.#admit(slot, true);
      return;
    }
    const at = this.#early.findIndex((other) => other.position >= position);
    if (this.#early[at]?.position !== position) {
      this.#early.splice(at === -1 ? this.#early.length : at, 0, { position, key });
    }
  }

  /** Admits the early messages before `position`: all pages up to there have been read. */
  #admitEarly(position: number): void {
    for (let early = this.#early[0]; early !== undefined; early = this.#early[0]) {
      if (early.position >= position) return;
      this.#early.shift();
      const slot = this.#options.isHeld(early.position)
        ? undefined
        : this.#materialise(early.position);
      // One that was claimed and came back since has been admitted on its own.
      if (slot !== undefined && !wasOffered(slot)) this.#admit(slot, true);
    }
  }

  #admit(slot: Slot, toFront: boolean): void {
    const { key, position } = slot;
    if (key === undefined || this.#keys.lead(key, position)) {
      this.#enter(slot);
      if (toFront) this.#pushFront(slot);
      else this.#ready.push(slot);
    } else if (this.#bytes < this.#options.limits.windowBytesMax / 2) {
      this.#enter(slot);
      this.#keys.park(key, slot);
    } else {
      this.#keys.park(key, position);
    }
  }

  /** One object for each page, because its bits are changed in place. */
  #pageOf(row: NumberedRow, settled: Uint8Array | undefined): Page {
    const kept = this.#pages.get(row.b) ?? this.#recentPages.find(({ b }) => b === row.b);
    return kept ?? new Page("page", row, row.value, settled);
  }

  #enter(slot: Slot): void {
    this.keep(slot);
    if (slot.page.waiting++ === 0) this.#bytes += slot.page.bytes.length;
  }

  #inFront(position: number): boolean {
    const slot = this.#front[this.#frontIndex(position)];
    return slot?.position === position && slot.state === "waiting";
  }

  #pushFront(slot: Slot): void {
    const front = this.#front;
    const at = this.#frontIndex(slot.position);
    // One that does not wait any more may still be listed; there is one for each position.
    front.splice(at, front[at]?.position === slot.position ? 1 : 0, slot);
  }

  /** The first index whose position is not below. */
  #frontIndex(position: number): number {
    const front = this.#front;
    let low = 0;
    let high = front.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((front[middle] as Slot).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function wasOffered({ history }: Slot): boolean {
  return history.fence > 0;
}
