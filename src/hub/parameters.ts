/** Parameters of calls, checked as they are taken: each is what it should be, or INVALID_MESSAGE. */
import type { Report, StoreWrite } from "../broker/broker.ts";
import { invalidMessage } from "../message/invalid.ts";

export function members(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalidMessage("parameters", "an object");
}

export function text(field: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidMessage(field, "a text");
}

export function texts(field: string, value: unknown): readonly string[] {
  return list(field, value).map((item) => text(field, item));
}

/** A whole number, 0 or more. */
export function number(field: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw invalidMessage(field, "a whole number, 0 or more");
}

export function numbers(field: string, value: unknown): readonly number[] {
  return list(field, value).map((item) => number(field, item));
}

export function optionalNumber(field: string, value: unknown): number | undefined {
  return value === undefined ? undefined : number(field, value);
}

/** Absent is false. */
export function flag(field: string, value: unknown): boolean {
  if (value === undefined || typeof value === "boolean") return value === true;
  throw invalidMessage(field, "true or false");
}

export function byteArrays(field: string, value: unknown): readonly Uint8Array[] {
  return list(field, value).map((item) => bytes(field, item));
}

export function reports(value: unknown): readonly Report[] {
  return list("reports", value).map((item): Report => {
    const report = members(item);
    const claim = {
      queue: text("queue", report["queue"]),
      position: number("position", report["position"]),
      fence: number("fence", report["fence"]),
    };
    const { kind } = report;
    switch (kind) {
      case "unstarted":
      case "started":
        return { ...claim, kind };
      case "progress":
        return { ...claim, kind, data: bytes("data", report["data"]) };
      case "waiting-input":
        return {
          ...claim,
          kind,
          number: number("number", report["number"]),
          question: bytes("question", report["question"]),
        };
      default:
        throw invalidMessage("kind", "unstarted, started, progress or waiting-input");
    }
  });
}

export function storeWrites(value: unknown): readonly StoreWrite[] {
  return list("writes", value).map((item) => {
    const write = members(item);
    const { value: stored, volatile, bound } = write;
    const ifRevision = optionalNumber("ifRevision", write["ifRevision"]);
    const ttlMs = write["ttlMs"];
    return {
      key: text("key", write["key"]),
      ...(stored === undefined ? {} : { value: bytes("value", stored) }),
      ...(ifRevision === undefined ? {} : { ifRevision }),
      ...(ttlMs === undefined ? {} : { ttlMs: duration("ttlMs", ttlMs) }),
      ...(flag("volatile", volatile) ? { volatile: true } : {}),
      ...(flag("bound", bound) ? { bound: true } : {}),
    };
  });
}

function duration(field: string, value: unknown): number {
  if (typeof value === "number" && value >= 0) return value;
  throw invalidMessage(field, "a number, 0 or more");
}

export function bytes(field: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalidMessage(field, "bytes");
}

function list(field: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidMessage(field, "a list");
}
