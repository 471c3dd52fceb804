/** Errors as they lie in rows: their JSON. */
import { type ErrorInfo, isErrorCode } from "../../errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../message/text.ts";

export function encodeError(error: ErrorInfo): Uint8Array {
  return encodeUtf8(JSON.stringify(error));
}

export function decodeError(bytes: Uint8Array): ErrorInfo {
  const error = JSON.parse(decodeUtf8("error", bytes, 0, bytes.length)) as ErrorInfo;
  return isErrorCode(error.code) ? error : { ...error, code: "INTERNAL_ERROR" };
}
