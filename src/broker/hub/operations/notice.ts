/**
 * What a hub tells the holder of a delivery, as control frames: they pass data that waits, and the
 * delivery itself.
 *
 *   NOTICE   receiver u64, position u64, fence u64, kind u8, [number u32], [error text16]; payload: answer
 *   kind     0 cancel: error   1 withdraw   2 follow   3 input: number, answer
 */
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Notice } from "../../broker.ts";
import { readError, writeError } from "./error.ts";

const kinds = ["cancel", "withdraw", "follow", "input"] as const;

export function writeNotice(writer: FrameWriter, receiver: number, notice: Notice): void {
  const frame = writer.begin(frameTypes.NOTICE);
  writer.uint53(receiver);
  writer.uint53(notice.claim.position);
  writer.uint53(notice.claim.fence);
  writer.uint8(kinds.indexOf(notice.kind));
  if (notice.kind === "input") writer.uint32(notice.answer.number);
  if (notice.kind === "cancel") writeError(writer, notice.reason);
  writer.endHeader(frame);
  if (notice.kind === "input") writer.bytes(notice.answer.data);
  writer.end(frame);
}

export function readNoticeReceiver(frame: Frame): number {
  return new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart).uint53("receiver");
}

/** @param queue - the one that the receiver named in the NOTICE receives from. */
export function readNotice(frame: Frame, queue: string): Notice {
  const reader = new ByteReader(frame.chunk, frame.headerStart + 8, frame.payloadStart);
  const position = reader.uint53("position");
  const claim = { queue, position, fence: reader.uint53("fence") };
  const kind = kinds[reader.uint8("kind")];
  switch (kind) {
    case "cancel":
      return { kind, claim, reason: readError(reader) };
    case "withdraw":
    case "follow":
      return { kind, claim };
    case "input":
      return { kind, claim, answer: { number: reader.uint32("number"), data: frame.payload } };
    default:
      throw invalidMessage("kind", "a number from 0 to 3");
  }
}
