/**
 * Effects inside a SETTLE, each a frame of its own.
 *
 *   ENQUEUE  sequence u64, repeatsFrom u64: both 0; then as anywhere
 *   PUBLISH  as from a client to its hub, number 0
 *   PUT      options u8, key text16, [ifRevision u64], [ttlMs u64]; payload: the value
 *   APPEND   options u8, stream text16, [at u64]; payload: entry*
 *   entry    length u32, bytes
 *   options  PUT: 1 value (else it deletes)  2 ifRevision  4 ttlMs  8 volatile    APPEND: 1 at
 */
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameAt, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import type { Effect, StoreWrite } from "../../broker.ts";
import { writeEnqueue } from "./enqueue.ts";
import { sessionLimits } from "./limits.ts";
import { readMessage } from "./message.ts";
import { readPublishTopic, writePublish } from "./topics.ts";

const hasValue = 1;
const hasIfRevision = 2;
const hasTtl = 4;
const isVolatile = 8;
const hasAt = 1;

export function writeEffect(writer: FrameWriter, effect: Effect): void {
  switch (effect.kind) {
    case "enqueue":
      writeEnqueue(writer, 0, 0, effect.queue, effect.message);
      break;
    case "publish":
      writePublish(writer, 0, effect.topic, effect.frame, false);
      break;
    case "put":
      writePut(writer, effect);
      break;
    case "append":
      writeAppend(writer, effect.stream, effect.entries, effect.at);
      break;
  }
}

/** The effects from `start` up to the end of a SETTLE. */
export function readEffects(settle: Frame, start: number): readonly Effect[] {
  const bytes = settle.chunk.subarray(0, settle.end);
  const effects: Effect[] = [];
  for (let at = start; at < settle.end; ) {
    const frame = frameAt(bytes, at, sessionLimits);
    effects.push(readEffect(frame));
    at = frame.end;
  }
  return effects;
}

function readEffect(frame: Frame): Effect {
  switch (frame.type) {
    case frameTypes.ENQUEUE: {
      const header = new ByteReader(frame.chunk, frame.headerStart + 16, frame.payloadStart);
      return { kind: "enqueue", ...readMessage(header, frame.payload, undefined) };
    }
    case frameTypes.PUBLISH:
      return { kind: "publish", topic: readPublishTopic(frame), frame: frame.payload };
    case frameTypes.PUT:
      return { kind: "put", ...readPut(frame) };
    case frameTypes.APPEND:
      return readAppend(frame);
    default:
      throw invalidMessage("effect", "ENQUEUE, PUBLISH, PUT or APPEND");
  }
}

function writePut(writer: FrameWriter, write: StoreWrite): void {
  const { value, ifRevision, ttlMs } = write;
  const frame = writer.begin(frameTypes.PUT);
  writer.uint8(
    (value === undefined ? 0 : hasValue) |
      (ifRevision === undefined ? 0 : hasIfRevision) |
      (ttlMs === undefined ? 0 : hasTtl) |
      (write.volatile === true ? isVolatile : 0),
  );
  writer.text16(write.key);
  if (ifRevision !== undefined) writer.uint53(ifRevision);
  if (ttlMs !== undefined) writer.uint53(Math.ceil(ttlMs));
  writer.endHeader(frame);
  if (value !== undefined) writer.bytes(value);
  writer.end(frame);
}

function readPut(frame: Frame): StoreWrite {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const options = reader.uint8("options");
  const key = reader.text16("key");
  const write: { -readonly [Name in keyof StoreWrite]: StoreWrite[Name] } = { key };
  if ((options & hasValue) !== 0) write.value = frame.payload;
  if ((options & hasIfRevision) !== 0) write.ifRevision = reader.uint53("ifRevision");
  if ((options & hasTtl) !== 0) write.ttlMs = reader.uint53("ttlMs");
  if ((options & isVolatile) !== 0) write.volatile = true;
  return write;
}

function writeAppend(
  writer: FrameWriter,
  stream: string,
  entries: readonly Uint8Array[],
  at: number | undefined,
): void {
  const frame = writer.begin(frameTypes.APPEND);
  writer.uint8(at === undefined ? 0 : hasAt);
  writer.text16(stream);
  if (at !== undefined) writer.uint53(at);
  writer.endHeader(frame);
  for (const entry of entries) {
    writer.uint32(entry.length);
    writer.bytes(entry);
  }
  writer.end(frame);
}

function readAppend(frame: Frame): Effect {
  const header = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const options = header.uint8("options");
  const stream = header.text16("stream");
  const at = (options & hasAt) === 0 ? undefined : header.uint53("at");
  const payload = new ByteReader(frame.chunk, frame.payloadStart, frame.end);
  const entries: Uint8Array[] = [];
  while (payload.left > 0) entries.push(payload.bytes("entry", payload.uint32("entry.length")));
  return { kind: "append", stream, entries, ...(at === undefined ? {} : { at }) };
}
