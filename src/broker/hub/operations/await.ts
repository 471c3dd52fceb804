/**
 * Waiting for the end of many messages on the wire: who sends by the hundred waits by the hundred.
 *
 *   AWAIT  queue text16, runs u32, run*           run = number u64, position u64, count u32
 *   FINAL  runs u32, run*                         run = number u64, count u32
 *
 * A frame has at most 4,096 messages in at most 256 runs: a few bytes must not make the other end walk
 * through millions. Within a run numbers and positions count up together. Each number is a TRACK with `wait` of its own
 * (see track.ts): taken back by UNTRACK, answered by TRACKED or, where the message is done and left no
 * result, in a run of a FINAL.
 */
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";

/** Runs in one frame: a header has its limit. */
const runsMax = 256;

/** Messages in one frame: what one end may make the other walk through, within 50 ms. */
const frameMessagesMax = 4_096;

export interface Awaited {
  readonly number: number;
  readonly position: number;
}

export function writeAwait(writer: FrameWriter, queue: string, awaited: readonly Awaited[]): void {
  for (let next = 0; next < awaited.length; ) {
    const frame = writer.begin(frameTypes.AWAIT);
    writer.text16(queue);
    const countAt = writer.length;
    writer.uint32(0);
    const end = Math.min(awaited.length, next + frameMessagesMax);
    let runs = 0;
    for (; next < end && runs < runsMax; runs++) {
      const { number, position } = awaited[next] as Awaited;
      const first = next++;
      while (next < end && continues(awaited, first, next)) next++;
      writer.uint53(number);
      writer.uint53(position);
      writer.uint32(next - first);
    }
    writer.patchUint32(countAt, runs);
    writer.endHeader(frame);
    writer.end(frame);
  }
}

function continues(awaited: readonly Awaited[], first: number, index: number): boolean {
  const begin = awaited[first] as Awaited;
  const { number, position } = awaited[index] as Awaited;
  const offset = index - first;
  return number === begin.number + offset && position === begin.position + offset;
}

export function readAwait(
  frame: Frame,
  ask: (number: number, queue: string, position: number) => void,
): void {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const queue = reader.recurringText16("queue");
  let left = frameMessagesMax;
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const number = reader.uint53("number");
    const position = reader.uint53("position");
    const count = readCount(reader, left);
    left -= count;
    for (let index = 0; index < count; index++) ask(number + index, queue, position + index);
  }
}

export function writeFinal(writer: FrameWriter, numbers: readonly number[]): void {
  for (let next = 0; next < numbers.length; ) {
    const frame = writer.begin(frameTypes.FINAL);
    const countAt = writer.length;
    writer.uint32(0);
    const end = Math.min(numbers.length, next + frameMessagesMax);
    let runs = 0;
    for (; next < end && runs < runsMax; runs++) {
      const number = numbers[next] as number;
      const first = next++;
      while (next < end && numbers[next] === number + next - first) next++;
      writer.uint53(number);
      writer.uint32(next - first);
    }
    writer.patchUint32(countAt, runs);
    writer.endHeader(frame);
    writer.end(frame);
  }
}

export function readFinal(frame: Frame, tell: (number: number) => void): void {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  let left = frameMessagesMax;
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const number = reader.uint53("number");
    const count = readCount(reader, left);
    left -= count;
    for (let index = 0; index < count; index++) tell(number + index);
  }
}

/** @param left - messages that the frame may still have. */
function readCount(reader: ByteReader, left: number): number {
  const count = reader.uint32("count");
  if (count > left) throw invalidMessage("count", `up to ${frameMessagesMax} in one frame`);
  return count;
}
