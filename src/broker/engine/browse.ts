/** Looking at a queue without touching it. */
import { throwIfAborted } from "../../runtime/abort.ts";
import type { BrowseRange, Lane, StoredMessage } from "../broker.ts";
import type { Core } from "./core.ts";
import { Page } from "./page.ts";
import { laneNumbers, type Queue } from "./queue.ts";
import { laneKey, returnedKey, returnedPage, scheduledKey } from "./returned.ts";
import type { Session } from "./session.ts";
import { Slot } from "./slot.ts";

/** Messages read from each place at a time. */
const partMax = 64;

export async function* browse(
  { core, check }: Session,
  name: string,
  range: BrowseRange,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredMessage[], void, undefined> {
  check();
  let { after = 0, limit: left = Number.POSITIVE_INFINITY } = range;
  while (left > 0) {
    check();
    throwIfAborted(signal);
    const queue = core.directory.declared(name);
    const part = queue === undefined ? [] : nextPart(core, queue, after).slice(0, left);
    const last = part.at(-1);
    if (last === undefined) return;
    after = last.position;
    left -= part.length;
    yield part;
  }
}

/** The messages after a position, some of them, in order. */
function nextPart(core: Core, queue: Queue, after: number): readonly StoredMessage[] {
  const found: StoredMessage[] = [];
  // Beyond the last message that was read from any one place there may be others before it.
  let end = Number.POSITIVE_INFINITY;
  for (const lane of laneNumbers) {
    for (const part of [
      pageMessages(core, queue, lane, after),
      laterMessages(core, queue, lane, returnedKey(queue.number, lane), after),
      laterMessages(core, queue, lane, scheduledKey(queue.number, lane), after),
    ]) {
      for (const message of part) found.push(message);
      const last = part.at(-1);
      if (part.length >= partMax && last !== undefined) end = Math.min(end, last.position);
    }
  }
  return found.filter(({ position }) => position <= end).sort((a, b) => a.position - b.position);
}

function pageMessages(
  core: Core,
  queue: Queue,
  lane: Lane,
  after: number,
): readonly StoredMessage[] {
  const { storage } = core;
  const a = laneKey(queue.number, lane);
  const found: StoredMessage[] = [];
  let from = storage.floor("page", a, after)?.b ?? after;
  while (found.length < partMax) {
    const [row] = storage.scan("page", a, from, a, { rows: 1 });
    if (row === undefined) break;
    from = row.b + 1;
    const page = new Page("page", row, row.value, storage.read("settled", a, row.b));
    for (let index = 0; index < page.count; index++) {
      if (page.isFinal(index) || page.positionAt(index) <= after) continue;
      found.push(storedMessage(queue, new Slot(page, index, lane)));
    }
  }
  return found;
}

function laterMessages(
  core: Core,
  queue: Queue,
  lane: Lane,
  a: number,
  after: number,
): readonly StoredMessage[] {
  const limits = { rows: partMax };
  return core.storage.scan("later", a, after + 1, a, limits).map((row) => {
    const slot = new Slot(returnedPage(row), 0, lane);
    const message = storedMessage(queue, slot);
    const { dueMs } = slot.history;
    if (dueMs <= core.clock.nowMs() || message.state === "offered") return message;
    return { ...message, state: "scheduled", notBeforeMs: dueMs };
  });
}

function storedMessage(queue: Queue, slot: Slot): StoredMessage {
  const { position, lane, frame, history } = slot;
  const offered = queue.active?.held.get(position)?.state === "held";
  const state = offered ? "offered" : "queued";
  return { position, lane, state, frame, attempts: history.attempts };
}
