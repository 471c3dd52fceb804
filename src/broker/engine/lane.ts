/**
 * One lane of one queue, as far as it is in memory: a window over its pages, and the messages that came
 * back.
 *
 *   front    messages that came back or were put back, in order of position; served first
 *   ready    messages in order of position, from pages that were read or just written
 *   parked   messages that wait for another one with their key (keys.ts)
 *   woken    messages to be read when the next one is asked for
 *   early    messages that were scheduled, until all pages before their position have been read
 *
 * A lane is a cache: all of it can be dropped while nobody holds a message, and is read again.
 */
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { Lane as LaneNumber, QueuedMessage } from "../broker.ts";
import { KeyOrder } from "./keys.ts";
import { LanePages } from "./lane-pages.ts";
import type { EngineLimits } from "./limits.ts";
import type { Page } from "./page.ts";
import { returnedPage } from "./returned.ts";
import { Slot } from "./slot.ts";
import { SlotList } from "./slot-list.ts";
import type { NumberedRow, Storage } from "./storage.ts";

export interface LaneOptions {
  readonly storage: Storage;
  readonly limits: EngineLimits;
  readonly queueNumber: number;
  readonly lane: LaneNumber;
  /** True for a message in a receiver's hands, which must not be loaded a second time. */
  readonly isHeld: (position: number) => boolean;
}

/** A message by its position, and the key that has come to it or will. */
interface Later {
  readonly position: number;
  readonly key: string | undefined;
}

/** Reads that may find only parked messages, until other work has its turn. */
const readsMax = 8;

export class Lane {
  readonly #options: LaneOptions;
  readonly #pages: LanePages;
  readonly #front = new SlotList();
  readonly #ready = new RingBuffer<Slot>();
  readonly #keys = new KeyOrder();
  readonly #early: Later[] = [];
  #woken: Later[] = [];
  /** The last page that was looked at, and the last position in it. */
  #cursor = 0;
  #lastPosition = 0;
  /** There is no page behind the cursor. */
  #complete = true;
  /** Messages that came back, up to here, are in memory or wait for their time. */
  #returnedCursor = Number.POSITIVE_INFINITY;
  /** Reading was broken off after a while without finding anything to offer. */
  #unfinished = false;

  /** A lane with nothing in it but what will be appended. */
  constructor(options: LaneOptions) {
    this.#options = options;
    this.#pages = new LanePages(options.storage, options.queueNumber, options.lane);
  }

  /**
   * Begins to read what is stored.
   *
   * @param keyed - there may be messages with a key, one of which blocks it while it waits for its retry.
   */
  open(nowMs: number, keyed: boolean): void {
    this.#complete = false;
    this.#returnedCursor = 0;
    this.#readReturned(nowMs, keyed);
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
        if (!this.#read(nowMs)) return undefined;
      } else if (slot.state === "waiting") {
        this.#pages.leave(slot);
        return slot;
      }
    }
  }

  /** A page that was just committed, with `messages` from index `from` on. */
  append(page: Page, messages: readonly QueuedMessage[], from: number): void {
    if (!this.#complete) return;
    if (this.#ready.size < this.#options.limits.windowMessagesMax && !this.#tooManyBytes) {
      this.#admitPage(page, messages, from);
    } else {
      this.#complete = false;
    }
  }

  /** A message came back, or its time has come; its row is committed. */
  arrive(row: NumberedRow): void {
    const { b: position } = row;
    if (position > this.#returnedCursor) return;
    if (this.#options.isHeld(position) || this.#front.waits(position)) return;
    const { last } = this.#front;
    if (last !== undefined && this.#frontFull && position > last.position) {
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
    this.#pages.enter(slot);
    this.#front.add(slot);
  }

  /** The live message at `position`, from memory or from its row; undefined when there is none. */
  find(position: number): Slot | undefined {
    return (
      liveAt(this.#front, position) ??
      liveAt(this.#ready, position) ??
      this.#keys.find(position) ??
      this.#pages.read(position)
    );
  }

  /** Counts in a slot that `find` has made. */
  keep(slot: Slot): void {
    this.#pages.keep(slot);
  }

  /** A slot that was waiting is taken out of turn; it leads its key from now on. */
  take(slot: Slot): void {
    if (slot.state === "waiting") this.#pages.leave(slot);
    if (slot.key !== undefined) this.#keys.lead(slot.key, slot.position);
  }

  /** Nobody holds the slot any more: its message is final, or will come back as another. */
  forget(slot: Slot): void {
    this.#pages.forget(slot);
  }

  /** The slot became final while it waited. */
  leave(slot: Slot): void {
    this.#pages.leave(slot);
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
      if (next.state === "waiting") this.#front.add(next);
      if (next.state !== "final") return;
      next = this.#keys.release(key, next.position);
    }
  }

  get #tooManyBytes(): boolean {
    return this.#pages.waitingBytes >= this.#options.limits.windowBytesMax;
  }

  get #frontFull(): boolean {
    return this.#front.size >= this.#options.limits.windowMessagesMax || this.#tooManyBytes;
  }

  #readWoken(nowMs: number): void {
    while (this.#woken.length > 0) {
      const woken = this.#woken;
      this.#woken = [];
      for (const each of woken) this.#readOne(each, nowMs);
    }
  }

  #readOne({ position, key }: Later, nowMs: number): void {
    if (this.#options.isHeld(position) || this.#front.waits(position)) return;
    const slot = this.#pages.read(position);
    if (slot === undefined) {
      // Final meanwhile: its key goes on to the next.
      if (key !== undefined) this.release(key, position);
    } else if (slot.history.dueMs <= nowMs) {
      // Otherwise it was offered meanwhile, and waits for a later time.
      this.#admit(slot, true);
    }
  }

  /** @returns whether there may be something to offer now. */
  #read(nowMs: number): boolean {
    if (this.#unfinished) return false;
    if (this.#returnedCursor !== Number.POSITIVE_INFINITY) {
      this.#readReturned(nowMs, false);
      if (this.#front.size > 0) return true;
    }
    const { parkedMax } = this.#options.limits;
    for (let reads = 0; !this.#complete && this.#keys.parked < parkedMax; reads++) {
      if (reads === readsMax) {
        this.#unfinished = true;
        return false;
      }
      this.#readPages();
      if (this.#ready.size > 0 || this.#front.size > 0) return true;
    }
    return false;
  }

  #readPages(): void {
    const pages = this.#pages.readAfter(this.#cursor);
    for (const page of pages) this.#admitPage(page);
    if (pages.length > 0) return;
    this.#complete = true;
    this.#admitEarly(Number.POSITIVE_INFINITY);
  }

  #admitPage(page: Page, messages?: readonly QueuedMessage[], from = 0): void {
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

  /** Reads what came back from the cursor on: as much as fits, or `all`, to know which keys are blocked. */
  #readReturned(nowMs: number, all: boolean): void {
    let from = this.#returnedCursor + 1;
    let read: number | undefined;
    while (read === undefined || all) {
      const slots = this.#pages.readReturned(from);
      for (const slot of slots) {
        const { position } = slot;
        from = position + 1;
        const present = this.#options.isHeld(position) || this.#front.waits(position);
        const due = slot.history.dueMs <= nowMs && !present;
        if (due && read === undefined && !this.#frontFull) {
          this.#admitReturned(slot);
        } else {
          if (due) read ??= position - 1;
          this.#note(slot);
        }
      }
      if (slots.length === 0) break;
    }
    this.#returnedCursor = read ?? Number.POSITIVE_INFINITY;
  }

  /** A message that is not taken in now; one that was offered before is still the head of its key. */
  #note(slot: Slot): void {
    if (slot.key !== undefined && wasOffered(slot)) this.#keys.lead(slot.key, slot.position);
  }

  #admitReturned(slot: Slot): void {
    const { key, position } = slot;
    const scheduled = key !== undefined && !wasOffered(slot);
    if (!scheduled || this.#complete || position <= this.#lastPosition) {
      this.#admit(slot, true);
      return;
    }
    const early = this.#early;
    const at = early.findIndex((other) => other.position >= position);
    if (early[at]?.position === position) return;
    early.splice(at === -1 ? early.length : at, 0, { position, key });
  }

  /** Admits the early messages before `position`: all pages up to there have been read. */
  #admitEarly(position: number): void {
    for (let early = this.#early[0]; early !== undefined; early = this.#early[0]) {
      if (early.position >= position) return;
      this.#early.shift();
      const held = this.#options.isHeld(early.position);
      const slot = held ? undefined : this.#pages.read(early.position);
      // One that was claimed and came back since has been admitted on its own.
      if (slot !== undefined && !wasOffered(slot)) this.#admit(slot, true);
    }
  }

  #admit(slot: Slot, toFront: boolean): void {
    const { key, position } = slot;
    if (key === undefined || this.#keys.lead(key, position)) {
      this.#pages.enter(slot);
      if (toFront) this.#front.add(slot);
      else this.#ready.push(slot);
    } else if (this.#pages.waitingBytes < this.#options.limits.windowBytesMax / 2) {
      this.#pages.enter(slot);
      this.#keys.park(key, slot);
    } else {
      this.#keys.park(key, position);
    }
  }
}

/** One that ended out of turn, by a claim, stays in its list until its turn comes. */
function liveAt(slots: Iterable<Slot>, position: number): Slot | undefined {
  for (const slot of slots) {
    if (slot.position === position && slot.state !== "final") return slot;
  }
  return undefined;
}

function wasOffered({ history }: Slot): boolean {
  return history.fence > 0;
}
