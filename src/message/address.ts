/**
 * Where a message goes, as one short string.
 *
 *   agent:ID           exactly one agent
 *   type:TYPE          any one of a pool
 *   skill:CAPABILITY   any one that can
 *   all:TYPE           everyone in a pool
 *
 * What follows the first colon is an id: 1 to 128 characters, each an ASCII letter or digit or one of
 * `.` `_` `-` `/` `:` `@`. Names of spaces are ids too. Ids are compared byte by byte.
 */
import { ColloquyError } from "../errors.ts";
import { idCharacters, idClass, isOfClass } from "./characters.ts";
import { idCharactersMax } from "./limits.ts";

export type Address = `agent:${string}` | `type:${string}` | `skill:${string}` | `all:${string}`;

/** What reaches one at a time, and what a mailbox has. */
export type SingleAddress = Exclude<Address, `all:${string}`>;

export type AddressKind = "agent" | "type" | "skill" | "all";

export interface AddressParts {
  readonly kind: AddressKind;
  readonly id: string;
}

/** Addresses remembered. */
const agentAddressesMax = 4_096;

let agentAddresses = new Map<string, Address>();
/** Of addresses found valid. */
let agentIds = new Map<unknown, string>();

/** `agent:ID`. For one id mostly the same string: one put together anew is slow to compare and to look up. */
export function agentAddress(id: string): Address {
  const known = agentAddresses.get(id);
  if (known !== undefined) return known;
  if (agentAddresses.size >= agentAddressesMax) agentAddresses = new Map();
  const address: Address = `agent:${id}`;
  agentAddresses.set(id, address);
  return address;
}

/** The agent that a valid address names; undefined for a pool. Mostly the same string for one address, as above. */
export function agentIn(address: Address): string | undefined {
  const known = agentIds.get(address);
  if (known !== undefined || !address.startsWith("agent:")) return known;
  if (agentIds.size >= agentAddressesMax) agentIds = new Map();
  const id = address.slice("agent:".length);
  agentIds.set(address, id);
  return id;
}

/** @param field - for the error. @throws INVALID_ADDRESS with field, value and limit. */
export function parseAddress(address: string, field: string = "to"): AddressParts {
  const kind = kindOf(address);
  if (kind === undefined) {
    throw invalid(field, address, "agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE");
  }
  const id = address.slice(kind.length + 1);
  if (!isId(id)) throw invalid(field, address, `an id after the colon: ${idLimit}`);
  return { kind, id };
}

/** True for a well-formed address. */
export function isAddress(address: unknown): address is Address {
  if (typeof address !== "string") return false;
  const kind = kindOf(address);
  return kind !== undefined && isId(address.slice(kind.length + 1));
}

/** `isAddress`, for a text all of whose characters may stand in an id. */
export function isAddressOfIdClass(text: string): text is Address {
  const kind = kindOf(text);
  if (kind === undefined) return false;
  const idCharacters = text.length - kind.length - 1;
  return idCharacters > 0 && idCharacters <= idCharactersMax;
}

/** @param field - for the error. @throws INVALID_ADDRESS with field, value and limit. */
export function assertAddress(address: unknown, field: string = "to"): asserts address is Address {
  if (agentIds.has(address)) return;
  if (typeof address !== "string") throw invalid(field, address, "a string such as agent:ID");
  if (!isAddress(address)) parseAddress(address, field);
}

/** @param field - for the error. @throws INVALID_ADDRESS with field, value and limit, also for `all:`. */
export function assertSingleAddress(
  address: unknown,
  field: string,
): asserts address is SingleAddress {
  assertAddress(address, field);
  if (!address.startsWith("all:")) return;
  throw new ColloquyError("INVALID_ADDRESS", `${field}: ${address} reaches several`, {
    details: { field, value: address, limit: "agent:, type: or skill:" },
  });
}

export function isId(id: unknown): id is string {
  return typeof id === "string" && isOfClass(id, idClass, idCharactersMax);
}

/**
 * @param field - what the id is of, for the error: "agent", "type", "capability", "space".
 * @throws INVALID_ADDRESS with field, value and limit.
 */
export function assertId(field: string, id: unknown): asserts id is string {
  if (!isId(id)) throw invalid(field, id, idLimit);
}

const idLimit = `1 to ${idCharactersMax} characters of ${idCharacters}`;

function kindOf(address: string): AddressKind | undefined {
  if (address.startsWith("agent:")) return "agent";
  if (address.startsWith("type:")) return "type";
  if (address.startsWith("skill:")) return "skill";
  if (address.startsWith("all:")) return "all";
  return undefined;
}

function invalid(field: string, value: unknown, limit: string): ColloquyError {
  const shown = typeof value === "string" ? JSON.stringify(shorten(value)) : typeof value;
  return new ColloquyError("INVALID_ADDRESS", `${field}: ${shown} is not ${limit}`, {
    details: { field, value: typeof value === "string" ? shorten(value) : typeof value, limit },
  });
}

/** Long enough to recognise, short enough for a log line. */
function shorten(value: string): string {
  return value.length > 200 ? `${value.slice(0, 200)}…` : value;
}
