/** The state of one message, for whoever sent it. */
import type { Attempts, MessageState, TrackOptions } from "../broker.ts";
import { expiredState, finish } from "./attempts.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { Page } from "./page.ts";
import { laneNumbers, type Queue } from "./queue.ts";
import { freshHistory, laneKey, returnedKey, returnedPage, scheduledKey } from "./returned.ts";
import { unofferedAt } from "./settle.ts";
import { Slot } from "./slot.ts";
import { Tracker } from "./tracker.ts";
import { waitForEnd } from "./wait.ts";

const unknown: MessageState = Object.freeze({ state: "unknown" });
const done: MessageState = Object.freeze({ state: "done" });

/**
 * The session is open, and `options.signal` has not aborted.
 *
 * @param closing - rejects the wait when it aborts.
 */
export function track(
  core: Core,
  name: string,
  position: number,
  options: TrackOptions,
  closing: AbortSignal,
): Promise<MessageState> {
  const queue = core.directory.declared(name);
  if (queue === undefined) return Promise.resolve(unknown);
  const final = finalState(core, queue, position);
  if (final !== undefined) return Promise.resolve(final);
  if (options.wait !== true) return Promise.resolve(liveState(core, queue, position));
  const stop = expireInTime(core, queue, position);
  return waitForEnd({ tracker: trackerOf(queue), position, stop }, closing, options.signal);
}

function trackerOf(queue: Queue): Tracker {
  queue.tracker ??= new Tracker(queue.next);
  return queue.tracker;
}

/** Undefined when the message is not final. */
function finalState(core: Core, queue: Queue, position: number): MessageState | undefined {
  if (!(position >= 1 && position < queue.next)) return unknown;
  if (queue.active?.held.has(position) === true) return undefined;
  const tracker = trackerOf(queue);
  const final = tracker.final(position);
  if (final === "done") return done;
  if (final === undefined && tracker.covers(position)) return undefined;
  const recorded = core.outcomes.find(queue.number, position);
  // A message that was sent at most once and came back has a record of having been taken, and is live.
  if (recorded !== undefined && recorded.state !== "unknown") return recorded;
  if (final === undefined && storedAt(core, queue, position) !== undefined) return undefined;
  return recorded ?? (position > queue.forgotten ? done : unknown);
}

function liveState(core: Core, queue: Queue, position: number): MessageState {
  const held = queue.active?.held.get(position);
  const state = held?.state === "held" ? "offered" : "queued";
  const slot = held ?? storedAt(core, queue, position);
  const attempts: Attempts = (slot?.history ?? freshHistory).attempts;
  return { state, attempts };
}

/** The message in its row, whatever is in memory; undefined when it is final. */
function storedAt(core: Core, queue: Queue, position: number): Slot | undefined {
  const { storage } = core;
  for (const lane of laneNumbers) {
    for (const a of [returnedKey(queue.number, lane), scheduledKey(queue.number, lane)]) {
      const value = storage.read("later", a, position);
      if (value !== undefined) return new Slot(returnedPage({ a, b: position, value }), 0, lane);
    }
    const row = storage.floor("page", laneKey(queue.number, lane), position);
    if (row === undefined) continue;
    const page = new Page("page", row, row.value, storage.read("settled", row.a, row.b));
    const index = page.indexOf(position);
    if (index !== -1 && !page.isFinal(index)) return new Slot(page, index, lane);
  }
  return undefined;
}

/**
 * Messages expire when their turn comes; one that somebody waits for does so at its time, also where
 * nobody receives. @returns takes that back.
 */
function expireInTime(core: Core, queue: Queue, position: number): (() => void) | undefined {
  const { clock, groups } = core;
  const expiresAtMs =
    queue.lastExpiryMs === 0 ? 0 : (storedAt(core, queue, position)?.expiresAtMs ?? 0);
  if (expiresAtMs === 0) return undefined;
  const wait = () => clock.setTimer(Math.max(0, expiresAtMs - clock.nowMs()), run);
  const run = () => {
    // The wall clock may have been set back, and where the disk was full it is tried again.
    if (clock.nowMs() >= expiresAtMs) groups.stage(new ExpireAt(core, queue, position));
    timer = clock.setTimer(Math.max(1_000, expiresAtMs - clock.nowMs()), run);
  };
  let timer = wait();
  return () => timer.cancel();
}

class ExpireAt implements Operation {
  readonly messages = 1;
  readonly bytes = 0;
  readonly #core: Core;
  readonly #queue: Queue;
  readonly #position: number;

  constructor(core: Core, queue: Queue, position: number) {
    this.#core = core;
    this.#queue = queue;
    this.#position = position;
  }

  decide(group: Group): void {
    const queue = this.#queue;
    if (queue.number === 0 || queue.active?.held.has(this.#position) === true) return;
    const slot = unofferedAt(this.#core, queue, this.#position);
    if (slot === undefined) return;
    const over = slot.expiresAtMs !== 0 && slot.expiresAtMs <= group.nowMs;
    if (over) finish(this.#core, group, queue, slot, expiredState);
    else if (slot.state === "loose") queue.active?.lane(slot.lane).forget(slot);
  }

  committed(): void {}

  failed(): void {}
}
