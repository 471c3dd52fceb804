/** What options and arguments are made of: parsed where they enter, refused with what would be right. */
import { InvalidArgumentError } from "commander";
import type { HostPort } from "../../link/host-port.ts";
import { isAddress, type SingleAddress } from "../../message/address.ts";

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of 500ms, 5s, 2m, 1h, 7d. */
export function duration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Number(amount) * units[unit as keyof typeof units];
  if (ms > 0) return ms;
  throw new InvalidArgumentError("A duration above 0 with its unit: 500ms, 5s, 2m, 1h or 7d.");
}

/** A point in time, ISO 8601, or a duration from now; as milliseconds since 1970. */
export function moment(nowMs: () => number): (text: string) => number {
  return (text) => {
    const ms = Date.parse(text);
    if (/^\d{4}-/.test(text) && Number.isFinite(ms)) return ms;
    try {
      return nowMs() + duration(text);
    } catch {
      throw new InvalidArgumentError("A time, 2030-01-31T08:00:00Z, or a duration from now, 90s.");
    }
  };
}

export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`A whole number, ${least} or more.`);
  };
}

/** Several of them, for an argument that may be repeated. */
export function each<Value>(
  parse: (text: string) => Value,
): (text: string, before: readonly Value[] | undefined) => readonly Value[] {
  return (text, before) => [...(before ?? []), parse(text)];
}

/** agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE. */
export function address(text: string): `agent:${string}` {
  // The kinds that a command does not take are refused by what it calls.
  if (isAddress(text)) return text as `agent:${string}`;
  throw new InvalidArgumentError("An address: agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE.");
}

/** The address of one mailbox: agent:ID, type:TYPE or skill:CAPABILITY. */
export function mailbox(text: string): SingleAddress {
  if (isAddress(text) && !text.startsWith("all:")) return text as SingleAddress;
  throw new InvalidArgumentError("A mailbox: agent:ID, type:TYPE or skill:CAPABILITY.");
}

const byteUnits = { "": 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Bytes of 65536, 64KiB, 16MiB, 1GiB; above 0. */
export function byteCount(text: string): number {
  const [, amount, unit] = /^(\d+)(B|KiB|MiB|GiB|)$/.exec(text) ?? [];
  const bytes = Number(amount) * byteUnits[unit as keyof typeof byteUnits];
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError("A number of bytes above 0: 65536, 64KiB, 16MiB or 1GiB.");
}

/** PORT, HOST:PORT or [HOST]:PORT; without a host 127.0.0.1. Port 0 stands for any that is free. */
export function hostPort(text: string): HostPort {
  const [, six, four, digits] = /^(?:\[([^\]]+)\]:|([^:[\]]+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port <= 65_535) return { host: six ?? four ?? "127.0.0.1", port };
  throw new InvalidArgumentError("A port, 0 to 65535, or a host and a port: 4480, [::1]:4480.");
}
