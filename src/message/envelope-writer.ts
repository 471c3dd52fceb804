/** Writes the header of a message: the grammar is in envelope-codec.ts. */
import type { Envelope } from "./envelope.ts";
import { kinds, limit, present, priorities, protocolVersion } from "./envelope-fields.ts";
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
import type { FrameWriter } from "./frame-writer.ts";
import { invalidMessage, unknownVersion } from "./invalid.ts";
import type { PayloadForm } from "./message.ts";
import { type Addressing, rememberWritten, writtenBefore } from "./recurring-addressing.ts";

/** Where `present` stands, counted from the begin of the header. */
const presentOffset = 8;

const kindNumbers: ReadonlyMap<string | undefined, number> = numbersOf(kinds);
const priorityNumbers: ReadonlyMap<string | undefined, number> = numbersOf(priorities);

/** @throws INVALID_MESSAGE, INVALID_VERSION and MESSAGE_TOO_LARGE, with part of the header written. */
export function writeHeader(writer: FrameWriter, envelope: Envelope, payload: PayloadForm): void {
  const begin = writer.length;
  writeFixed(writer, envelope, payload);
  if (envelope.id !== undefined && envelope.id === envelope.correlationId) writer.uint8(0);
  else writeId(writer, "id", envelope.id);
  writeAddressing(writer, envelope);
  const fields =
    writeNumbers(writer, envelope) |
    writeTexts(writer, envelope) |
    writeCollections(writer, envelope);
  writer.patchUint32(begin + presentOffset, fields);
}

function writeAddressing(writer: FrameWriter, addressing: Addressing): void {
  const bytes = writtenBefore(addressing);
  if (bytes !== undefined) return writer.bytes(bytes);
  const begin = writer.length;
  writeName(writer, "name", addressing.name);
  writeSender(writer, addressing.from);
  writeRecipients(writer, addressing.to);
  rememberWritten(addressing, writer.written(begin));
}

function writeFixed(writer: FrameWriter, envelope: Envelope, payload: PayloadForm): void {
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
  return fields;
}

/** @returns the bits of the fields written. */
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

function numbersOf(
  names: readonly (string | undefined)[],
): ReadonlyMap<string | undefined, number> {
  return new Map(names.map((name, number) => [name, number] as const).filter(([name]) => name));
}
