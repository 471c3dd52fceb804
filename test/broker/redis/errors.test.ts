import { ErrorReply } from "@redis/client";
import { expect, test } from "vitest";
import {
  isReply,
  lostInFlight,
  replyError,
  unreachable,
} from "../../../src/broker/redis/errors.ts";
import { ColloquyError } from "../../../src/errors.ts";

const replies: readonly (readonly [reply: string, code: string, retryable: boolean])[] = [
  ["OOM command not allowed when used memory > 'maxmemory'.", "QUEUE_FULL", true],
  ["MISCONF Errors writing to the AOF file: No space left", "STORE_FAILED", true],
  ["READONLY You can't write against a read only replica.", "STORE_FAILED", true],
  ["NOREPLICAS Not enough good replicas to write.", "STORE_FAILED", true],
  ["LOADING Redis is loading the dataset in memory", "STORE_FAILED", true],
  ["BUSY Redis is busy running a script.", "STORE_FAILED", true],
  ["NOAUTH Authentication required.", "UNAUTHORIZED", false],
  ["WRONGPASS invalid username-password pair or user is disabled.", "UNAUTHORIZED", false],
  ["NOPERM this user has no permissions to run the 'eval' command", "FORBIDDEN", false],
  ["MOVED 3999 127.0.0.1:6381", "UNSUPPORTED", false],
  ["ERR unknown command 'EVALSHA', with args beginning with: ", "UNSUPPORTED", false],
  // Redis 6.2.5, of a script that begins with #!lua.
  [
    "ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'",
    "UNSUPPORTED",
    false,
  ],
  ["WRONGTYPE Operation against a key holding the wrong kind of value", "INTERNAL_ERROR", false],
];

for (const [reply, code, retryable] of replies) {
  test(`${reply.slice(0, 12)} is ${code} and says what to change`, () => {
    const cause = new ErrorReply(reply);
    const error = replyError(cause, "put");
    expect(error).toMatchObject({ code, retryable, cause });
    expect(error.message).toContain(`put: ${reply}`);
    if (code !== "INTERNAL_ERROR") expect(error.details["fix"]).toEqual(expect.any(String));
  });
}

test("what the server says is told from a broken connection", () => {
  expect(isReply(new ErrorReply("ERR"))).toBe(true);
  expect(isReply(new (class extends ErrorReply {})("ERR"))).toBe(true);
  expect(isReply(new Error("Socket closed unexpectedly"))).toBe(false);
  expect(isReply("ERR")).toBe(false);
});

test("a connection that breaks before the answer leaves it open whether it was done", () => {
  const cause = new Error("Socket closed unexpectedly");
  expect(lostInFlight(cause, "put")).toMatchObject({ code: "INDETERMINATE", cause });
});

test("a server that cannot be reached is named", () => {
  const refused = new AggregateError([new Error("x")], "");
  Object.assign(refused, { code: "ECONNREFUSED" });
  expect(unreachable(refused, "redis://h").message).toContain("redis://h: ECONNREFUSED");
  expect(unreachable(new ErrorReply("NOAUTH x"), "redis://h")).toMatchObject({
    code: "UNAUTHORIZED",
  });
  const known = new ColloquyError("CLOSED", "closed");
  expect(unreachable(known, "redis://h")).toBe(known);
});
