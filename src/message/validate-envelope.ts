/**
 * Checks an envelope that somebody else made: what `encodeMessage` would refuse is refused here, and
 * so are fields that no envelope has.
 */
import { invalidOption, isColloquyError } from "../errors.ts";
import { isAddress, isId } from "./address.ts";
import { headerNameClass, isOfClass, isPrintable } from "./characters.ts";
import type { Check as OptionCheck } from "./checks.ts";
import type { Envelope, Sender } from "./envelope.ts";
import { kinds, limit, priorities, protocolVersion } from "./envelope-fields.ts";
import { invalidMessage, tooLarge, unknownVersion } from "./invalid.ts";
import { headersBytesMax, headersMax, nameBytesMax, pathMax, recipientsMax } from "./limits.ts";
import { utf8Length } from "./text.ts";
import { isTopic } from "./topic.ts";

/**
 * @returns `value` itself.
 * @throws INVALID_MESSAGE with field and limit, INVALID_VERSION, MESSAGE_TOO_LARGE for headers above 16 KiB.
 */
export function validateEnvelope(value: unknown): Envelope {
  const envelope = record("envelope", value);
  for (const field in envelope) {
    if (!Object.hasOwn(rules, field)) throw invalidMessage(field, "no such field");
  }
  for (const [field, { required, check }] of ruleEntries) {
    const present = envelope[field];
    if (present !== undefined) check(field, present);
    else if (required) throw invalidMessage(field, "a value, it is required");
  }
  return value as Envelope;
}

/** Checks one field of an envelope that this process makes. @throws INVALID_OPTION, MESSAGE_TOO_LARGE. */
export function envelopeField(name: keyof Envelope): OptionCheck {
  const { check } = rules[name];
  return (field, value) => {
    try {
      check(field, value);
    } catch (error) {
      if (!isColloquyError(error, "INVALID_MESSAGE")) throw error;
      const { field: broken, limit: expected } = error.details;
      throw invalidOption(String(broken), value, String(expected));
    }
  };
}

type Check = (field: string, value: unknown) => void;

interface Rule {
  readonly required: boolean;
  readonly check: Check;
}

const rules: { readonly [Field in keyof Required<Envelope>]: Rule } = {
  id: required(checkId),
  version: required(checkVersion),
  kind: required(oneOf(kinds.slice(1), limit.kind)),
  name: required(checkName),
  from: required(checkSender),
  to: required(checkRecipients),
  createdMs: required(checkNumber),
  priority: required(oneOf(priorities, limit.priority)),
  ttlMs: optional(checkNumber),
  deadlineMs: optional(checkNumber),
  timeoutMs: optional(checkNumber),
  replyTo: optional(checkTopic),
  correlationId: optional(checkId),
  conversationId: optional(checkId),
  workflowId: optional(checkId),
  causationId: optional(checkId),
  key: optional(checkName),
  sequence: optional(checkNumber),
  status: optional(oneOf(["partial"], limit.status)),
  credit: optional(checkNumber),
  hops: optional(checkNumber),
  budget: optional(checkNumber),
  path: optional(checkPath),
  trace: optional(checkName),
  headers: optional(checkHeaders),
};

const ruleEntries: readonly (readonly [string, Rule])[] = Object.entries(rules);

const senderFields = ["agent", "type", "instance"] as const satisfies readonly (keyof Sender)[];

function required(check: Check): Rule {
  return { required: true, check };
}

function optional(check: Check): Rule {
  return { required: false, check };
}

function oneOf(values: readonly unknown[], expected: string): Check {
  return (field, value) => {
    if (!values.includes(value)) throw invalidMessage(field, expected);
  };
}

function checkVersion(field: string, value: unknown): void {
  if (value !== protocolVersion) throw unknownVersion(field, String(value), limit.version);
}

function checkNumber(field: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw invalidMessage(field, limit.number);
  }
}

function checkId(field: string, value: unknown): void {
  if (!isId(value)) throw invalidMessage(field, limit.id);
}

function checkName(field: string, value: unknown): void {
  const fits = typeof value === "string" && value.length > 0 && value.length <= nameBytesMax;
  if (!fits || !isPrintable(value) || utf8Length(value) > nameBytesMax) {
    throw invalidMessage(field, limit.name);
  }
}

function checkTopic(field: string, value: unknown): void {
  if (!isTopic(value, "internal")) throw invalidMessage(field, limit.topic);
}

function checkSender(field: string, value: unknown): void {
  const sender = record(field, value);
  for (const part of senderFields) checkId(`${field}.${part}`, sender[part]);
  for (const part in sender) {
    if (!senderFields.some((known) => known === part)) {
      throw invalidMessage(`${field}.${part}`, "no such field");
    }
  }
}

function checkRecipients(field: string, value: unknown): void {
  if (!Array.isArray(value) || value.length > recipientsMax) throw invalidMessage(field, limit.to);
  for (const address of value) if (!isAddress(address)) throw invalidMessage(field, limit.address);
}

function checkPath(field: string, value: unknown): void {
  if (!Array.isArray(value) || value.length > pathMax) throw invalidMessage(field, limit.path);
  for (const ancestor of value) {
    const { agent, name, ...more } = record(field, ancestor);
    checkId(`${field}.agent`, agent);
    checkName(`${field}.name`, name);
    for (const part in more) throw invalidMessage(`${field}.${part}`, "no such field");
  }
}

function checkHeaders(field: string, value: unknown): void {
  const headers = record(field, value);
  const names = Object.keys(headers);
  if (names.length > headersMax) throw invalidMessage(field, limit.headers);
  let bytes = 0;
  for (const name of names) {
    if (name === "__proto__" || !isOfClass(name, headerNameClass, nameBytesMax)) {
      throw invalidMessage(field, limit.headerName);
    }
    const text = headers[name];
    if (typeof text !== "string" || !isPrintable(text)) {
      throw invalidMessage(`${field}.${name}`, limit.headerValue);
    }
    bytes += name.length + utf8Length(text);
  }
  if (bytes > headersBytesMax) throw tooLarge(field, headersBytesMax, "bytes", bytes);
}

function record(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidMessage(field, "an object");
  }
  return value as Readonly<Record<string, unknown>>;
}
