/**
 * What one group changes in one queue: messages that arrive, messages that become final, messages that
 * come back. Decided here in memory, sealed into rows, and undone when the commit fails.
 */
import type { CancelOutcome, Lane as LaneNumber, MessageState, QueuedMessage } from "../broker.ts";
import { Arrivals, type ArrivedPage } from "./arrivals.ts";
import type { Group, Participant } from "./group.ts";
import { assertMove, endWithdrawals, letGo } from "./life.ts";
import type { Page } from "./page.ts";
import { type ActiveQueue, laneNumbers, type Queue } from "./queue.ts";
import { encodeQueue } from "./queue-row.ts";
import {
  dueMsOf,
  encodeReturned,
  encodeScheduled,
  type History,
  laneKey,
  returnedKey,
  scheduledKey,
  withoutDue,
} from "./returned.ts";
import type { Slot, SlotState } from "./slot.ts";
import type { NumberedRow, Write } from "./storage.ts";
import type { Timers } from "./timers.ts";

/** A message that became final, or whose attempt ended. */
interface Ended {
  readonly slot: Slot;
  readonly before: SlotState;
  /** Undefined where it comes back. */
  readonly state: MessageState | undefined;
  /** Its holder is to settle it all the same: see lingering.ts. */
  lingers: boolean;
}

interface Moved {
  readonly lane: LaneNumber;
  readonly row: NumberedRow;
}

interface Stored extends ArrivedPage {
  readonly lane: LaneNumber;
  readonly messages: readonly QueuedMessage[];
}

export interface QueueChangesOptions {
  readonly queue: Queue;
  readonly group: Group;
  readonly timers: Timers;
  /** A message that somebody follows has come back. */
  readonly onMoved: (position: number) => void;
  /** Runs once, after the changes were made or taken back. */
  readonly onEnd: (committed: boolean) => void;
}

export class QueueChanges implements Participant {
  readonly queue: Queue;
  readonly ended: Ended[] = [];
  readonly #options: QueueChangesOptions;
  readonly #liveBefore: number;
  readonly #bytesBefore: number;
  readonly #nextBefore: number;
  readonly #arrivals: (Arrivals | undefined)[] = [];
  readonly #scheduled: { readonly message: QueuedMessage; readonly position: number }[] = [];
  readonly #touched: Page[] = [];
  /** Bits set in this group, to be cleared when it fails. */
  readonly #settled: Slot[] = [];
  readonly #taken: Slot[] = [];
  readonly #returned: Moved[] = [];
  readonly #due: Moved[] = [];
  readonly #ripened: Moved[] = [];
  /** The pages of what arrived, once they are sealed. */
  readonly #stored: Stored[] = [];

  constructor(options: QueueChangesOptions) {
    const { queue, group } = options;
    this.queue = queue;
    this.#options = options;
    this.#liveBefore = queue.live;
    this.#bytesBefore = queue.bytes;
    this.#nextBefore = queue.next;
    group.join(this);
  }

  /** @returns the position of the message. */
  arrive(message: QueuedMessage): number {
    const position = this.#countIn(message);
    const { lane } = message;
    const arrivals = this.#arrivals[lane] ?? new Arrivals();
    this.#arrivals[lane] = arrivals;
    arrivals.add(message, position);
    return position;
  }

  /** As `arrive`, for a message that is not to be offered before `notBeforeMs`. */
  schedule(message: QueuedMessage, notBeforeMs: number): number {
    const position = this.#countIn(message);
    this.#scheduled.push({ message, position });
    const { lane } = message;
    const target = { kind: "scheduled", queueNumber: this.queue.number, lane, position } as const;
    this.#options.timers.set(this.#options.group, notBeforeMs, target);
    return position;
  }

  /** The message is final. */
  finish(slot: Slot, state: MessageState): void {
    this.#end(slot, state);
    if (!slot.taken) this.#settle(slot);
  }

  /** A message that is final by now stays with its holder for a while. */
  linger(slot: Slot): void {
    const ended = this.ended.at(-1);
    if (ended?.slot === slot) ended.lingers = true;
  }

  /** Whether the message ends, comes back or falls due in this group, and so is not to be looked at before the next. */
  moves(position: number): boolean {
    const ends = this.ended.some(({ slot }) => slot.position === position);
    return ends || this.#due.some(({ row }) => row.b === position);
  }

  /** Final in storage, before it is offered to anybody: at most once. */
  take(slot: Slot): void {
    slot.taken = true;
    this.#taken.push(slot);
    this.#settle(slot);
  }

  /** The attempt ended; the message comes back, with what has happened to it, when `history.dueMs` has come. */
  giveBack(slot: Slot, history: History): void {
    this.#end(slot, undefined);
    const { group, timers } = this.#options;
    const { lane, position } = slot;
    const a = returnedKey(this.queue.number, lane);
    const isDue = history.dueMs <= group.nowMs;
    // Without a timer nothing would wake it, were its time still to come by a clock that is set back.
    const kept = isDue ? { ...history, dueMs: 0 } : history;
    const row = { a, b: position, value: encodeReturned(slot.body, kept) };
    if (slot.taken) {
      this.queue.live++;
      this.queue.bytes += slot.frameBytes;
    } else if (slot.page.table === "page") {
      this.#setFinal(slot);
    }
    this.#returned.push({ lane, row });
    const { suspects } = this.queue;
    if (suspects?.has(position) === true) suspects.delete(group, this.queue.number, position);
    if (isDue) return;
    const target = { kind: "returned", queueNumber: this.queue.number, lane, position } as const;
    timers.set(group, history.dueMs, target);
  }

  /** The time of a scheduled message has come; `row` is its row. */
  becomeDue(lane: LaneNumber, position: number, row: Uint8Array): void {
    this.#due.push(this.#ripe(lane, position, row));
  }

  /** The time of a message that came back has come; `row` is its row. */
  ripen(lane: LaneNumber, position: number, row: Uint8Array): void {
    this.#ripened.push(this.#ripe(lane, position, row));
  }

  seal(writes: Write[]): void {
    const { number } = this.queue;
    // First: one that an earlier attempt makes final in this very group is gone.
    for (const { row } of this.#ripened) writes.push({ table: "later", ...row });
    for (const page of this.#touched) sealPage(page, writes);
    for (const { lane, row } of this.#due) {
      writes.push({ table: "later", a: scheduledKey(number, lane), b: row.b, value: undefined });
      writes.push({ table: "later", ...row });
    }
    for (const { row } of this.#returned) writes.push({ table: "later", ...row });
    for (const { message, position } of this.#scheduled) {
      const a = scheduledKey(number, message.lane);
      writes.push({ table: "later", a, b: position, value: encodeScheduled(message) });
    }
    for (const lane of laneNumbers) this.#sealArrivals(lane, writes);
    const { name, live, bytes, next } = this.queue;
    const same =
      live === this.#liveBefore && bytes === this.#bytesBefore && next === this.#nextBefore;
    if (!same) writes.push({ table: "queue", name, value: encodeQueue(this.queue) });
  }

  committed(): void {
    const { queue } = this;
    for (const page of this.#touched) page.touched = false;
    const first = this.#liveBefore === 0 && queue.receivers.length > 0;
    const active = first ? queue.activateEmpty() : queue.active;
    this.#retire(active);
    if (active !== undefined) this.#admit(active);
    this.#options.onEnd(true);
  }

  /** Whoever held what ended has room again, and those who wait for it are told. */
  #retire(active: ActiveQueue | undefined): void {
    const { tracker } = this.queue;
    for (const { slot, before, state, lingers } of this.ended) {
      const { position, key } = slot;
      if (!lingers) letGo(slot);
      if (active !== undefined) {
        const lane = active.lane(slot.lane);
        active.held.delete(position);
        if (before === "waiting") lane.leave(slot);
        lane.forget(slot);
        if (lingers) active.lingering.set(slot.fence, slot);
        else if (key !== undefined && state !== undefined) lane.release(key, position);
      }
      if (slot.story !== undefined) endWithdrawals(slot, withdrawn(state));
      if (tracker === undefined) continue;
      if (state !== undefined) tracker.note(position, state);
      else if (tracker.following) this.#options.onMoved(position);
    }
  }

  /** What was stored or came back can be offered. */
  #admit(active: ActiveQueue): void {
    const { nowMs } = this.#options.group;
    for (const { lane, page, messages, from } of this.#stored) {
      active.lane(lane).append(page, messages, from);
    }
    for (const { lane, row } of this.#due) active.lane(lane).arrive(row);
    for (const { lane, row } of this.#returned) {
      if (dueMsOf(row.value) <= nowMs) active.lane(lane).arrive(row);
    }
  }

  reverted(): void {
    const { queue } = this;
    queue.live = this.#liveBefore;
    queue.bytes = this.#bytesBefore;
    for (const page of this.#touched) page.touched = false;
    for (const slot of this.#settled) slot.page.unsetFinal(slot.index);
    for (const slot of this.#taken) slot.taken = false;
    for (const { slot, before } of this.ended) {
      slot.state = before;
      if (before !== "held" && before !== "ending") queue.active?.held.delete(slot.position);
      if (before === "loose") queue.active?.lane(slot.lane).forget(slot);
    }
    this.#options.onEnd(false);
  }

  #ripe(lane: LaneNumber, position: number, row: Uint8Array): Moved {
    const a = returnedKey(this.queue.number, lane);
    return { lane, row: { a, b: position, value: withoutDue(row) } };
  }

  #countIn({ frame, expiresAtMs, key }: QueuedMessage): number {
    const { queue } = this;
    queue.live++;
    queue.bytes += frame.length;
    if (key !== undefined) queue.keyed = true;
    if (expiresAtMs !== undefined && expiresAtMs > queue.lastExpiryMs) {
      queue.lastExpiryMs = expiresAtMs;
    }
    return queue.next++;
  }

  #end(slot: Slot, state: MessageState | undefined): void {
    assertMove(slot, state?.state ?? "queued");
    this.ended.push({ slot, before: slot.state, state, lingers: false });
    // In nobody's hands, it would be read from its row once more if it were asked for again in this group.
    if (slot.state !== "held") this.queue.active?.held.set(slot.position, slot);
    slot.state = "final";
  }

  #settle(slot: Slot): void {
    this.queue.live--;
    this.queue.bytes -= slot.frameBytes;
    this.#setFinal(slot);
  }

  #setFinal(slot: Slot): void {
    const { page } = slot;
    page.setFinal(slot.index);
    this.#settled.push(slot);
    if (page.touched) return;
    page.touched = true;
    this.#touched.push(page);
  }

  #sealArrivals(lane: LaneNumber, writes: Write[]): void {
    const arrivals = this.#arrivals[lane];
    if (arrivals === undefined) return;
    const { messages } = arrivals;
    for (const { page, from } of arrivals.encode(laneKey(this.queue.number, lane))) {
      writes.push({ table: "page", a: page.a, b: page.b, value: page.bytes });
      this.#stored.push({ lane, messages, page, from });
    }
  }
}

function withdrawn(state: MessageState | undefined): CancelOutcome {
  if (state?.state === "rescinded" || state?.state === "cancelled") return state.state;
  return "too-late";
}

function sealPage(page: Page, writes: Write[]): void {
  const { table, a, b } = page;
  if (page.live > 0) {
    writes.push({ table: "settled", a, b, value: page.settledBytes() });
    page.settledStored = true;
    return;
  }
  writes.push({ table, a, b, value: undefined });
  if (page.settledStored) writes.push({ table: "settled", a, b, value: undefined });
}
