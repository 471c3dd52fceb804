/**
 * What is to happen at a time, as rows of the table `later` under that time. The soonest are in
 * memory, and one timer waits for the first of them.
 *
 *   row = kind u8, then   1 scheduled, 2 returned: queue number u53, lane u8, position u53
 *                         3 entry: revision u53, key to the end
 *
 * Never early by the wall clock, also when it jumps: the wait is cut into pieces of `waitMsMax`.
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { Heap } from "../../runtime/heap.ts";
import type { Lane } from "../broker.ts";
import type { Group, Participant } from "./group.ts";
import { timeMax } from "./returned.ts";
import type { Serials } from "./serials.ts";
import type { NumberedRow, Storage, Write } from "./storage.ts";

export type TimerTarget =
  | {
      readonly kind: "scheduled" | "returned";
      readonly queueNumber: number;
      readonly lane: Lane;
      readonly position: number;
    }
  | { readonly kind: "entry"; readonly key: string; readonly revision: number };

export interface EngineTimer {
  readonly dueMs: number;
  readonly serial: number;
  readonly target: TimerTarget;
}

export interface TimersOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly serials: Serials;
  readonly timersMax: number;
  /** Takes timers whose time has come, in order of time; they are no longer in memory. */
  readonly onDue: (due: readonly EngineTimer[]) => void;
  /** Told when a row cannot be read: what is due is not known any more. */
  readonly onDamage: (error: unknown) => void;
}

const waitMsMax = 1_000;
/** Timers handed on at a time. */
const dueMax = 1_024;

export class Timers {
  readonly #options: TimersOptions;
  #heap = new Heap<EngineTimer>(before);
  /** Rows up to here are in memory; undefined when all of them are. */
  #loadedTo: { readonly dueMs: number; readonly serial: number } | undefined = {
    dueMs: 0,
    serial: 0,
  };
  #timer: Timer | undefined;
  #armedMs = Number.POSITIVE_INFINITY;
  #changes: TimerChanges | undefined;
  #ended = false;

  constructor(options: TimersOptions) {
    this.#options = options;
  }

  /** Reads the soonest and begins to wait. */
  start(): void {
    this.#load();
    this.#arm();
  }

  /** Sets a timer with the group. @param dueMs - wall clock; what lies behind the end of time never comes. */
  set(group: Group, dueMs: number, target: TimerTarget): EngineTimer {
    const wholeMs = Math.min(timeMax, Math.max(0, Math.ceil(dueMs)));
    const timer = { dueMs: wholeMs, serial: this.#options.serials.next(), target };
    this.#changesOf(group).added.push(timer);
    return timer;
  }

  /** Deletes the row of a timer that ran, or whose time does not matter any more. */
  remove(group: Group, timer: { readonly dueMs: number; readonly serial: number }): void {
    this.#changesOf(group).removed.push(timer);
  }

  /** Timers that were due and could not be acted on come back after `waitMsMax`. */
  postpone(timers: readonly EngineTimer[]): void {
    this.#options.clock.setTimer(waitMsMax, () => {
      for (const timer of timers) this.#heap.push(timer);
      this.#arm();
    });
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #changesOf(group: Group): TimerChanges {
    if (this.#changes === undefined) {
      this.#changes = new TimerChanges((added) => {
        this.#changes = undefined;
        for (const timer of added) this.#add(timer);
        if (added.length > 0) this.#arm();
      });
      group.join(this.#changes);
    }
    return this.#changes;
  }

  #add(timer: EngineTimer): void {
    if (this.#loadedTo !== undefined && !before(timer, this.#loadedTo)) return;
    this.#heap.push(timer);
    if (this.#heap.size > 2 * this.#options.timersMax) this.#trim();
  }

  /** Gives the later half back to the table. */
  #trim(): void {
    const kept = new Heap<EngineTimer>(before);
    let last: EngineTimer | undefined;
    while (kept.size < this.#options.timersMax) {
      last = this.#heap.pop() as EngineTimer;
      kept.push(last);
    }
    this.#heap = kept;
    this.#loadedTo = last;
  }

  #load(): void {
    while (this.#loadedTo !== undefined && this.#heap.size < this.#options.timersMax) {
      const { dueMs, serial } = this.#loadedTo;
      const rows = this.#scan(dueMs, serial + 1);
      this.#loadedTo = rows.at(-1);
      for (const timer of rows) this.#heap.push(timer);
    }
  }

  #scan(dueMs: number, serial: number): readonly EngineTimer[] {
    try {
      const limits = { rows: 1_024 };
      return this.#options.storage.scan("later", dueMs, serial, timeMax, limits).map(decodeTimer);
    } catch (error) {
      this.end();
      this.#options.onDamage(error);
      return [];
    }
  }

  #arm(): void {
    if (this.#heap.size === 0) this.#load();
    const next = this.#heap.peek();
    if (this.#ended || next === undefined) return;
    const { clock } = this.#options;
    const waitMs = Math.min(waitMsMax, Math.max(0, next.dueMs - clock.nowMs()));
    const atMs = clock.monotonicMs() + waitMs;
    if (this.#timer !== undefined && this.#armedMs <= atMs) return;
    this.#timer?.cancel();
    this.#armedMs = atMs;
    this.#timer = clock.setTimer(waitMs, () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    const nowMs = this.#options.clock.nowMs();
    const due: EngineTimer[] = [];
    while (due.length < dueMax) {
      if (this.#heap.size === 0) this.#load();
      const next = this.#heap.peek();
      if (next === undefined || next.dueMs > nowMs) break;
      due.push(next);
      this.#heap.pop();
    }
    if (due.length > 0) this.#options.onDue(due);
    this.#arm();
  }
}

class TimerChanges implements Participant {
  readonly added: EngineTimer[] = [];
  readonly removed: { readonly dueMs: number; readonly serial: number }[] = [];
  readonly #ended: (added: readonly EngineTimer[]) => void;

  constructor(ended: (added: readonly EngineTimer[]) => void) {
    this.#ended = ended;
  }

  seal(writes: Write[]): void {
    for (const { dueMs, serial } of this.removed) {
      writes.push({ table: "later", a: dueMs, b: serial, value: undefined });
    }
    for (const timer of this.added) {
      const { dueMs, serial, target } = timer;
      writes.push({ table: "later", a: dueMs, b: serial, value: encodeTarget(target) });
    }
  }

  committed(): void {
    this.#ended(this.added);
  }

  reverted(): void {
    this.#ended([]);
  }
}

const writer = new ByteWriter();
const kinds = ["scheduled", "returned", "entry"] as const;

function encodeTarget(target: TimerTarget): Uint8Array {
  writer.uint8(1 + kinds.indexOf(target.kind));
  if (target.kind === "entry") {
    writer.uint53(target.revision);
    writer.text(target.key);
  } else {
    writer.uint53(target.queueNumber);
    writer.uint8(target.lane);
    writer.uint53(target.position);
  }
  return writer.take();
}

function decodeTimer({ a, b, value }: NumberedRow): EngineTimer {
  const reader = new ByteReader(value);
  const kind = kinds[reader.uint8("kind") - 1] ?? "returned";
  if (kind === "entry") {
    const revision = reader.uint53("revision");
    const key = reader.text("key", reader.left);
    return { dueMs: a, serial: b, target: { kind, key, revision } };
  }
  const queueNumber = reader.uint53("queue");
  const lane = (reader.uint8("lane") & 3) as Lane;
  const position = reader.uint53("position");
  return { dueMs: a, serial: b, target: { kind, queueNumber, lane, position } };
}

function before(
  a: { readonly dueMs: number; readonly serial: number },
  b: { readonly dueMs: number; readonly serial: number },
): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.serial < b.serial);
}
