/** The state of one message, for whoever sent it. */
import { withAbort } from "../../runtime/abort.ts";
import type { MessageState, TrackOptions } from "../broker.ts";
import { expiredState, finish } from "./attempts.ts";
import type { Core } from "./core.ts";
import { follow, isKnown, trackerOf } from "./follow.ts";
import type { Group, Operation } from "./group.ts";
import type { Queue } from "./queue.ts";
import { unofferedAt } from "./settle.ts";
import { liveState, storedAt } from "./state.ts";
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
  const { wait, onChange, signal } = options;
  if (wait !== true) return look(core, queue, position, signal);
  const tracker = trackerOf(queue);
  let stop = expireInTime(core, queue, position);
  if (onChange !== undefined) {
    const expiry = stop;
    const ending = follow(core, queue, position, onChange);
    stop = () => {
      expiry?.();
      ending();
    };
  }
  return waitForEnd({ tracker, position, stop }, closing, signal);
}

/** The state now. Whoever holds the message is asked whether a handler has started. */
function look(
  core: Core,
  queue: Queue,
  position: number,
  signal: AbortSignal | undefined,
): Promise<MessageState> {
  if (isKnown(queue, position)) return Promise.resolve(liveState(core, queue, position));
  const tracker = trackerOf(queue);
  const looked = new Promise<MessageState>((resolve) => {
    let stop: (() => void) | undefined;
    let told = false;
    const tell = (state: MessageState): void => {
      told = true;
      stop?.();
      tracker.forget(position, tell);
      resolve(state);
    };
    tracker.await(position, tell);
    stop = follow(core, queue, position, tell);
    // Its holder may have answered at once.
    if (told) stop();
  });
  return withAbort(looked, signal);
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
