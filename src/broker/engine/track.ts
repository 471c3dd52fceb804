/** The state of one message, for whoever sent it. */

import { onAbort, withAbort } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { MessageState, TrackOptions } from "../broker.ts";
import type { Core } from "./core.ts";
import { Page } from "./page.ts";
import type { Queue } from "./queue.ts";
import { laneNumbers } from "./queue.ts";
import { decodeHistory, laneKey, returnedKey, returnedPage, scheduledKey } from "./returned.ts";
import { Tracker } from "./tracker.ts";

const unknown: MessageState = Object.freeze({ state: "unknown" });
const done: MessageState = Object.freeze({ state: "done" });
const noAttempts = Object.freeze({ failures: 0, pickups: 0, crashes: 0 });

export async function track(
  core: Core,
  name: string,
  position: number,
  options: TrackOptions,
  closing: AbortSignal,
): Promise<MessageState> {
  const queue = core.directory.declared(name);
  if (queue === undefined) return unknown;
  const state = stateOf(core, queue, position);
  const final = state.state !== "queued" && state.state !== "offered";
  if (final || options.wait !== true) return state;
  const waiting = new Deferred<MessageState>();
  const forget = trackerOf(queue).wait(position, waiting.resolve);
  const open = onAbort(closing, () => waiting.reject(closing.reason));
  try {
    return await withAbort(waiting.promise, options.signal);
  } finally {
    forget();
    open();
  }
}

function trackerOf(queue: Queue): Tracker {
  queue.tracker ??= new Tracker(queue.next);
  return queue.tracker;
}

function stateOf(core: Core, queue: Queue, position: number): MessageState {
  if (!(position >= 1 && position < queue.next)) return unknown;
  const held = queue.active?.held.get(position);
  if (held !== undefined) {
    const { attempts } = held.history;
    return { state: held.state === "held" ? "offered" : "queued", attempts };
  }
  const tracker = trackerOf(queue);
  const final = tracker.final(position);
  if (final !== undefined) return final;
  if (tracker.covers(position))
    return { state: "queued", attempts: attemptsOf(core, queue, position) };
  return (
    core.outcomes.find(queue.number, position) ??
    storedState(core, queue, position) ??
    (position > queue.forgotten ? done : unknown)
  );
}

/** Of a message that is known to wait. */
function attemptsOf(core: Core, queue: Queue, position: number) {
  const state = storedState(core, queue, position);
  return state?.state === "queued" ? state.attempts : noAttempts;
}

/** Queued, when a row says so. */
function storedState(core: Core, queue: Queue, position: number): MessageState | undefined {
  const { storage } = core;
  for (const lane of laneNumbers) {
    const a = returnedKey(queue.number, lane);
    const returned = storage.read("later", a, position);
    if (returned !== undefined) {
      const { attempts } = decodeHistory(returnedPage({ a, b: position, value: returned }));
      return { state: "queued", attempts };
    }
    if (storage.read("later", scheduledKey(queue.number, lane), position) !== undefined) {
      return { state: "queued", attempts: noAttempts };
    }
    const row = storage.floor("page", laneKey(queue.number, lane), position);
    if (row === undefined) continue;
    const page = new Page("page", row, row.value, storage.read("settled", row.a, row.b));
    const index = page.indexOf(position);
    if (index !== -1 && !page.isFinal(index)) return { state: "queued", attempts: noAttempts };
  }
  return undefined;
}
