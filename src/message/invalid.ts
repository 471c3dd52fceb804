/** How the message layer refuses: always the field, and the limit it broke. */
import { ColloquyError } from "../errors.ts";

/** INVALID_MESSAGE: `field` is not within `limit`, which reads after "expected". */
export function invalidMessage(field: string, limit: string): ColloquyError<"INVALID_MESSAGE"> {
  return new ColloquyError("INVALID_MESSAGE", `${field}: expected ${limit}`, {
    details: { field, limit },
  });
}

/**
 * MESSAGE_TOO_LARGE: `field` has more than `limit` of `unit`.
 *
 * @param size - how many it has, where somebody counted.
 */
export function tooLarge(
  field: string,
  limit: number,
  unit: string,
  size?: number,
): ColloquyError<"MESSAGE_TOO_LARGE"> {
  const has = size === undefined ? "" : `${size} ${unit}, `;
  return new ColloquyError("MESSAGE_TOO_LARGE", `${field}: ${has}more than ${limit} ${unit}`, {
    details: size === undefined ? { field, limit, unit } : { field, limit, unit, size },
  });
}

/** INVALID_VERSION: this reader knows only `known`. */
export function unknownVersion(
  field: string,
  value: number | string,
  known: string,
): ColloquyError<"INVALID_VERSION"> {
  return new ColloquyError("INVALID_VERSION", `${field}: ${value} is unknown, expected ${known}`, {
    details: { field, value, limit: known },
  });
}
