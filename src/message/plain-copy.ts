/** A deep copy of plain data that shares nothing with the original. */
import { assertPlain } from "./plain.ts";

/**
 * What the other side of a wire would get: properties that are undefined are absent, every byte array
 * is a `Uint8Array` of its own, objects have the ordinary prototype.
 *
 * @throws like `assertPlain`.
 */
export function copyPlain<Value>(value: Value): Value {
  assertPlain(value);
  return copy(value) as Value;
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(copy);
  const copied: Record<string, unknown> = {};
  for (const key in value) {
    const inner = (value as Readonly<Record<string, unknown>>)[key];
    if (inner !== undefined) copied[key] = copy(inner);
  }
  return copied;
}
