/**
 * A message for a queue, as a header; the message's frame is the payload.
 *
 *   message  = options u8, lane u8, queue text16, [id text16], [key text16],
 *              [notBeforeMs u64], [expiresAtMs u64], [origin]
 *   origin   = incarnation text16, sequence u64, repeatsFrom u64
 *   options  = bits 0-1 guarantee: 0 at most once, 1 at least once, 2 exactly once (only then with id)
 *              4 key   8 notBeforeMs   16 expiresAtMs   32 origin
 */
import type { ByteReader } from "../../../message/byte-reader.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Guarantee, Lane, Origin, QueuedMessage } from "../../broker.ts";

const guarantees: readonly Guarantee[] = ["at-most-once", "at-least-once", "exactly-once"];

const hasKey = 4;
const hasNotBefore = 8;
const hasExpiry = 16;
const hasOrigin = 32;

export function writeMessage(writer: FrameWriter, queue: string, message: QueuedMessage): void {
  const { guarantee, key, notBeforeMs, expiresAtMs, origin } = message;
  const options =
    guarantees.indexOf(guarantee) |
    (key === undefined ? 0 : hasKey) |
    (notBeforeMs === undefined ? 0 : hasNotBefore) |
    (expiresAtMs === undefined ? 0 : hasExpiry) |
    (origin === undefined ? 0 : hasOrigin);
  writer.uint8(options);
  writer.uint8(message.lane);
  writer.text16(queue);
  if (guarantee === "exactly-once") writer.text16(message.id);
  if (key !== undefined) writer.text16(key);
  if (notBeforeMs !== undefined) writer.uint53(Math.ceil(notBeforeMs));
  if (expiresAtMs !== undefined) writer.uint53(Math.floor(expiresAtMs));
  if (origin === undefined) return;
  writer.text16(origin.incarnation);
  writer.uint53(origin.sequence);
  writer.uint53(origin.repeatsFrom);
}

/** @param origin - of a message that brings none of its own. */
export function readMessage(
  reader: ByteReader,
  frame: Uint8Array,
  origin: Origin | undefined,
): { readonly queue: string; readonly message: QueuedMessage } {
  const options = reader.uint8("options");
  const guarantee = guarantees[options & 3];
  if (guarantee === undefined) throw invalidMessage("options", "a guarantee from 0 to 2");
  const lane = reader.uint8("lane");
  if (lane > 3) throw invalidMessage("lane", "a lane from 0 to 3");
  const queue = reader.recurringText16("queue");
  const id = guarantee === "exactly-once" ? reader.text16("id") : "";
  const message: { -readonly [Name in keyof QueuedMessage]: QueuedMessage[Name] } = {
    frame,
    lane: lane as Lane,
    guarantee,
    id,
  };
  if ((options & hasKey) !== 0) message.key = reader.text16("key");
  if ((options & hasNotBefore) !== 0) message.notBeforeMs = reader.uint53("notBeforeMs");
  if ((options & hasExpiry) !== 0) message.expiresAtMs = reader.uint53("expiresAtMs");
  if ((options & hasOrigin) !== 0) message.origin = readOrigin(reader);
  else if (origin !== undefined) message.origin = origin;
  return { queue, message };
}

function readOrigin(reader: ByteReader): Origin {
  return {
    incarnation: reader.text16("origin.incarnation"),
    sequence: reader.uint53("origin.sequence"),
    repeatsFrom: reader.uint53("origin.repeatsFrom"),
  };
}
