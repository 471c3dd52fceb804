/** Checkers must see what they are for: histories with one lie in each. */
import { expect, test } from "vitest";
import { atLeastOnce } from "../../../src/testing/simulator/checkers/at-least-once.ts";
import { atMostOnce } from "../../../src/testing/simulator/checkers/at-most-once.ts";
import type { Checker } from "../../../src/testing/simulator/checkers/checker.ts";
import { conflicts } from "../../../src/testing/simulator/checkers/conflicts.ts";
import { deadLetters } from "../../../src/testing/simulator/checkers/dead-letters.ts";
import { effectsOnce } from "../../../src/testing/simulator/checkers/effects.ts";
import { undisturbed } from "../../../src/testing/simulator/checkers/leases.ts";
import { keyOrder } from "../../../src/testing/simulator/checkers/order.ts";
import { priorityShares } from "../../../src/testing/simulator/checkers/priority.ts";
import { removals } from "../../../src/testing/simulator/checkers/removals.ts";
import { answerTo, requests } from "../../../src/testing/simulator/checkers/requests.ts";
import { expiry, punctuality, schedule } from "../../../src/testing/simulator/checkers/schedule.ts";
import { withdrawals } from "../../../src/testing/simulator/checkers/withdrawals.ts";
import type {
  ScenarioEvent,
  ScenarioHistory,
  Sending,
} from "../../../src/testing/simulator/events.ts";
import type { WorldEvent } from "../../../src/testing/simulator/history.ts";

const brokerStartMs = 1_000_000;

/** Events, a millisecond apart. */
function history(...events: readonly (ScenarioEvent | WorldEvent)[]): ScenarioHistory {
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

const acknowledged = (id: string): ScenarioEvent => ({ kind: "acknowledged", id, receipt: id });
const refused = (id: string, code: string): ScenarioEvent => ({ kind: "refused", id, code });
const started = (id: string, attempt = 1): ScenarioEvent => ({ kind: "started", id, attempt });
const returned = (id: string, attempt = 1): ScenarioEvent => ({ kind: "returned", id, attempt });
const threw = (id: string, attempt = 1): ScenarioEvent => ({ kind: "threw", id, attempt });
const effect = (id: string, attempt = 1): ScenarioEvent => ({ kind: "effect", id, attempt });
const settled = (id: string, state = "done"): ScenarioEvent => ({ kind: "settled", id, state });
const dead = (id: string, letter = 1): ScenarioEvent => ({ kind: "dead-letter", id, letter });

const classes = ["critical", "high", "normal", "low"] as const;

function ten(of: (id: number) => ScenarioEvent): readonly ScenarioEvent[] {
  return Array.from({ length: 10 }, (_, id) => of(id));
}

const withdrawing = (id: string): ScenarioEvent => ({ kind: "withdrawing", id, how: "rescind" });
const withdrawn = (id: string, answer: string): ScenarioEvent => ({
  kind: "withdrawn",
  id,
  how: "rescind",
  answer,
});
const asking = (id: number): ScenarioEvent => ({ kind: "asking", request: `request-${id}` });
const handling = (id: number): ScenarioEvent => ({ kind: "handling", request: `request-${id}` });
const answered = (id: number, of = id): ScenarioEvent => ({
  kind: "answered",
  request: `request-${id}`,
  answer: answerTo(`request-${of}`),
});
const read = (id: number, chunks: readonly number[]): ScenarioEvent => ({
  kind: "read",
  request: `request-${id}`,
  chunks,
  cameMs: chunks.map((_, index) => 2 + index / 100),
});
const what = "log";
const writing = (value: string): ScenarioEvent => ({ kind: "writing", what, value });
const written = (value: string, place: number): ScenarioEvent => ({
  kind: "written",
  what,
  value,
  place,
});
const unwritten = (value: string): ScenarioEvent => ({
  kind: "unwritten",
  what,
  value,
  code: "CONFLICT",
});
const foundInLog = (values: readonly string[]): ScenarioEvent => ({ kind: "found", what, values });

const whole = (id: string): readonly (ScenarioEvent | WorldEvent)[] => [
  sending(id),
  acknowledged(id),
  started(id),
  returned(id),
  settled(id),
  effect(id),
];

const checkers: readonly Checker[] = [
  conflicts,
  priorityShares,
  punctuality,
  requests,
  undisturbed,
  withdrawals,
  atMostOnce,
  atLeastOnce,
  effectsOnce,
  keyOrder,
  expiry,
  schedule,
  deadLetters,
];

function found(events: readonly (ScenarioEvent | WorldEvent)[]): readonly string[] {
  return checkers.flatMap((check) => check(history(...events)).map(({ promise }) => promise));
}

test("a history in which all went well breaks no promise", () => {
  const failed = [sending("b"), acknowledged("b"), started("b"), threw("b")];
  const again = [started("b", 2), returned("b", 2), settled("b"), effect("b", 2)];
  const poison = [sending("c"), acknowledged("c"), started("c"), threw("c"), settled("c", "dead")];
  expect(found([...whole("a"), ...failed, ...again, ...poison, dead("c")])).toEqual([]);
});

const lies: readonly (readonly [
  name: string,
  promise: string,
  events: readonly (ScenarioEvent | WorldEvent)[],
])[] = [
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
  [
    "shares that are not 8:4:2:1",
    "G5",
    [
      ...classes.flatMap((priority) => ten((id) => sending(priority + id, { priority }))),
      ...classes.flatMap((priority) => ten((id) => acknowledged(priority + id))),
      ...classes.toReversed().flatMap((priority) => ten((id) => started(priority + id))),
    ],
  ],
  [
    "a handler that is started again while it is at work",
    "G2",
    [sending("a"), acknowledged("a"), started("a"), started("a"), ...whole("a").slice(3)],
  ],
  [
    "a message that was taken back and is started",
    "G2",
    [
      sending("a"),
      acknowledged("a"),
      withdrawing("a"),
      withdrawn("a", "rescinded"),
      started("a"),
      settled("a", "rescinded"),
    ],
  ],
  [
    "a message that is cancelled though nobody asked",
    "G2",
    [sending("a"), acknowledged("a"), settled("a", "cancelled")],
  ],
  [
    "a cancelled message that had an effect",
    "G2",
    [...whole("a").slice(0, 4), withdrawing("a"), settled("a", "cancelled"), effect("a")],
  ],
  [
    "a withdrawal that was granted and did not happen",
    "G2",
    [
      ...whole("a").slice(0, 2),
      withdrawing("a"),
      withdrawn("a", "rescinded"),
      ...whole("a").slice(2),
    ],
  ],
  ["an answer to somebody else's question", "requests", [asking(1), handling(1), answered(1, 2)]],
  [
    "a request that is handled twice",
    "requests",
    [asking(1), handling(1), handling(1), answered(1)],
  ],
  ["a request that never ends", "requests", [asking(1), handling(1)]],
  [
    "a started request that is said not to be",
    "requests",
    [
      asking(1),
      { kind: "unanswered", request: "request-1", code: "TIMEOUT", outcome: "not-started" },
      handling(1),
    ],
  ],
  ["a stream with a gap", "requests", [asking(1), handling(1), read(1, [0, 2]), answered(1)]],
  [
    "a stream that ends well too soon",
    "requests",
    [asking(1), handling(1), read(1, [0]), answered(1)],
  ],
  ["a write that is not there", "G2", [writing("x"), written("x", 1), foundInLog([])]],
  [
    "a write that is elsewhere",
    "G2",
    [writing("x"), writing("y"), written("y", 1), foundInLog(["x", "y"])],
  ],
  [
    "a write that was refused and is there",
    "G2",
    [writing("x"), unwritten("x"), foundInLog(["x"])],
  ],
  ["a write that is there twice", "G2", [writing("x"), foundInLog(["x", "x"])]],
  ["a write that nobody made", "G2", [foundInLog(["x"])]],
];

test("requests: a stream that stands still once nothing is in its way is seen, also where it times out", () => {
  const timedOut: ScenarioEvent = { kind: "unanswered", request: "request-1", code: "TIMEOUT" };
  const after = (lastMs: number, ...events: readonly (ScenarioEvent | WorldEvent)[]) =>
    history(asking(1), handling(1), ...events, read(1, [0, 1]), timedOut).map((event) =>
      event.kind === "unanswered" ? { ...event, atMs: lastMs } : event,
    );
  expect(requests(after(10_000)).map(({ promise }) => promise)).toEqual(["requests"]);
  expect(requests(after(2_500))).toEqual([]);
  const healed = after(10_000, { kind: "fault", what: "over: partition" });
  const late = healed.map((event) => (event.kind === "fault" ? { ...event, atMs: 8_000 } : event));
  expect(requests(late)).toEqual([]);
});

test("G2: what was sent at most once fails or is unknown only where something has happened", () => {
  const once = sending("a", { guarantee: "at-most-once" });
  const ending = (state: string, ...before: readonly (ScenarioEvent | WorldEvent)[]) =>
    atLeastOnce(history(...before, once, acknowledged("a"), settled("a", state)));
  const owns: WorldEvent = { kind: "owns" };
  expect(ending("unknown", owns)).toHaveLength(1);
  const handedOver = history(owns, once, acknowledged("a"), owns, settled("a", "unknown"));
  expect(atLeastOnce(handedOver)).toEqual([]);
  const calm = history(owns, once, acknowledged("a"), settled("a", "failed")).map((event) =>
    event.kind === "owns" ? event : { ...event, atMs: event.atMs + 1_000 },
  );
  expect(atLeastOnce(calm)).toHaveLength(1);
  expect(ending("failed", { kind: "killed" })).toEqual([]);
});

test("G2: what was started and then taken back by the same hub is seen, also when another has it later", () => {
  const owns: WorldEvent = { kind: "owns" };
  const rest = [withdrawing("a"), withdrawn("a", "rescinded")];
  const before = [owns, sending("a"), acknowledged("a"), started("a")];
  const taken = [...before, ...rest, owns, settled("a", "rescinded")];
  expect(withdrawals(history(...taken))).toHaveLength(1);
  const forgotten = [...before, owns, ...rest, settled("a", "rescinded")];
  expect(withdrawals(history(...forgotten))).toEqual([]);
});

test("G7: a start long after its time, with nothing in the way, is seen", () => {
  const late = history(sending("a", { notBeforeMs: brokerStartMs }), started("a")).map((event) =>
    event.kind === "started" ? { ...event, atMs: 6_000, brokerMs: brokerStartMs + 6_000 } : event,
  );
  expect(punctuality(late).map(({ promise }) => promise)).toEqual(["G7"]);
});

test("where mailboxes are removed a message may be unknown, and nothing else", () => {
  const gone = [sending("a"), acknowledged("a"), settled("a", "unknown")];
  expect(removals(history(...gone))).toEqual([]);
  const lost = [sending("a"), acknowledged("a")];
  expect(removals(history(...lost)).map(({ promise }) => promise)).toEqual(["G2"]);
  const rejected = [sending("a"), refused("a", "NO_ELIGIBLE_AGENT"), started("a")];
  expect(removals(history(...rejected)).map(({ promise }) => promise)).toEqual(["G2"]);
});

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
