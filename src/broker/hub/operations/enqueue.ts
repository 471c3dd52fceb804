/**
 * Durable intake on the wire.
 *
 *   ENQUEUE   sequence u64, repeatsFrom u64, message; payload    see message.ts
 *   ENQUEUED  runs u32, run*                                     what became of them, batched
 *   run       kind u8, count u32, sequence u64, then
 *             0 stored, 1 duplicate:         position u64        of the first; both count up together
 *             2 rejected, 3 indeterminate:   error text16        one for the whole run
 *
 * `sequence` counts up within the incarnation of the session, and with it is the origin of a message
 * that has no other; every sequence below `repeatsFrom` is acknowledged and will not be repeated.
 */
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { EnqueueOutcome, QueuedMessage } from "../../broker.ts";
import { readError, writeError } from "./error.ts";
import { readMessage, writeMessage } from "./message.ts";

export interface EnqueueOperation {
  readonly sequence: number;
  readonly queue: string;
  readonly message: QueuedMessage;
}

export function writeEnqueue(
  writer: FrameWriter,
  sequence: number,
  repeatsFrom: number,
  queue: string,
  message: QueuedMessage,
): void {
  const frame = writer.begin(frameTypes.ENQUEUE);
  writer.uint53(sequence);
  writer.uint53(repeatsFrom);
  writeMessage(writer, queue, message);
  writer.endHeader(frame);
  writer.bytes(message.frame);
  writer.end(frame);
}

/** @param incarnation - of the session it came through. */
export function readEnqueue(frame: Frame, incarnation: string): EnqueueOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const sequence = reader.uint53("sequence");
  const repeatsFrom = reader.uint53("repeatsFrom");
  const origin = { incarnation, sequence, repeatsFrom };
  const { queue, message } = readMessage(reader, frame.payload, origin);
  return { sequence, queue, message };
}

const kinds = { stored: 0, duplicate: 1, rejected: 2, indeterminate: 3 } as const;

/** Runs in one frame: a header has its limit. */
const runsMax = 256;

/** @param sequences - of the messages, one for each outcome. */
export function writeEnqueued(
  writer: FrameWriter,
  sequences: readonly number[],
  outcomes: readonly EnqueueOutcome[],
): void {
  for (let next = 0; next < outcomes.length; ) {
    const frame = writer.begin(frameTypes.ENQUEUED);
    const countAt = writer.length;
    writer.uint32(0);
    let runs = 0;
    for (; next < outcomes.length && runs < runsMax; runs++) {
      next = writeRun(writer, sequences, outcomes, next);
    }
    writer.patchUint32(countAt, runs);
    writer.endHeader(frame);
    writer.end(frame);
  }
}

/** @returns the index behind the run. */
function writeRun(
  writer: FrameWriter,
  sequences: readonly number[],
  outcomes: readonly EnqueueOutcome[],
  first: number,
): number {
  const outcome = outcomes[first] as EnqueueOutcome;
  const sequence = sequences[first] as number;
  let end = first + 1;
  if (outcome.kind === "stored") {
    while (end < outcomes.length && continues(sequences, outcomes, first, end)) end++;
    writer.uint8(outcome.duplicate ? kinds.duplicate : kinds.stored);
    writer.uint32(end - first);
    writer.uint53(sequence);
    writer.uint53(outcome.position);
  } else {
    writer.uint8(kinds[outcome.kind]);
    writer.uint32(1);
    writer.uint53(sequence);
    writeError(writer, outcome.error);
  }
  return end;
}

function continues(
  sequences: readonly number[],
  outcomes: readonly EnqueueOutcome[],
  first: number,
  index: number,
): boolean {
  const begin = outcomes[first] as EnqueueOutcome & { kind: "stored" };
  const outcome = outcomes[index] as EnqueueOutcome;
  const offset = index - first;
  return (
    outcome.kind === "stored" &&
    outcome.duplicate === begin.duplicate &&
    outcome.position === begin.position + offset &&
    sequences[index] === (sequences[first] as number) + offset
  );
}

export type TellEnqueued = (sequence: number, outcome: EnqueueOutcome) => void;

/** Messages in one run: what a hub may make a client walk through for one frame. */
const runMessagesMax = 1_000_000;

export function readEnqueued(frame: Frame, tell: TellEnqueued): void {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const kind = reader.uint8("kind");
    const count = reader.uint32("count");
    if (count > runMessagesMax) throw invalidMessage("count", `up to ${runMessagesMax}`);
    const sequence = reader.uint53("sequence");
    if (kind === kinds.stored || kind === kinds.duplicate) {
      const position = reader.uint53("position");
      const duplicate = kind === kinds.duplicate;
      for (let index = 0; index < count; index++) {
        tell(sequence + index, { kind: "stored", position: position + index, duplicate });
      }
    } else {
      const error = readError(reader);
      const named = kind === kinds.rejected ? "rejected" : "indeterminate";
      for (let index = 0; index < count; index++) tell(sequence + index, { kind: named, error });
    }
  }
}
