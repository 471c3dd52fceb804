/**
 * Timeouts by the million, nearly all of which are taken back before they fall due.
 *
 *   add ──▶ fresh ── next tick ──▶ slots[due tick mod slots] ── its tick ──▶ due ──▶ expire
 *
 * Adding and removing are a few pointer writes: no clock is read and no timer is set. Only a tick
 * reads the clock. It moves what was added since the last one into slots, counting the delay from
 * itself: an entry is never early, however long the process stood still, and while ticks are on
 * time at most two ticks late. There is no tick while the wheel is empty.
 *
 * @see G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels", 1987: scheme 6.
 */
import { ColloquyError } from "../errors.ts";
import type { Clock, Timer } from "./clock.ts";

/** Extended by what has a timeout: the links live in the thing itself. In one wheel at a time. */
export class WheelEntry {
  /** The wheel's, as are the fields below; undefined while the entry is in no wheel. */
  wheelNext: WheelEntry | undefined = undefined;
  wheelPrevious: WheelEntry | undefined = undefined;
  wheelDelayMs = 0;
  wheelDueTick = 0;
}

export interface TimerWheelOptions<Entry extends WheelEntry> {
  readonly clock: Clock;
  /** Milliseconds between ticks, above 0. Default: 50. */
  readonly tickMs?: number;
  /** A power of two; an entry is looked at once per `slots` ticks. Default: 1,024. */
  readonly slots?: number;
  /** Called once for an entry that fell due, when it is no longer in the wheel. Must not throw. */
  readonly expire: (entry: Entry) => void;
}

/** The delay of what has no time. */
const heldMs = -1;

export class TimerWheel<Entry extends WheelEntry> {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #expire: (entry: Entry) => void;
  readonly #fresh = listHead();
  readonly #due = listHead();
  readonly #held = listHead();
  readonly #slots: readonly WheelEntry[];
  #size = 0;
  #tick = 0;
  #timer: Timer | undefined;

  /** @throws INVALID_OPTION for a `tickMs` not above 0 or `slots` that are no power of two. */
  constructor(options: TimerWheelOptions<Entry>) {
    const { clock, tickMs = 50, slots = 1024, expire } = options;
    if (!(tickMs > 0)) throw new ColloquyError("INVALID_OPTION", `tickMs: ${tickMs}`);
    if (!(slots > 0 && Number.isInteger(Math.log2(slots)))) {
      throw new ColloquyError("INVALID_OPTION", `slots: ${slots}, not a power of two`);
    }
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#expire = expire;
    this.#slots = Array.from({ length: slots }, listHead);
  }

  /** Entries that have not expired. */
  get size(): number {
    return this.#size;
  }

  /** Lets `entry` expire `delayMs` from now; an entry that is in the wheel starts anew. */
  add(entry: Entry, delayMs: number): void {
    this.remove(entry);
    this.#size++;
    entry.wheelDelayMs = delayMs;
    link(this.#fresh, entry);
    if (this.#timer === undefined) this.#arm(this.#clock.monotonicMs());
  }

  /** Safe to repeat, and for an entry that was never added. */
  remove(entry: Entry): void {
    if (entry.wheelNext === undefined) return;
    unlink(entry);
    if (entry.wheelDelayMs !== heldMs) this.#size--;
  }

  /** Lets `entry` be in the wheel without a time: `takeAll` finds it, and it costs no tick. */
  hold(entry: Entry): void {
    this.remove(entry);
    entry.wheelDelayMs = heldMs;
    link(this.#held, entry);
  }

  /** Takes every entry out; none of them expires. The wheel can be used again. */
  takeAll(): readonly Entry[] {
    const entries: Entry[] = [];
    for (const head of [this.#fresh, this.#due, this.#held, ...this.#slots]) {
      while (head.wheelNext !== head) {
        entries.push(head.wheelNext as Entry);
        unlink(head.wheelNext as WheelEntry);
      }
    }
    this.#size = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    return entries;
  }

  #arm(nowMs: number): void {
    const nextMs = (Math.floor(nowMs / this.#tickMs) + 1) * this.#tickMs;
    this.#timer = this.#clock.setTimer(nextMs - nowMs, () => this.#turn());
  }

  #turn(): void {
    const nowMs = this.#clock.monotonicMs();
    const tick = Math.floor(nowMs / this.#tickMs);
    // Further back than one round there are only slots that this round comes to anyway.
    const first = Math.max(this.#tick + 1, tick - this.#slots.length + 1);
    for (let passed = first; passed <= tick; passed++) this.#collect(passed, tick);
    this.#tick = tick;
    this.#place(nowMs);
    this.#timer = undefined;
    if (this.#size > 0) this.#arm(nowMs);
    this.#expireDue();
  }

  /** Moves what is due by `tick` out of the slot of tick `passed`. */
  #collect(passed: number, tick: number): void {
    const head = this.#slots[passed & (this.#slots.length - 1)] as WheelEntry;
    let entry = head.wheelNext as WheelEntry;
    while (entry !== head) {
      const next = entry.wheelNext as WheelEntry;
      if (entry.wheelDueTick <= tick) {
        unlink(entry);
        link(this.#due, entry);
      }
      entry = next;
    }
  }

  #place(nowMs: number): void {
    const mask = this.#slots.length - 1;
    let entry = this.#fresh.wheelNext as WheelEntry;
    while (entry !== this.#fresh) {
      const next = entry.wheelNext as WheelEntry;
      unlink(entry);
      const dueTick = Math.ceil((nowMs + entry.wheelDelayMs) / this.#tickMs);
      entry.wheelDueTick = dueTick;
      const late = dueTick <= this.#tick;
      link(late ? this.#due : (this.#slots[dueTick & mask] as WheelEntry), entry);
      entry = next;
    }
  }

  #expireDue(): void {
    while (this.#due.wheelNext !== this.#due) {
      const entry = this.#due.wheelNext as Entry;
      unlink(entry);
      this.#size--;
      this.#expire(entry);
    }
  }
}

/** An empty ring: the head links to itself. */
function listHead(): WheelEntry {
  const head = new WheelEntry();
  head.wheelNext = head;
  head.wheelPrevious = head;
  return head;
}

/** Puts `entry` at the end of the ring of `head`. */
function link(head: WheelEntry, entry: WheelEntry): void {
  const last = head.wheelPrevious as WheelEntry;
  entry.wheelPrevious = last;
  entry.wheelNext = head;
  last.wheelNext = entry;
  head.wheelPrevious = entry;
}

function unlink(entry: WheelEntry): void {
  const previous = entry.wheelPrevious as WheelEntry;
  const next = entry.wheelNext as WheelEntry;
  previous.wheelNext = next;
  next.wheelPrevious = previous;
  entry.wheelNext = undefined;
  entry.wheelPrevious = undefined;
}
