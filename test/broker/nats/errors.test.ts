import { expect, test } from "vitest";
import {
  apiCodeOf,
  apiError,
  clientError,
  noResponders,
  unanswered,
} from "../../../src/broker/nats/errors.ts";
import { ColloquyError } from "../../../src/errors.ts";

test.for([
  [10_071, "CONFLICT"],
  [10_164, "CONFLICT"],
  [10_054, "MESSAGE_TOO_LARGE"],
  [10_199, "MESSAGE_TOO_LARGE"],
  [10_077, "QUEUE_FULL"],
  [10_047, "QUEUE_FULL"],
  [10_039, "UNSUPPORTED"],
  [10_059, "NOT_FOUND"],
  [12_345, "STORE_FAILED"],
] as const)("JetStream's %i is %s", ([apiCode, code]) => {
  const error = apiError({ code: 400, err_code: apiCode, description: "why" }, "store.put");
  expect(error).toMatchObject({ code, message: "nats: store.put: why", details: { apiCode } });
  expect(apiCodeOf(error)).toBe(apiCode);
});

test("what a server cannot do just now may be asked again", () => {
  for (const code of [429, 503]) {
    expect(apiError({ code }, "x")).toMatchObject({ code: "AGENT_UNREACHABLE", retryable: true });
  }
  expect(noResponders("x")).toMatchObject({ code: "AGENT_UNREACHABLE", retryable: true });
});

test("what was sent and not answered is known to nobody", () => {
  expect(unanswered("store.put", "time ran out")).toMatchObject({
    code: "INDETERMINATE",
    retryable: false,
    message: "nats: store.put: time ran out before the answer came",
  });
});

test.for([
  ["TimeoutError", "INDETERMINATE"],
  ["NoResponders", "AGENT_UNREACHABLE"],
  ["PermissionViolationError", "FORBIDDEN"],
  ["AuthorizationError", "UNAUTHORIZED"],
  ["UserAuthenticationExpiredError", "TOKEN_EXPIRED"],
  ["ClosedConnectionError", "CLOSED"],
  ["ConnectionError", "AGENT_UNREACHABLE"],
  ["Error", "AGENT_UNREACHABLE"],
] as const)("the client's %s is %s", ([name, code]) => {
  const cause = Object.assign(new Error("why"), { name });
  expect(clientError(cause, "connecting")).toMatchObject({ code, cause });
});

test("errors of our own stay as they are, and what is no error is told", () => {
  const own = new ColloquyError("CONFLICT", "x");
  expect(clientError(own, "y")).toBe(own);
  expect(clientError("odd", "y")).toMatchObject({
    code: "AGENT_UNREACHABLE",
    message: "nats: y: odd",
  });
  const large = Object.assign(new Error("'payload' max_payload size exceeded"), {
    name: "InvalidArgumentError",
  });
  expect(clientError(large, "y")).toMatchObject({ code: "MESSAGE_TOO_LARGE" });
});
