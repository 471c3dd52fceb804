/** A queue: what is known of it while nobody receives, and what is in memory while somebody does. */
import { HashTable } from "../../runtime/hash-table.ts";
import type { Lane as LaneNumber } from "../broker.ts";
import { Lane } from "./lane.ts";
import type { EngineLimits } from "./limits.ts";
import type { Receiver } from "./receiver.ts";
import type { Slot } from "./slot.ts";
import type { Storage } from "./storage.ts";
import type { Suspects } from "./suspects.ts";
import type { Tracker } from "./tracker.ts";

export const laneNumbers: readonly LaneNumber[] = [0, 1, 2, 3];

/** Whose turn it is: of 15 turns 8, 4, 2 and 1, spread out; a lane with nothing to offer is passed over. */
const turns: readonly LaneNumber[] = [0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0];

export interface QueueOptions {
  readonly storage: Storage;
  readonly limits: EngineLimits;
}

export class Queue {
  readonly name: string;
  /** Of its rows; 0 while it is not declared. */
  number = 0;
  /** The position that the next message gets. */
  next = 1;
  /** Messages that are not final, and the bytes of their frames. */
  live = 0;
  bytes = 0;
  /** Outcomes of messages up to this position may have been given up. */
  forgotten = 0;
  /** No message expires after this, wall clock; 0 when none ever does. */
  lastExpiryMs = 0;
  /** A message with a key was stored at some time. */
  keyed = false;
  /** Positions below were there when the storage was opened after an unclean end. */
  recovered = 0;
  /** Present after an unclean end. */
  suspects: Suspects | undefined = undefined;
  /** In the order in which they came; changed in place, as there may be very many. */
  readonly receivers: Receiver[] = [];
  /** Present while somebody receives or holds a message. */
  active: ActiveQueue | undefined = undefined;
  /** Present once somebody asked for the state of a message. */
  tracker: Tracker | undefined = undefined;
  /** The dispatcher's: it has the queue on one of its lists. */
  marked = false;
  resting = false;
  readonly #options: QueueOptions;
  #turn = 0;

  constructor(name: string, options: QueueOptions) {
    this.name = name;
    this.#options = options;
  }

  activate(nowMs: number): ActiveQueue {
    if (this.active === undefined) {
      this.active = this.activateEmpty();
      // Each lane of an empty queue comes into being with its first message.
      if (this.live > 0) this.active.open(nowMs, this.keyed);
    }
    return this.active;
  }

  /** As `activate`, where nothing is stored but what will be appended. */
  activateEmpty(): ActiveQueue {
    this.active ??= new ActiveQueue(this.#options, this.number);
    return this.active;
  }

  /** Drops what is in memory when nobody needs it. */
  rest(): void {
    if (this.receivers.length > 0) return;
    if (this.active?.untouched === true) this.active = undefined;
    if (this.tracker?.idle === true) this.tracker = undefined;
  }

  /** Drops what is in memory of an empty queue, though somebody receives. */
  restWhenEmpty(): void {
    if (this.live === 0 && this.active?.untouched === true) this.active = undefined;
  }

  /** The next receiver in turn that has room. */
  nextReceiver(): Receiver | undefined {
    const { receivers } = this;
    for (let tries = receivers.length; tries > 0; tries--) {
      this.#turn = this.#turn + 1 < receivers.length ? this.#turn + 1 : 0;
      const receiver = receivers[this.#turn];
      if (receiver !== undefined && receiver.room > 0) return receiver;
    }
    return undefined;
  }
}

export class ActiveQueue {
  /** Messages in somebody's hands, by position. */
  readonly held: HashTable<number, Slot> = new HashTable();
  /** Cancelled in somebody's hands, by fence: see lingering.ts. */
  readonly lingering: HashTable<number, Slot> = new HashTable();
  /** Not offered before the grace has ended. */
  readonly withheld: Slot[] = [];
  readonly #options: QueueOptions;
  readonly #queueNumber: number;
  readonly #lanes: (Lane | undefined)[] = [undefined, undefined, undefined, undefined];
  readonly #isHeld = (position: number): boolean => this.held.has(position);
  #turn = 0;

  constructor(options: QueueOptions, queueNumber: number) {
    this.#options = options;
    this.#queueNumber = queueNumber;
  }

  /** Begins to read what is stored. */
  open(nowMs: number, keyed: boolean): void {
    for (const lane of laneNumbers) this.lane(lane).open(nowMs, keyed);
  }

  /** Nothing of it is in anybody's hands. */
  get untouched(): boolean {
    return this.held.size === 0 && this.lingering.size === 0;
  }

  get unfinished(): boolean {
    return this.#lanes.some((lane) => lane?.unfinished === true);
  }

  resume(): void {
    for (const lane of this.#lanes) lane?.resume();
  }

  /** The next message to offer, lanes weighted 8:4:2:1. */
  next(nowMs: number): Slot | undefined {
    for (let tries = turns.length; tries > 0; tries--) {
      const lane = this.#lanes[turns[this.#turn] as LaneNumber];
      this.#turn = this.#turn === turns.length - 1 ? 0 : this.#turn + 1;
      const slot = lane?.next(nowMs);
      if (slot !== undefined) return slot;
    }
    return undefined;
  }

  lane(lane: LaneNumber): Lane {
    const present = this.#lanes[lane];
    if (present !== undefined) return present;
    const { storage, limits } = this.#options;
    const queueNumber = this.#queueNumber;
    const opened = new Lane({ storage, limits, queueNumber, lane, isHeld: this.#isHeld });
    this.#lanes[lane] = opened;
    return opened;
  }

  /** The live message at `position`; it may be in no list, see `Lane.keep`. */
  find(position: number): Slot | undefined {
    const held = this.held.get(position) ?? this.#withheldAt(position);
    if (held !== undefined) return held;
    for (const lane of laneNumbers) {
      const slot = this.#lanes[lane]?.find(position);
      if (slot !== undefined) return slot;
    }
    return undefined;
  }

  /** One that was claimed, and is final by now perhaps, stays in the list until the grace has ended. */
  #withheldAt(position: number): Slot | undefined {
    return this.withheld.find((slot) => slot.position === position && slot.state === "withheld");
  }
}
