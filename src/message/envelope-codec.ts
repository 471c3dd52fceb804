/**
 * A message as one frame.
 *
 *   frame          = head header payload             type MESSAGE, see frame.ts
 *   header         = fixed authentication addressing fields
 *   fixed          = major minor patch               u8 each: the protocol version, 1.0.0
 *                    kind priority                   u8 each: see envelope-fields.ts
 *                    codec compression               u8 each: see message.ts
 *                    reserved                        u8, 0; readers ignore it
 *                    present                         u32, one bit per optional field
 *                    createdMs                       u53
 *   authentication = length bytes                    u16: reserved for key id and signature, skipped
 *   addressing     = id name agent type instance     text each; the last three are the sender
 *                    count address*                  u16: the recipients
 *   fields         = the optional fields whose bit is set, in the order of the bits:
 *                    ttlMs deadlineMs timeoutMs sequence credit hops budget     u53 each
 *                    replyTo correlationId conversationId workflowId
 *                    causationId key trace                                      text each
 *                    path     = count agent*                                    u8
 *                    headers  = count (name value)*                             u8; value: u16 length
 *
 *   text = length bytes, u8: UTF-8          u53 = 8 bytes, a whole number up to 2^53 - 1
 *
 * Integers are big-endian. The meaning of a bit never changes; a field to come takes the next bit and
 * goes last, where readers that do not know it skip it with the rest of the header.
 */
import { readUint32 } from "./byte-reader.ts";
import type { Envelope, MessageKind, Priority } from "./envelope.ts";
import { kinds, limit, present, priorities, protocolVersion } from "./envelope-fields.ts";
import { FieldReader } from "./field-reader.ts";
import {
  writeHeaders,
  writeId,
  writeName,
  writeNumber,
  writePath,
  writeRecipients,
  writeSender,
  writeTopic,
} from "./field-writer.ts";
import { type Frame, type FrameLimits, frameAt, frameTypes } from "./frame.ts";
import { FrameWriter } from "./frame-writer.ts";
import { invalidMessage, tooLarge, unknownVersion } from "./invalid.ts";
import { frameHeadBytes, headerBytesMax, payloadBytesMax } from "./limits.ts";
import {
  type Compression,
  compressions,
  type EncodedPayload,
  type Message,
  type PayloadCodec,
  payloadCodecs,
} from "./message.ts";

/** Bytes before `createdMs`, which end with `present`. */
const fixedBytes = 12;
const presentOffset = 8;

const kindNumbers: ReadonlyMap<string | undefined, number> = numbersOf(kinds);
const priorityNumbers: ReadonlyMap<string | undefined, number> = numbersOf(priorities);
const codecsKnown = Object.values(payloadCodecs).length;
const compressionsKnown = Object.values(compressions).length;

export const messageFrameLimits: FrameLimits = { headerBytesMax, payloadBytesMax };

const shared: FrameWriter = new FrameWriter();

/**
 * The frame of one message, for a broker.
 *
 * @throws INVALID_MESSAGE with the field and its limit, MESSAGE_TOO_LARGE for a header above 64 KiB,
 *   headers above 16 KiB or a payload above `limits`.
 */
export function encodeMessage(
  envelope: Envelope,
  payload: EncodedPayload,
  limits: FrameLimits = messageFrameLimits,
): Uint8Array {
  try {
    writeMessage(shared, envelope, payload, limits);
  } catch (error) {
    shared.truncate(0);
    throw error;
  }
  return shared.take();
}

/** Like `encodeMessage`, into a chunk under way. After a throw, truncate `writer` to its length before. */
export function writeMessage(
  writer: FrameWriter,
  envelope: Envelope,
  payload: EncodedPayload,
  limits: FrameLimits = messageFrameLimits,
): void {
  if (payload.bytes.length > limits.payloadBytesMax) {
    throw tooLarge("payload", limits.payloadBytesMax, "bytes", payload.bytes.length);
  }
  const frame = writer.begin(frameTypes.MESSAGE);
  writeFixed(writer, envelope, payload);
  writeId(writer, "id", envelope.id);
  writeName(writer, "name", envelope.name);
  writeSender(writer, envelope.from);
  writeRecipients(writer, envelope.to);
  const fields = writeNumbers(writer, envelope) | writeTexts(writer, envelope);
  writer.patchUint32(frame + frameHeadBytes + presentOffset, fields);
  const length = writer.length - frame - frameHeadBytes;
  if (length > limits.headerBytesMax) {
    throw tooLarge("header", limits.headerBytesMax, "bytes", length);
  }
  writer.endHeader(frame);
  writer.bytes(payload.bytes);
  writer.end(frame);
}

function writeFixed(writer: FrameWriter, envelope: Envelope, payload: EncodedPayload): void {
  if (envelope.version !== protocolVersion) {
    throw unknownVersion("version", envelope.version, limit.version);
  }
  const kind = kindNumbers.get(envelope.kind);
  if (kind === undefined) throw invalidMessage("kind", limit.kind);
  const priority = priorityNumbers.get(envelope.priority);
  if (priority === undefined) throw invalidMessage("priority", limit.priority);
  writer.uint32((1 << 24) | kind);
  writer.uint32((priority << 24) | (payload.codec << 16) | (payload.compression << 8));
  writer.uint32(0);
  writeNumber(writer, "createdMs", envelope.createdMs);
  writer.uint16(0);
}

/** @returns the bits of the fields written. */
function writeNumbers(writer: FrameWriter, envelope: Envelope): number {
  const { ttlMs, deadlineMs, timeoutMs, sequence, credit, hops, budget } = envelope;
  let fields = 0;
  if (ttlMs !== undefined) {
    writeNumber(writer, "ttlMs", ttlMs);
    fields |= present.ttlMs;
  }
  if (deadlineMs !== undefined) {
    writeNumber(writer, "deadlineMs", deadlineMs);
    fields |= present.deadlineMs;
  }
  if (timeoutMs !== undefined) {
    writeNumber(writer, "timeoutMs", timeoutMs);
    fields |= present.timeoutMs;
  }
  if (sequence !== undefined) {
    writeNumber(writer, "sequence", sequence);
    fields |= present.sequence;
  }
  if (credit !== undefined) {
    writeNumber(writer, "credit", credit);
    fields |= present.credit;
  }
  if (hops !== undefined) {
    writeNumber(writer, "hops", hops);
    fields |= present.hops;
  }
  if (budget !== undefined) {
    writeNumber(writer, "budget", budget);
    fields |= present.budget;
  }
  return fields;
}

/** @returns the bits of the fields written. */
function writeTexts(writer: FrameWriter, envelope: Envelope): number {
  const { replyTo, correlationId, conversationId, workflowId, causationId, key, trace } = envelope;
  let fields = 0;
  if (replyTo !== undefined) {
    writeTopic(writer, "replyTo", replyTo);
    fields |= present.replyTo;
  }
  if (correlationId !== undefined) {
    writeId(writer, "correlationId", correlationId);
    fields |= present.correlationId;
  }
  if (conversationId !== undefined) {
    writeId(writer, "conversationId", conversationId);
    fields |= present.conversationId;
  }
  if (workflowId !== undefined) {
    writeId(writer, "workflowId", workflowId);
    fields |= present.workflowId;
  }
  if (causationId !== undefined) {
    writeId(writer, "causationId", causationId);
    fields |= present.causationId;
  }
  if (key !== undefined) {
    writeName(writer, "key", key);
    fields |= present.key;
  }
  if (trace !== undefined) {
    writeName(writer, "trace", trace);
    fields |= present.trace;
  }
  return fields | writeCollections(writer, envelope);
}

function writeCollections(writer: FrameWriter, envelope: Envelope): number {
  let fields = 0;
  if (envelope.path !== undefined) {
    writePath(writer, envelope.path);
    fields |= present.path;
  }
  if (envelope.headers !== undefined) {
    writeHeaders(writer, envelope.headers);
    fields |= present.headers;
  }
  if (envelope.status !== undefined) {
    if (envelope.status !== "partial") throw invalidMessage("status", limit.status);
    fields |= present.partial;
  }
  return fields;
}

/**
 * The message in a frame that a broker handed out.
 *
 * @throws INVALID_MESSAGE with the field and its limit, INVALID_VERSION, MESSAGE_TOO_LARGE.
 */
export function decodeMessage(
  frame: Uint8Array,
  limits: FrameLimits = messageFrameLimits,
): Message {
  const found = frameAt(frame, 0, limits);
  if (found.end !== frame.length) {
    throw invalidMessage("frame", `${found.end} bytes, found ${frame.length}`);
  }
  return readMessage(found);
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** Like `decodeMessage`, for a frame where it lies. */
export function readMessage(frame: Frame): Message {
  if (frame.type !== frameTypes.MESSAGE) {
    throw invalidMessage("frame.type", `MESSAGE, found ${frame.type}`);
  }
  const { chunk, headerStart, payloadStart } = frame;
  if (payloadStart - headerStart < fixedBytes) {
    throw invalidMessage("header", `${fixedBytes} bytes or more`);
  }
  const kind = checkFixed(chunk, headerStart);
  const fields = readUint32(chunk, headerStart + presentOffset);
  const reader = new FieldReader(chunk, headerStart, payloadStart, fixedBytes);
  const createdMs = reader.number("createdMs");
  reader.skip16("authentication");
  const envelope: Mutable<Envelope> = {
    id: reader.id("id"),
    version: protocolVersion,
    kind,
    name: reader.name("name"),
    from: {
      agent: reader.id("from.agent"),
      type: reader.id("from.type"),
      instance: reader.id("from.instance"),
    },
    to: reader.recipients(),
    createdMs,
    priority: priorities[chunk[headerStart + 4] as number] as Priority,
  };
  if (fields !== 0) readFields(reader, fields, envelope);
  return {
    envelope,
    payload: {
      codec: chunk[headerStart + 5] as PayloadCodec,
      compression: chunk[headerStart + 6] as Compression,
      bytes: frame.payload,
    },
  };
}

function checkFixed(bytes: Uint8Array, at: number): MessageKind {
  if (bytes[at] !== 1 || bytes[at + 1] !== 0 || bytes[at + 2] !== 0) {
    const version = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}`;
    throw unknownVersion("version", version, limit.version);
  }
  const kind = kinds[bytes[at + 3] as number];
  if (kind === undefined) throw invalidMessage("kind", limit.kind);
  if ((bytes[at + 4] as number) >= priorities.length) {
    throw invalidMessage("priority", limit.priority);
  }
  if ((bytes[at + 5] as number) >= codecsKnown) {
    throw invalidMessage("codec", `0 to ${codecsKnown - 1}`);
  }
  if ((bytes[at + 6] as number) >= compressionsKnown) {
    throw invalidMessage("compression", `0 to ${compressionsKnown - 1}`);
  }
  return kind;
}

function readFields(reader: FieldReader, fields: number, envelope: Mutable<Envelope>): void {
  if (fields & present.ttlMs) envelope.ttlMs = reader.number("ttlMs");
  if (fields & present.deadlineMs) envelope.deadlineMs = reader.number("deadlineMs");
  if (fields & present.timeoutMs) envelope.timeoutMs = reader.number("timeoutMs");
  if (fields & present.sequence) envelope.sequence = reader.number("sequence");
  if (fields & present.credit) envelope.credit = reader.number("credit");
  if (fields & present.hops) envelope.hops = reader.number("hops");
  if (fields & present.budget) envelope.budget = reader.number("budget");
  if (fields & present.replyTo) envelope.replyTo = reader.topic("replyTo");
  if (fields & present.correlationId) envelope.correlationId = reader.id("correlationId");
  if (fields & present.conversationId) envelope.conversationId = reader.id("conversationId");
  if (fields & present.workflowId) envelope.workflowId = reader.id("workflowId");
  if (fields & present.causationId) envelope.causationId = reader.id("causationId");
  if (fields & present.key) envelope.key = reader.name("key");
  if (fields & present.trace) envelope.trace = reader.name("trace");
  if (fields & present.path) envelope.path = reader.path();
  if (fields & present.headers) envelope.headers = reader.headers();
  if (fields & present.partial) envelope.status = "partial";
}

function numbersOf(
  names: readonly (string | undefined)[],
): ReadonlyMap<string | undefined, number> {
  return new Map(names.map((name, number) => [name, number] as const).filter(([name]) => name));
}
