/** JSON from somebody else: parsed, and then as plain as a sender's own. */
import { invalidMessage } from "./invalid.ts";
import { assertPlain } from "./plain.ts";
import { decodeUtf8 } from "./text.ts";

/**
 * @throws INVALID_MESSAGE for what is not UTF-8 or not JSON, SERIALIZATION_ERROR for data that no
 *   sender may send: a key `__proto__`, nesting deeper than 64, a number out of range.
 */
export function decodeJson(bytes: Uint8Array, start = 0, end: number = bytes.length): unknown {
  const value = parse(decodeUtf8("payload", bytes, start, end));
  assertPlain(value);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidMessage("payload", "valid JSON");
  }
}
