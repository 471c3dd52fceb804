/** What the envelope codec and the validator must agree on: numbers on the wire, and what each field may hold. */

import { idCharacters, printableCharacters } from "./characters.ts";
import type { MessageKind, Priority } from "./envelope.ts";
import {
  headersBytesMax,
  headersMax,
  idCharactersMax,
  nameBytesMax,
  pathMax,
  recipientsMax,
} from "./limits.ts";

/** Protocol versions this reader speaks. */
export const protocolVersion = "1.0.0";

/** Index is the number on the wire; 0 is never sent. */
export const kinds: readonly (MessageKind | undefined)[] = [
  undefined,
  "request",
  "response",
  "event",
  "command",
  "notification",
  "heartbeat",
  "error",
  "batch",
  "control",
];

/** Index is the number on the wire, and the lane of a queue. */
export const priorities: readonly Priority[] = ["critical", "high", "normal", "low"];

/** Bits of the header's `present`. Fields follow in this order. */
export const present = {
  ttlMs: 0x1,
  deadlineMs: 0x2,
  timeoutMs: 0x4,
  sequence: 0x8,
  credit: 0x10,
  hops: 0x20,
  budget: 0x40,
  replyTo: 0x80,
  correlationId: 0x100,
  conversationId: 0x200,
  workflowId: 0x400,
  causationId: 0x800,
  key: 0x1000,
  trace: 0x2000,
  path: 0x4000,
  headers: 0x8000,
  /** A bit without a field. */
  partial: 0x10000,
} as const;

/** For errors: what a field may hold, as it reads after "expected". */
export const limit: Readonly<Record<LimitName, string>> = {
  version: protocolVersion,
  kind: `one of ${kinds.slice(1).join(", ")}`,
  priority: `one of ${priorities.join(", ")}`,
  status: '"partial" or absent',
  number: "a whole number from 0 to 2^53 - 1",
  id: `1 to ${idCharactersMax} characters of ${idCharacters}`,
  name: `1 to ${nameBytesMax} bytes of ${printableCharacters}`,
  address: "agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE",
  topic: "a topic",
  to: `at most ${recipientsMax} addresses`,
  path: `at most ${pathMax} handlers`,
  headers: `at most ${headersMax} pairs of strings`,
  headersBytes: `at most ${headersBytesMax} bytes of names and values together`,
  headerName: `1 to ${nameBytesMax} characters of an RFC 9110 token, other than __proto__`,
  headerValue: printableCharacters,
  unique: "each name once",
};

type LimitName =
  | "version"
  | "kind"
  | "priority"
  | "status"
  | "number"
  | "id"
  | "name"
  | "address"
  | "topic"
  | "to"
  | "path"
  | "headers"
  | "headersBytes"
  | "headerName"
  | "headerValue"
  | "unique";
