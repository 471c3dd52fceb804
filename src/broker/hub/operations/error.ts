/** An error inside a header: JSON, text16. What would not fit loses its details, then its tail. */
import { type ErrorInfo, isErrorCode } from "../../../errors.ts";
import type { ByteReader } from "../../../message/byte-reader.ts";
import type { ByteWriter } from "../../../message/byte-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";

/** Characters of an error's JSON: small beside the limit of a header, whatever the characters are. */
const charactersMax = 8_192;

export function writeError(writer: ByteWriter, error: ErrorInfo): void {
  writer.text16(errorText(error));
}

/** @throws INVALID_MESSAGE when it is no error. */
export function readError(reader: ByteReader): ErrorInfo {
  const text = reader.text16("error");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidMessage("error", "JSON");
  }
  return errorInfoFrom(value);
}

/** @throws INVALID_MESSAGE when `value` is not the JSON of an error. */
export function errorInfoFrom(value: unknown): ErrorInfo {
  if (typeof value !== "object" || value === null) throw invalidMessage("error", "an object");
  const { code, message, retryable, details } = value as Partial<ErrorInfo>;
  if (!isErrorCode(code)) throw invalidMessage("error.code", "a known code");
  if (typeof message !== "string") throw invalidMessage("error.message", "a text");
  const info = { code, message, retryable: retryable === true };
  return typeof details === "object" && details !== null ? { ...info, details } : info;
}

/** Never throws: a frame that was begun is ended. */
function errorText({ code, message, retryable, details }: ErrorInfo): string {
  if (details !== undefined) {
    try {
      const text = JSON.stringify({ code, message, retryable, details });
      if (text.length <= charactersMax) return text;
    } catch {
      // They are no data.
    }
  }
  const text = JSON.stringify({ code, message, retryable });
  if (text.length <= charactersMax) return text;
  // One character takes at most six in JSON.
  return JSON.stringify({ code, message: message.slice(0, charactersMax / 8), retryable });
}
