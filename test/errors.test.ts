import { ColloquyError, isColloquyError } from "colloquy";
import { describe, expect, test } from "vitest";
import { errorFromInfo, errorInfo, toColloquyError } from "../src/errors.ts";

describe("what leaves a process about a thrown value", () => {
  test("is code, message, whether to repeat, and details: no stack, no cause", () => {
    const cause = new Error("below");
    const error = new ColloquyError("TIMEOUT", "late", { cause, details: { outcome: "unknown" } });
    const info = { code: "TIMEOUT", message: "late", retryable: false };
    expect(errorInfo(error)).toEqual({ ...info, details: { outcome: "unknown" } });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      ...info,
      details: { outcome: "unknown" },
    });
    expect(errorFromInfo(errorInfo(error))).toMatchObject({ ...info, status: 504 });
  });

  test("is name, message and data of what is no error of ours", () => {
    const thrown = Object.assign(new TypeError("odd"), { data: { at: 3 } });
    expect(errorInfo(thrown)).toEqual({
      code: "HANDLER_FAILED",
      message: "odd",
      retryable: false,
      details: { name: "TypeError", data: { at: 3 } },
    });
    expect(toColloquyError(thrown).cause).toBe(thrown);
    expect(errorInfo(null)).toMatchObject({ message: "null", details: { name: "object" } });
  });

  test("leaves details behind that are no data", () => {
    const cycle: Record<string, unknown> = {};
    cycle["itself"] = cycle;
    const throwing = Object.defineProperty({}, "it", {
      enumerable: true,
      get: () => {
        throw new Error("not to be read");
      },
    });
    for (const details of [cycle, { big: 1n }, throwing]) {
      const error = new ColloquyError("FORBIDDEN", "no", { details });
      expect(errorInfo(error)).toEqual({ code: "FORBIDDEN", message: "no", retryable: false });
    }
  });
});

test("an error of another copy of the package is known by its brand and code", () => {
  const foreign = { colloquyError: true, code: "CLOSED", message: "" };
  expect(isColloquyError(foreign)).toBe(true);
  expect(isColloquyError(foreign, "CLOSED")).toBe(true);
  expect(isColloquyError(foreign, "TIMEOUT")).toBe(false);
  expect(isColloquyError(new Error("CLOSED"))).toBe(false);
  expect(isColloquyError(undefined)).toBe(false);
});
