/** States of messages as scripts tell them: a letter and its data, see scripts/life.ts. */
import { ColloquyError, type ErrorInfo, errorInfo, isErrorCode } from "../../../errors.ts";
import { decodeUtf8 } from "../../../message/text.ts";
import type { MessageState } from "../../broker.ts";

type EndedBadly = Extract<MessageState, { readonly error: ErrorInfo }>["state"];

const endedBadly: Readonly<Record<string, EndedBadly>> = {
  F: "failed",
  X: "dead",
  E: "expired",
  C: "cancelled",
  W: "rescinded",
};
const lineEnd = 10;

export function isFinal(state: MessageState): boolean {
  return !("attempts" in state);
}

export function decodeState(bytes: Buffer): MessageState {
  const letter = String.fromCharCode(bytes[0] ?? 0);
  const data = bytes.subarray(1);
  const state = endedBadly[letter];
  if (state !== undefined) return { state, error: decodeError(data) };
  switch (letter) {
    case "D":
      return { state: "done" };
    case "R":
      return { state: "done", result: data };
    case "L":
      return decodeLive(data);
    default:
      return { state: "unknown" };
  }
}

/** Also of what is none, because somebody else has written there. */
export function decodeError(bytes: Buffer): ErrorInfo {
  const error = jsonOf(bytes) as Partial<ErrorInfo> | undefined;
  const {
    code,
    message = "the error that is stored cannot be read",
    retryable = false,
  } = error ?? {};
  const known = isErrorCode(code) ? code : "INTERNAL_ERROR";
  return { ...error, code: known, message, retryable };
}

/** Undefined where it is no object of JSON. */
export function jsonOf(bytes: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(decodeUtf8("json", bytes, 0, bytes.length));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A line of JSON and the bytes after it. */
export function decodeLine<Head>(bytes: Buffer): { readonly head: Head; readonly data: Buffer } {
  const end = bytes.indexOf(lineEnd);
  const head = JSON.parse(bytes.toString("utf8", 0, end)) as Head;
  return { head, data: bytes.subarray(end + 1) };
}

/** Of a claim that somebody else's attempt has made void. */
export function notYours(): ErrorInfo {
  const message = "the message is final, or a later attempt's";
  return errorInfo(new ColloquyError("STALE_ATTEMPT", message));
}

interface LiveHead {
  readonly state: "queued" | "offered" | "started" | "waiting-input";
  readonly failures: number;
  readonly pickups: number;
  readonly crashes: number;
  readonly number?: number;
  readonly progress?: boolean;
}

function decodeLive(bytes: Buffer): MessageState {
  const { head, data } = decodeLine<LiveHead>(bytes);
  const { state, failures, pickups, crashes, number = 0, progress } = head;
  const attempts = { failures, pickups, crashes };
  if (state === "waiting-input") return { state, attempts, number, question: data };
  return progress === true ? { state, attempts, progress: data } : { state, attempts };
}
