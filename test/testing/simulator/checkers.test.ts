/** Checkers must see what they are for: histories with one lie in each. */
import { expect, test } from "vitest";
import { atLeastOnce } from "../../../src/testing/simulator/checkers/at-least-once.ts";
import { atMostOnce } from "../../../src/testing/simulator/checkers/at-most-once.ts";
import type { Checker } from "../../../src/testing/simulator/checkers/checker.ts";
import { deadLetters } from "../../../src/testing/simulator/checkers/dead-letters.ts";
import { effectsOnce } from "../../../src/testing/simulator/checkers/effects.ts";
import { keyOrder } from "../../../src/testing/simulator/checkers/order.ts";
import { expiry, schedule } from "../../../src/testing/simulator/checkers/schedule.ts";
import type {
  OrderEvent,
  ScenarioHistory,
  Sending,
} from "../../../src/testing/simulator/events.ts";

const brokerStartMs = 1_000_000;

/** Events, a millisecond apart. */
function history(...events: readonly OrderEvent[]): ScenarioHistory {
  return events.map((event, index) => ({
    ...event,
    atMs: index,
    brokerMs: brokerStartMs + index,
    process: "p",
  }));
}

function sending(id: string, more: Partial<Sending> = {}): Sending {
  return {
    kind: "sending",
    id,
    guarantee: "at-least-once",
    priority: "normal",
    ...more,
  };
}

const acknowledged = (id: string): OrderEvent => ({ kind: "acknowledged", id, receipt: id });
const refused = (id: string, code: string): OrderEvent => ({ kind: "refused", id, code });
const started = (id: string, attempt = 1): OrderEvent => ({ kind: "started", id, attempt });
const returned = (id: string, attempt = 1): OrderEvent => ({ kind: "returned", id, attempt });
const threw = (id: string, attempt = 1): OrderEvent => ({ kind: "threw", id, attempt });
const effect = (id: string, attempt = 1): OrderEvent => ({ kind: "effect", id, attempt });
const settled = (id: string, state = "done"): OrderEvent => ({ kind: "settled", id, state });
const dead = (id: string, letter = 1): OrderEvent => ({ kind: "dead-letter", id, letter });

const whole = (id: string): readonly OrderEvent[] => [
  sending(id),
  acknowledged(id),
  started(id),
  returned(id),
  settled(id),
  effect(id),
];

const checkers: readonly Checker[] = [
  atMostOnce,
  atLeastOnce,
  effectsOnce,
  keyOrder,
  expiry,
  schedule,
  deadLetters,
];

function found(events: readonly OrderEvent[]): readonly string[] {
  return checkers.flatMap((check) => check(history(...events)).map(({ promise }) => promise));
}

test("a history in which all went well breaks no promise", () => {
  const failed = [sending("b"), acknowledged("b"), started("b"), threw("b")];
  const again = [started("b", 2), returned("b", 2), settled("b"), effect("b", 2)];
  const poison = [sending("c"), acknowledged("c"), started("c"), threw("c"), settled("c", "dead")];
  expect(found([...whole("a"), ...failed, ...again, ...poison, dead("c")])).toEqual([]);
});

const lies: readonly (readonly [name: string, promise: string, events: readonly OrderEvent[]])[] = [
  [
    "a second start of a message sent at most once",
    "G1",
    [sending("a", { guarantee: "at-most-once" }), started("a"), started("a", 2)],
  ],
  ["an acknowledged message that never ends", "G2", [sending("a"), acknowledged("a")]],
  [
    "an acknowledged message that nobody knows any more",
    "G2",
    [sending("a"), acknowledged("a"), settled("a", "unknown")],
  ],
  [
    "a done message without its effect",
    "G2",
    [sending("a"), acknowledged("a"), started("a"), returned("a"), settled("a")],
  ],
  [
    "a rejected message that is delivered",
    "G2",
    [sending("a"), refused("a", "STORE_FAILED"), started("a")],
  ],
  ["a message that nobody sent", "G2", [started("a")]],
  [
    "an expired message that could not expire",
    "G2",
    [sending("a"), acknowledged("a"), settled("a", "expired")],
  ],
  ["an effect that happened twice", "G3", [...whole("a"), effect("a")]],
  [
    "an effect of an attempt that threw",
    "G3",
    [sending("a"), acknowledged("a"), started("a"), threw("a"), settled("a"), effect("a")],
  ],
  [
    "effects in another order than the sending",
    "G4",
    [
      sending("a", { line: "l" }),
      sending("b", { line: "l" }),
      started("a"),
      started("b"),
      returned("a"),
      returned("b"),
      effect("b"),
      effect("a"),
    ],
  ],
  [
    "a start ahead of the one before it in its line",
    "G4",
    [sending("a", { line: "l" }), sending("b", { line: "l" }), started("b"), started("a")],
  ],
  [
    "a start long after the expiry",
    "G6",
    [sending("a", { expiresAtMs: brokerStartMs - 6_000 }), started("a")],
  ],
  [
    "a start before its time",
    "G7",
    [sending("a", { notBeforeMs: brokerStartMs + 9 }), started("a")],
  ],
  [
    "a dead letter twice",
    "G8",
    [sending("a"), acknowledged("a"), settled("a", "dead"), dead("a"), dead("a", 2)],
  ],
  ["a dead letter that had an effect", "G8", [...whole("a"), dead("a")]],
];

for (const [name, promise, events] of lies) {
  test(`${promise}: ${name} is seen`, () => {
    expect(found(events)).toContain(promise);
  });
}

test("the order of lines of their own, and of what has a time, is free", () => {
  const lines = [sending("a", { line: "l" }), sending("b", { line: "m" })];
  expect(keyOrder(history(...lines, started("b"), started("a")))).toEqual([]);
  const later = [sending("a", { line: "l", notBeforeMs: 0 }), sending("b", { line: "l" })];
  expect(keyOrder(history(...later, started("b"), started("a")))).toEqual([]);
});

test("a clock that is set back makes nothing early", () => {
  const events = history(
    sending("a", { notBeforeMs: brokerStartMs + 1 }),
    started("x"),
    started("a"),
  );
  const setBack = events.map((event, index) => (index === 2 ? { ...event, brokerMs: 5 } : event));
  expect(schedule(setBack)).toEqual([]);
});
