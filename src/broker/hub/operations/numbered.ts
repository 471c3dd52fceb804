/**
 * Frames that carry a number and nothing else: PING, PONG, SUBSCRIBED without an error, UNSUBSCRIBE, UNHEARD without a reason,
 * HEEDED, CANCEL, UNTRACK, HANGUP.
 *
 *   number u64
 */
import { readUint53 } from "../../../message/byte-reader.ts";
import type { Frame, FrameType } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";

export function writeNumbered(writer: FrameWriter, type: FrameType, number: number): void {
  const frame = writer.begin(type);
  writer.uint53(number);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readNumbered(frame: Frame): number {
  if (frame.payloadStart - frame.headerStart < 8) throw invalidMessage("number", "8 bytes");
  return readUint53("number", frame.chunk, frame.headerStart);
}
