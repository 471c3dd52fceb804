/**
 * 200,000 hostile frames from one seed. Every reason that the readers have for refusing a frame must
 * come up, so that no branch of them goes untried; a reason that is not in the table is as wrong as
 * one that never came up. `#` stands for any figure. The long run is `npm run fuzz`.
 */
import { expect, test } from "vitest";
import { extent } from "../support/extent.ts";
import { fuzzFrames } from "../support/fuzz/fuzz-frames.ts";

test("G19: no frame gets past the readers with anything but a typed refusal", {
  timeout: 240_000,
}, () => {
  const frames = extent({ ci: 200_000, here: 20_000 });
  const { accepted, reasons } = fuzzFrames(frames, 1);
  const unexpected = [...reasons.keys()].filter((reason) => !expectedReasons.includes(reason));
  expect(unexpected).toEqual([]);
  // The rarest come up among many frames only.
  if (frames >= 200_000) expect([...reasons.keys()].sort()).toEqual([...expectedReasons].sort());
  expect(accepted).toBeGreaterThan(frames / 10);
});

const expectedReasons: readonly string[] = [
  "INVALID_MESSAGE batch: message frames",
  "INVALID_MESSAGE batch: messages that are not batches",
  "INVALID_MESSAGE budget: a whole number up to #^# - #",
  "INVALID_MESSAGE causationId: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE codec: # to #",
  "INVALID_MESSAGE compression: # to #",
  "INVALID_MESSAGE conversationId: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE correlationId: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE createdMs: a whole number up to #^# - #",
  "INVALID_MESSAGE credit: a whole number up to #^# - #",
  "INVALID_MESSAGE deadlineMs: a whole number up to #^# - #",
  "INVALID_MESSAGE frame.type: MESSAGE, found #",
  "INVALID_MESSAGE frame.type: a known type, found #",
  "INVALID_MESSAGE frame: # bytes or more, found #",
  "INVALID_MESSAGE frame: # bytes, found #",
  "INVALID_MESSAGE from.agent: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE from.instance: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE from.type: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE header: # bytes or more",
  "INVALID_MESSAGE header: # more bytes of header",
  "INVALID_MESSAGE headers.*: UTF-# without control characters",
  "INVALID_MESSAGE headers.*: each name once",
  "INVALID_MESSAGE headers.*: valid UTF-#",
  "INVALID_MESSAGE headers: # to # characters of an RFC # token, other than __proto__",
  "INVALID_MESSAGE headers: at most # pairs of strings",
  "INVALID_MESSAGE hops: a whole number up to #^# - #",
  "INVALID_MESSAGE id: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE key: # to # bytes of UTF-# without control characters",
  "INVALID_MESSAGE key: valid UTF-#",
  "INVALID_MESSAGE kind: one of request, response, event, command, notification, heartbeat, error, batch, control",
  "INVALID_MESSAGE name: # to # bytes of UTF-# without control characters",
  "INVALID_MESSAGE name: valid UTF-#",
  "INVALID_MESSAGE path.agent: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_MESSAGE path.name: # to # bytes of UTF-# without control characters",
  "INVALID_MESSAGE path.name: valid UTF-#",
  "INVALID_MESSAGE path: at most # handlers",
  "INVALID_MESSAGE payload: # bytes, found #",
  "INVALID_MESSAGE payload: a place for each byte array",
  "INVALID_MESSAGE payload: no bytes after its byte arrays",
  "INVALID_MESSAGE payload: no bytes",
  "INVALID_MESSAGE payload: paths that lead to a null",
  "INVALID_MESSAGE payload: undamaged compressed bytes",
  "INVALID_MESSAGE payload: valid JSON",
  "INVALID_MESSAGE payload: valid UTF-#",
  "INVALID_MESSAGE priority: one of critical, high, normal, low",
  "INVALID_MESSAGE replyTo: a topic",
  "INVALID_MESSAGE sequence: a whole number up to #^# - #",
  "INVALID_MESSAGE timeoutMs: a whole number up to #^# - #",
  "INVALID_MESSAGE to: agent:ID, type:TYPE, skill:CAPABILITY or all:TYPE",
  "INVALID_MESSAGE to: at most # addresses",
  "INVALID_MESSAGE trace: # to # bytes of UTF-# without control characters",
  "INVALID_MESSAGE trace: valid UTF-#",
  "INVALID_MESSAGE ttlMs: a whole number up to #^# - #",
  "INVALID_MESSAGE workflowId: # to # characters of ASCII letters, digits and . _ - / : @",
  "INVALID_VERSION frame.suite: #",
  "INVALID_VERSION frame.version: #",
  "INVALID_VERSION version: #.#.#",
  "MESSAGE_TOO_LARGE batch: # messages",
  "MESSAGE_TOO_LARGE frame.header: # bytes",
  "MESSAGE_TOO_LARGE frame.payload: # bytes",
  "MESSAGE_TOO_LARGE headers: # bytes",
  "MESSAGE_TOO_LARGE payload: # bytes after decompression",
  "SERIALIZATION_ERROR payload: has a key that is not allowed",
  "SERIALIZATION_ERROR payload: is Infinity",
  "SERIALIZATION_ERROR payload: is nested deeper than #",
];
