/**
 * The state of one message on the wire.
 *
 *   TRACK    number u64, position u64, wait u8, queue text16     wait 1: answered when it is final
 *                                                                wait 2: now, with every change, and then
 *   TRACKED  number u64, state u8, [failures u16, pickups u16, crashes u16], [number u32], [error text16];
 *            payload: result, question or progress
 *   state    0 unknown   1 queued: failures, pickups, crashes   2 offered: the same   3 started: the same
 *            4 waiting for input: the same, number, question   5 done   6 done with a result
 *            7 failed: error   8 dead: error   9 expired: error   10 cancelled: error   11 rescinded: error
 *            12 the hub could not find out: error
 *   UNTRACK  number u64                                          the client no longer wants to know
 */
import type { ErrorInfo } from "../../../errors.ts";
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Attempts, MessageState } from "../../broker.ts";
import { readError, writeError } from "./error.ts";

export interface TrackOperation {
  readonly number: number;
  readonly queue: string;
  readonly position: number;
  readonly wait: boolean;
  /** With `wait`: changes are wanted, too. */
  readonly follow: boolean;
}

/** An answer: the state, or why there is none. */
export type Tracked = MessageState | { readonly state: "error"; readonly error: ErrorInfo };

const states = [
  "unknown",
  "queued",
  "offered",
  "started",
  "waiting-input",
  "done",
  "done",
  "failed",
  "dead",
  "expired",
  "cancelled",
  "rescinded",
  "error",
] as const;

const doneWithResult = 6;

export function writeTrack(writer: FrameWriter, track: TrackOperation): void {
  const frame = writer.begin(frameTypes.TRACK);
  writer.uint53(track.number);
  writer.uint53(track.position);
  writer.uint8(track.follow ? 2 : track.wait ? 1 : 0);
  writer.text16(track.queue);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readTrack(frame: Frame): TrackOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  const position = reader.uint53("position");
  const wait = reader.uint8("wait");
  const queue = reader.recurringText16("queue");
  return { number, position, wait: wait > 0, follow: wait === 2, queue };
}

export function writeTracked(writer: FrameWriter, number: number, tracked: Tracked): void {
  const frame = writer.begin(frameTypes.TRACKED);
  const payload = payloadOf(tracked);
  const hasResult = tracked.state === "done" && payload !== undefined;
  writer.uint53(number);
  writer.uint8(hasResult ? doneWithResult : states.indexOf(tracked.state));
  if ("attempts" in tracked) {
    const { failures, pickups, crashes } = tracked.attempts;
    for (const count of [failures, pickups, crashes]) writer.uint16(Math.min(count, 0xffff));
    if (tracked.state === "waiting-input") writer.uint32(tracked.number);
  } else if ("error" in tracked) {
    writeError(writer, tracked.error);
  }
  writer.endHeader(frame);
  if (payload !== undefined) writer.bytes(payload);
  writer.end(frame);
}

function payloadOf(tracked: Tracked): Uint8Array | undefined {
  switch (tracked.state) {
    case "done":
      return tracked.result;
    case "waiting-input":
      return tracked.question;
    case "queued":
    case "offered":
    case "started":
      return tracked.progress;
    default:
      return undefined;
  }
}

const unknown: MessageState = Object.freeze({ state: "unknown" });
const done: MessageState = Object.freeze({ state: "done" });

export function readTracked(frame: Frame): { number: number; tracked: Tracked } {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  return { number: reader.uint53("number"), tracked: readState(reader, frame) };
}

function readAttempts(reader: ByteReader): Attempts {
  const failures = reader.uint16("failures");
  const pickups = reader.uint16("pickups");
  return { failures, pickups, crashes: reader.uint16("crashes") };
}

function readState(reader: ByteReader, frame: Frame): Tracked {
  const code = reader.uint8("state");
  const state = states[code];
  switch (state) {
    case "unknown":
      return unknown;
    case "queued":
    case "offered":
    case "started": {
      const attempts = readAttempts(reader);
      const { payload } = frame;
      return payload.length === 0 ? { state, attempts } : { state, attempts, progress: payload };
    }
    case "waiting-input": {
      const attempts = readAttempts(reader);
      return { state, attempts, number: reader.uint32("number"), question: frame.payload };
    }
    case "done":
      return code === doneWithResult ? { state, result: frame.payload } : done;
    case undefined:
      throw invalidMessage("state", "a number from 0 to 12");
    default:
      return { state, error: readError(reader) };
  }
}
