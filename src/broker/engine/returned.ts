/**
 * A message that is on its own in the table `later`, under the key of its queue and lane and its
 * position, which it keeps for life. Two regions, above every time a timer can have:
 *
 *   returned    a = 2^44 + queue number * 4 + lane   b = position    back from an attempt, or due
 *   scheduled   a = 2^45 + queue number * 4 + lane   b = position    waits for its time
 *
 *   row = failures u32, pickups u32, crashes u32, firstFailureMs f64, lastFailureMs f64,
 *         fence f64, dueMs f64, past u32 + bytes as in failures.ts, body as in page.ts
 */
import type { Attempts, Lane, QueuedMessage } from "../broker.ts";
import { noFailures } from "./failures.ts";
import { bodyBytes, encodeBody, Page } from "./page.ts";
import type { NumberedRow } from "./storage.ts";

/** What happened to a message before. */
export interface History {
  readonly attempts: Attempts;
  /** Wall clock, milliseconds; 0 when nothing failed yet. */
  readonly firstFailureMs: number;
  readonly lastFailureMs: number;
  /** Of the last attempt; an older one that still comes in is stale. */
  readonly fence: number;
  /** Not offered before. */
  readonly dueMs: number;
  /** How its attempts failed: see failures.ts. */
  readonly past: Uint8Array;
}

export const freshHistory: History = Object.freeze({
  attempts: Object.freeze({ failures: 0, pickups: 0, crashes: 0 }),
  firstFailureMs: 0,
  lastFailureMs: 0,
  fence: 0,
  dueMs: 0,
  past: noFailures,
});

const returnedRegion = 2 ** 44;
/** Above those of messages that came back. */
export const scheduledRegion: number = 2 ** 45;
const dueMsStart = 36;
const pastStart = 48;

/** Times of timers lie below: until the year 2527. */
export const timeMax: number = returnedRegion - 1;

/** The first part of the key of a lane's pages. */
export function laneKey(queueNumber: number, lane: Lane): number {
  return queueNumber * 4 + lane;
}

export function returnedKey(queueNumber: number, lane: Lane): number {
  return returnedRegion + laneKey(queueNumber, lane);
}

export function scheduledKey(queueNumber: number, lane: Lane): number {
  return scheduledRegion + laneKey(queueNumber, lane);
}

export function encodeScheduled(message: QueuedMessage): Uint8Array {
  const bytes = new Uint8Array(pastStart + bodyBytes(message));
  const view = new DataView(bytes.buffer);
  encodeHistory(view, bytes, { ...freshHistory, dueMs: message.notBeforeMs ?? 0 });
  encodeBody(message, bytes, view, pastStart);
  return bytes;
}

/** @param body - as it lies in the page the message comes from. */
export function encodeReturned(body: Uint8Array, history: History): Uint8Array {
  const bodyStart = pastStart + history.past.length;
  const bytes = new Uint8Array(bodyStart + body.length);
  encodeHistory(new DataView(bytes.buffer), bytes, history);
  bytes.set(body, bodyStart);
  return bytes;
}

export function returnedPage(row: NumberedRow): Page {
  const { value } = row;
  const past = new DataView(value.buffer, value.byteOffset).getUint32(pastStart - 4);
  return new Page("later", row, value, undefined, pastStart + past);
}

/** When the message of such a row may be offered, without reading the rest. */
export function dueMsOf(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset).getFloat64(dueMsStart);
}

/** The same row of a message whose time has come, whatever any clock says later. */
export function withoutDue(row: Uint8Array): Uint8Array {
  const bytes = row.slice();
  new DataView(bytes.buffer).setFloat64(dueMsStart, 0);
  return bytes;
}

export function decodeHistory(page: Page): History {
  const { view, bytes } = page;
  const past = view.getUint32(pastStart - 4);
  return {
    attempts: {
      failures: view.getUint32(0),
      pickups: view.getUint32(4),
      crashes: view.getUint32(8),
    },
    firstFailureMs: view.getFloat64(12),
    lastFailureMs: view.getFloat64(20),
    fence: view.getFloat64(28),
    dueMs: view.getFloat64(dueMsStart),
    past: past === 0 ? noFailures : bytes.subarray(pastStart, pastStart + past),
  };
}

function encodeHistory(view: DataView, bytes: Uint8Array, history: History): void {
  view.setUint32(0, history.attempts.failures);
  view.setUint32(4, history.attempts.pickups);
  view.setUint32(8, history.attempts.crashes);
  view.setFloat64(12, history.firstFailureMs);
  view.setFloat64(20, history.lastFailureMs);
  view.setFloat64(28, history.fence);
  view.setFloat64(dueMsStart, history.dueMs);
  view.setUint32(44, history.past.length);
  bytes.set(history.past, pastStart);
}
