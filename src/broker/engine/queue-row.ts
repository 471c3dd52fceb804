/**
 * The row of a declared queue, under its name.
 *
 *   row = number u53, next u53, live u53, bytes u53, forgotten u53, lastExpiryMs f64, keyed u8
 */
import { ByteReader } from "../../message/byte-reader.ts";
import { ByteWriter } from "../../message/byte-writer.ts";
import type { Queue } from "./queue.ts";

const writer = new ByteWriter();

export function encodeQueue(queue: Queue): Uint8Array {
  writer.uint53(queue.number);
  writer.uint53(queue.next);
  writer.uint53(queue.live);
  writer.uint53(queue.bytes);
  writer.uint53(queue.forgotten);
  writer.float64(queue.lastExpiryMs);
  writer.uint8(queue.keyed ? 1 : 0);
  return writer.take();
}

export function decodeQueue(queue: Queue, row: Uint8Array): void {
  const reader = new ByteReader(row);
  queue.number = reader.uint53("number");
  queue.next = reader.uint53("next");
  queue.live = reader.uint53("live");
  queue.bytes = reader.uint53("bytes");
  queue.forgotten = reader.uint53("forgotten");
  queue.lastExpiryMs = reader.float64("lastExpiryMs");
  queue.keyed = reader.uint8("keyed") === 1;
}
