/**
 * Leased deliveries on the wire.
 *
 *   RECEIVE  receiver u64, credit u32, queue text16, consumer text16, options u8; payload: claim*
 *   options  1 hears notices: see notice.ts
 *   claim    position u64, fence u64                 deliveries still in hand since before
 *   DELIVER  receiver u64, position u64, fence u64, failures u16, pickups u16, crashes u16;
 *            payload: the message's frame
 *   CANCEL   receiver u64                            no more; what is not settled goes back
 *   ENDED    receiver u64, error text16              the hub ends it: the queue is gone
 */
import type { ErrorInfo } from "../../../errors.ts";
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Attempts, Claim, Delivery } from "../../broker.ts";
import { creditMax } from "../../checks.ts";
import { readError, writeError } from "./error.ts";

export interface ReceiveOperation {
  readonly receiver: number;
  readonly queue: string;
  readonly credit: number;
  readonly consumer: string;
  readonly claims: readonly Claim[];
  readonly hearsNotices: boolean;
}

const hearsNoticesOption = 1;

export function writeReceive(writer: FrameWriter, receive: ReceiveOperation): void {
  const frame = writer.begin(frameTypes.RECEIVE);
  writer.uint53(receive.receiver);
  writer.uint32(receive.credit);
  writer.text16(receive.queue);
  writer.text16(receive.consumer);
  writer.uint8(receive.hearsNotices ? hearsNoticesOption : 0);
  writer.endHeader(frame);
  for (const { position, fence } of receive.claims) {
    writer.uint53(position);
    writer.uint53(fence);
  }
  writer.end(frame);
}

export function readReceive(frame: Frame): ReceiveOperation {
  const header = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const receiver = header.uint53("receiver");
  const credit = header.uint32("credit");
  if (credit === 0 || credit > creditMax) throw invalidMessage("credit", `1 to ${creditMax}`);
  const queue = header.text16("queue");
  const consumer = header.text16("consumer");
  const hearsNotices = (header.uint8("options") & hearsNoticesOption) !== 0;
  const payload = new ByteReader(frame.chunk, frame.payloadStart, frame.end);
  const claims: Claim[] = [];
  while (payload.left > 0) {
    claims.push({ queue, position: payload.uint53("position"), fence: payload.uint53("fence") });
  }
  return { receiver, queue, credit, consumer, claims, hearsNotices };
}

export function writeDeliver(writer: FrameWriter, receiver: number, delivery: Delivery): void {
  const { failures, pickups, crashes } = delivery.attempts;
  const frame = writer.begin(frameTypes.DELIVER);
  writer.uint53(receiver);
  writer.uint53(delivery.position);
  writer.uint53(delivery.fence);
  writer.uint16(Math.min(failures, 0xffff));
  writer.uint16(Math.min(pickups, 0xffff));
  writer.uint16(Math.min(crashes, 0xffff));
  writer.endHeader(frame);
  writer.bytes(delivery.frame);
  writer.end(frame);
}

export function readDeliverReceiver(frame: Frame): number {
  return new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart).uint53("receiver");
}

const firstAttempt: Attempts = Object.freeze({ failures: 0, pickups: 0, crashes: 0 });

/** @param queue - the one that the receiver named in the DELIVER receives from. */
export function readDeliver(frame: Frame, queue: string): Delivery {
  const reader = new ByteReader(frame.chunk, frame.headerStart + 8, frame.payloadStart);
  const position = reader.uint53("position");
  const fence = reader.uint53("fence");
  const failures = reader.uint16("failures");
  const pickups = reader.uint16("pickups");
  const crashes = reader.uint16("crashes");
  const first = failures + pickups + crashes === 0;
  const attempts = first ? firstAttempt : { failures, pickups, crashes };
  return { queue, position, fence, attempts, frame: frame.payload };
}

export function writeEnded(writer: FrameWriter, receiver: number, error: ErrorInfo): void {
  const frame = writer.begin(frameTypes.ENDED);
  writer.uint53(receiver);
  writeError(writer, error);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readEnded(frame: Frame): { receiver: number; error: ErrorInfo } {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  return { receiver: reader.uint53("receiver"), error: readError(reader) };
}
