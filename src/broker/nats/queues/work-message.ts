/** A message as it lies in the stream of work: the frame untouched, what brokers look at as headers. */
import type { Guarantee, QueuedMessage } from "../../broker.ts";
import type { HeaderPairs } from "../client.ts";
import { encodeToken } from "../names.ts";
import type { MessagePlace } from "./subjects.ts";

export const messageHeaders = {
  id: "Colloquy-Id",
  /** Absent: at-least-once. */
  guarantee: "Colloquy-Guarantee",
  /** Milliseconds since 1970, as the next one. */
  notBefore: "Colloquy-Not-Before",
  expires: "Colloquy-Expires",
} as const;

/** What a broker has to know of a message beside its frame. */
export interface WorkMessage extends MessagePlace {
  readonly position: number;
  readonly subject: string;
  /** As a token. */
  readonly id: string;
  readonly frame: Uint8Array;
  readonly guarantee: Guarantee;
  /** 0: at once. */
  readonly notBeforeMs: number;
  /** 0: never. */
  readonly expiresAtMs: number;
}

export function headersOf(message: QueuedMessage): Record<string, string> {
  const { id, guarantee, notBeforeMs, expiresAtMs } = message;
  const headers: Record<string, string> = { [messageHeaders.id]: encodeToken(id) };
  if (guarantee !== "at-least-once") headers[messageHeaders.guarantee] = guarantee;
  if (notBeforeMs !== undefined) headers[messageHeaders.notBefore] = `${notBeforeMs}`;
  if (expiresAtMs !== undefined) headers[messageHeaders.expires] = `${expiresAtMs}`;
  return headers;
}

const oncePrefix = "x:";

/** Whether it was made for an exactly-once message. */
export function isOnceId(storageId: string): boolean {
  return storageId.startsWith(oncePrefix);
}

/**
 * The id under which the server recognises a repetition: exactly-once by its own id in its queue, others
 * by which message of its sender's life it is, or else by one made for this call.
 */
export function storageId(queue: string, message: QueuedMessage, newId: () => string): string {
  const { guarantee, id, origin } = message;
  if (guarantee === "exactly-once") return `${oncePrefix}${encodeToken(queue)}:${encodeToken(id)}`;
  if (origin === undefined) return newId();
  return `o:${encodeToken(origin.incarnation)}:${origin.sequence}`;
}

export function workMessage(
  position: number,
  subject: string,
  place: MessagePlace,
  frame: Uint8Array,
  header: (name: string) => string,
): WorkMessage {
  const guarantee = header(messageHeaders.guarantee);
  return {
    ...place,
    position,
    subject,
    id: header(messageHeaders.id),
    frame,
    guarantee: guarantee === "" ? "at-least-once" : (guarantee as Guarantee),
    notBeforeMs: Number(header(messageHeaders.notBefore)),
    expiresAtMs: Number(header(messageHeaders.expires)),
  };
}

/** Those of `header` that a message needs again when it is stored elsewhere. */
export function copiedHeaders(header: (name: string) => string): HeaderPairs {
  const copied: Record<string, string> = {};
  for (const name of Object.values(messageHeaders)) {
    const value = header(name);
    if (value !== "") copied[name] = value;
  }
  return copied;
}
