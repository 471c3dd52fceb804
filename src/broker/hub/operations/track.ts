/**
 * The state of one message on the wire.
 *
 *   TRACK    number u64, position u64, wait u8, queue text16     wait 1: answered when it is final
 *   TRACKED  number u64, state u8, [failures u16, pickups u16, crashes u16], [error text16]; payload: result
 *   state    0 unknown   1 queued: failures, pickups, crashes   2 offered: the same
 *            3 done   4 done with a result   5 failed: error   6 dead: error   7 expired: error
 *            8 the hub could not find out: error
 *   UNTRACK  number u64                                          the client no longer wants to know
 */
import type { ErrorInfo } from "../../../errors.ts";
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { MessageState } from "../../broker.ts";
import { readError, writeError } from "./error.ts";

export interface TrackOperation {
  readonly number: number;
  readonly queue: string;
  readonly position: number;
  readonly wait: boolean;
}

/** An answer: the state, or why there is none. */
export type Tracked = MessageState | { readonly state: "error"; readonly error: ErrorInfo };

const states = [
  "unknown",
  "queued",
  "offered",
  "done",
  "done",
  "failed",
  "dead",
  "expired",
  "error",
] as const;

const doneWithResult = 4;

export function writeTrack(writer: FrameWriter, track: TrackOperation): void {
  const frame = writer.begin(frameTypes.TRACK);
  writer.uint53(track.number);
  writer.uint53(track.position);
  writer.uint8(track.wait ? 1 : 0);
  writer.text16(track.queue);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readTrack(frame: Frame): TrackOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  const position = reader.uint53("position");
  const wait = reader.uint8("wait") === 1;
  return { number, position, wait, queue: reader.recurringText16("queue") };
}

export function writeTracked(writer: FrameWriter, number: number, tracked: Tracked): void {
  const frame = writer.begin(frameTypes.TRACKED);
  const result = tracked.state === "done" ? tracked.result : undefined;
  writer.uint53(number);
  writer.uint8(result === undefined ? states.indexOf(tracked.state) : doneWithResult);
  if ("attempts" in tracked) {
    const { failures, pickups, crashes } = tracked.attempts;
    for (const count of [failures, pickups, crashes]) writer.uint16(Math.min(count, 0xffff));
  } else if ("error" in tracked) {
    writeError(writer, tracked.error);
  }
  writer.endHeader(frame);
  if (result !== undefined) writer.bytes(result);
  writer.end(frame);
}

const unknown: MessageState = Object.freeze({ state: "unknown" });
const done: MessageState = Object.freeze({ state: "done" });

export function readTracked(frame: Frame): { number: number; tracked: Tracked } {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  return { number: reader.uint53("number"), tracked: readState(reader, frame) };
}

function readState(reader: ByteReader, frame: Frame): Tracked {
  const code = reader.uint8("state");
  const state = states[code];
  switch (state) {
    case "unknown":
      return unknown;
    case "queued":
    case "offered": {
      const failures = reader.uint16("failures");
      const pickups = reader.uint16("pickups");
      return { state, attempts: { failures, pickups, crashes: reader.uint16("crashes") } };
    }
    case "done":
      return code === doneWithResult ? { state, result: frame.payload } : done;
    case undefined:
      throw invalidMessage("state", "a number from 0 to 8");
    default:
      return { state, error: readError(reader) };
  }
}
