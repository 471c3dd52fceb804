/**
 * Waiting for the end of many messages on the wire: who sends by the hundred waits by the hundred.
 *
 *   AWAIT  queue text16, runs u32, run*           run = number u64, position u64, count u32
 *   FINAL  runs u32, run*                         run = number u64, count u32
 *
 * Within a run numbers and positions count up together. Each number is a TRACK with `wait` of its own
 * (see track.ts): taken back by UNTRACK, answered by TRACKED or, where the message is done and left no
 * result, in a run of a FINAL.
 */
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";

/** Runs in one frame: a header has its limit. */
const runsMax = 256;

/** Messages in one run: what one end may make the other walk through for one frame. */
const runMessagesMax = 1_000_000;

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
    let runs = 0;
    for (; next < awaited.length && runs < runsMax; runs++) {
      const { number, position } = awaited[next] as Awaited;
      const first = next++;
      while (next < awaited.length && continues(awaited, first, next)) next++;
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
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const number = reader.uint53("number");
    const position = reader.uint53("position");
    const count = readCount(reader);
    for (let index = 0; index < count; index++) ask(number + index, queue, position + index);
  }
}

export function writeFinal(writer: FrameWriter, numbers: readonly number[]): void {
  for (let next = 0; next < numbers.length; ) {
    const frame = writer.begin(frameTypes.FINAL);
    const countAt = writer.length;
    writer.uint32(0);
    let runs = 0;
    for (; next < numbers.length && runs < runsMax; runs++) {
      const number = numbers[next] as number;
      const first = next++;
      while (numbers[next] === number + next - first) next++;
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
  for (let runs = reader.uint32("runs"); runs > 0; runs--) {
    const number = reader.uint53("number");
    const count = readCount(reader);
    for (let index = 0; index < count; index++) tell(number + index);
  }
}

function readCount(reader: ByteReader): number {
  const count = reader.uint32("count");
  if (count > runMessagesMax) throw invalidMessage("count", `up to ${runMessagesMax}`);
  return count;
}
