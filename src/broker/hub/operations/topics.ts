/**
 * Live fan-out on the wire.
 *
 *   SUBSCRIBE    subscription u64, pattern text8
 *   SUBSCRIBED   subscription u64 [error text16]      the subscription is in force; or is not, and why
 *   UNSUBSCRIBE  subscription u64
 *   PUBLISH      number u64, topic text8; payload     to the hub; number above 0: say so if unheard
 *                subscription u64, topic text8; ...   to a client: the subscription it matched
 *   UNHEARD      number u64 [reason u8]               nobody was subscribed; reason 1: who was is too slow for it
 *   DROPPED      count u64, subscription u64          publications that it lost because the client was slow
 *   QUIET        topic text8                          nobody else hears it: not to be sent until LOUD
 *   LOUD         number u64, topic text8              somebody will; to be answered
 *   HEEDED       number u64                           whatever is published from here on is sent
 *
 * A subscription waits a moment for the clients that were told QUIET to heed LOUD.
 * PUBLISH with the flag CONTROL passes data that waits. Its payload is opaque. A hub passes a PUBLISH
 * on as it came, flags and what it does not know at the end of the header included, but for the number.
 */
import type { ErrorInfo } from "../../../errors.ts";
import { ByteReader, readUint53 } from "../../../message/byte-reader.ts";
import { type Frame, frameFlags, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import { readError, writeError } from "./error.ts";

const reasonNoRoom = 1;

export function writeSubscribe(writer: FrameWriter, subscription: number, pattern: string): void {
  const frame = writer.begin(frameTypes.SUBSCRIBE);
  writer.uint53(subscription);
  writer.text8(pattern);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readSubscribe(frame: Frame): { subscription: number; pattern: string } {
  const reader = headerOf(frame);
  return { subscription: reader.uint53("subscription"), pattern: reader.text8("pattern") };
}

/** @param number - to a hub the number of the publication, to a client the subscription. */
export function writePublish(
  writer: FrameWriter,
  number: number,
  topic: string,
  payload: Uint8Array,
  control: boolean,
): void {
  const frame = writer.begin(frameTypes.PUBLISH, control ? frameFlags.CONTROL : 0);
  writer.uint53(number);
  writer.text8(topic);
  writer.endHeader(frame);
  writer.bytes(payload);
  writer.end(frame);
}

/** Writes the PUBLISH of one client for another. */
export function forwardPublish(writer: FrameWriter, subscription: number, publish: Frame): void {
  const begin = writer.length;
  writer.bytes(publish.bytes);
  writer.patchUint53(begin + publish.headerStart - publish.start, subscription);
}

/** Of a PUBLISH: to a hub the number of the publication, to a client the subscription. */
export function readPublishNumber({ chunk, headerStart, payloadStart }: Frame): number {
  if (payloadStart - headerStart < 8) throw invalidMessage("number", "8 bytes");
  return readUint53("number", chunk, headerStart);
}

export function readPublishTopic(frame: Frame): string {
  return new ByteReader(frame.chunk, frame.headerStart + 8, frame.payloadStart).recurringText8(
    "topic",
  );
}

export function isControl(frame: Frame): boolean {
  return (frame.flags & frameFlags.CONTROL) !== 0;
}

/** @param noRoom - somebody was subscribed, and too slow. */
export function writeUnheard(writer: FrameWriter, number: number, noRoom: boolean): void {
  const frame = writer.begin(frameTypes.UNHEARD);
  writer.uint53(number);
  if (noRoom) writer.uint8(reasonNoRoom);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readUnheard(frame: Frame): { number: number; noRoom: boolean } {
  const reader = headerOf(frame);
  const number = reader.uint53("number");
  const hasReason = frame.payloadStart - frame.headerStart > 8;
  return { number, noRoom: hasReason && reader.uint8("reason") === reasonNoRoom };
}

export function writeDropped(writer: FrameWriter, count: number, subscription: number): void {
  const frame = writer.begin(frameTypes.DROPPED);
  writer.uint53(count);
  writer.uint53(subscription);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readDropped(frame: Frame): { count: number; subscription: number } {
  const reader = headerOf(frame);
  return { count: reader.uint53("count"), subscription: reader.uint53("subscription") };
}

/** SUBSCRIBED with the reason why not behind its number. */
export function writeSubscriptionRefused(
  writer: FrameWriter,
  number: number,
  error: ErrorInfo,
): void {
  const frame = writer.begin(frameTypes.SUBSCRIBED);
  writer.uint53(number);
  writeError(writer, error);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readSubscribed(frame: Frame): { number: number; refusal: ErrorInfo | undefined } {
  const reader = headerOf(frame);
  const number = reader.uint53("subscription");
  const refused = frame.payloadStart - frame.headerStart > 8;
  return { number, refusal: refused ? readError(reader) : undefined };
}

export function writeQuiet(writer: FrameWriter, topic: string): void {
  const frame = writer.begin(frameTypes.QUIET);
  writer.text8(topic);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readQuiet(frame: Frame): string {
  return headerOf(frame).text8("topic");
}

export function writeLoud(writer: FrameWriter, number: number, topic: string): void {
  const frame = writer.begin(frameTypes.LOUD);
  writer.uint53(number);
  writer.text8(topic);
  writer.endHeader(frame);
  writer.end(frame);
}

export function readLoud(frame: Frame): { number: number; topic: string } {
  const reader = headerOf(frame);
  return { number: reader.uint53("number"), topic: reader.text8("topic") };
}

function headerOf(frame: Frame): ByteReader {
  return new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
}
