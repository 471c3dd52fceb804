/** Reads the header of a message: the grammar is in envelope-codec.ts. */
import { readUint32 } from "./byte-reader.ts";
import type { Envelope, MessageKind, Priority } from "./envelope.ts";
import { kinds, limit, present, priorities, protocolVersion } from "./envelope-fields.ts";
import { FieldReader } from "./field-reader.ts";
import type { Frame } from "./frame.ts";
import { invalidMessage, unknownVersion } from "./invalid.ts";
import {
  type Compression,
  compressions,
  type Message,
  type PayloadCodec,
  PayloadInFrame,
  payloadCodecs,
} from "./message.ts";

/** Bytes before `createdMs`, which end with `present`. */
const fixedBytes = 12;
const presentOffset = 8;

const codecsKnown = Object.values(payloadCodecs).length;
const compressionsKnown = Object.values(compressions).length;

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/** @param frame - of type MESSAGE. @throws INVALID_MESSAGE, INVALID_VERSION, MESSAGE_TOO_LARGE. */
export function readHeader(frame: Frame): Message {
  const { chunk, headerStart, payloadStart } = frame;
  if (payloadStart - headerStart < fixedBytes) {
    throw invalidMessage("header", `${fixedBytes} bytes or more`);
  }
  const kind = checkFixed(chunk, headerStart);
  const fields = readUint32(chunk, headerStart + presentOffset);
  const reader = new FieldReader(chunk, headerStart, payloadStart, fixedBytes);
  const createdMs = reader.number("createdMs");
  reader.skip16("authentication");
  const id = reader.optionalId("id");
  const { name, from, to } = reader.addressing();
  const envelope: Mutable<Envelope> = {
    id,
    version: protocolVersion,
    kind,
    name,
    from,
    to,
    createdMs,
    priority: priorities[chunk[headerStart + 4] as number] as Priority,
  };
  if (fields !== 0) readFields(reader, fields, envelope);
  if (id === "") envelope.id = correlationOf(envelope);
  return {
    envelope,
    payload: new PayloadInFrame(
      chunk[headerStart + 5] as PayloadCodec,
      chunk[headerStart + 6] as Compression,
      frame,
    ),
  };
}

/** The id of a message that left it out. */
function correlationOf({ correlationId }: Envelope): string {
  if (correlationId === undefined) throw invalidMessage("id", limit.id);
  return correlationId;
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
