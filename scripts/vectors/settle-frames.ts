/** Settlements, what commits with them, and what became of them. */
import type { Effect, Outcome, SettleOutcome } from "../../src/broker/broker.ts";
import { writeEffect } from "../../src/broker/hub/operations/effects.ts";
import {
  readSettle,
  readSettled,
  writeSettle,
  writeSettled,
} from "../../src/broker/hub/operations/settle.ts";
import { packValue } from "../../src/exchange/packed.ts";
import { frameAt } from "../../src/message/frame.ts";
import type { FrameVector } from "./frame-vector.ts";
import { aCommand, anEvent } from "./messages.ts";
import { queue } from "./queue-frames.ts";
import { bytesOf, written } from "./vector.ts";

const claim = { queue, position: 100, fence: 12 } as const;
const error = {
  code: "HANDLER_FAILED",
  message: "no such address",
  retryable: false,
  details: { name: "RangeError" },
} as const;
const result = packValue({ sent: true });
const conflict = { code: "CONFLICT", message: "revision 8", retryable: false } as const;

function settle(name: string, outcome: number, found: Outcome, more: object = {}): FrameVector {
  return {
    name: `SETTLE: ${name}`,
    type: "SETTLE",
    from: "client",
    fields: { number: 21, position: 100, fence: 12, outcome, queue, ...more },
    write: (writer) => writeSettle(writer, 21, { ...claim, outcome: found }),
    read: readSettle,
    found: { number: 21, settlement: { ...claim, outcome: found } },
  };
}

const withError = { error, resultLength: 0 };

const put = {
  kind: "put",
  key: "store/price",
  value: packValue(42),
  ifRevision: 7,
  ttlMs: 60_000,
  volatile: true,
} as const;
const remove = { kind: "put", key: "store/price" } as const;
const append = {
  kind: "append",
  stream: "audit",
  entries: [bytesOf("0102"), bytesOf("")],
  at: 3,
} as const;
const appendAnywhere = { kind: "append", stream: "audit", entries: [packValue("sent")] } as const;
const effects: readonly Effect[] = [
  {
    kind: "enqueue",
    queue,
    message: { frame: aCommand, lane: 2, guarantee: "at-least-once", id: "" },
  },
  { kind: "publish", topic: "market.gold", frame: anEvent },
  put,
  append,
];

/** A frame that stands in a SETTLE is read where it stands. */
function effect(name: string, type: "PUT" | "APPEND", found: Effect, fields: object): FrameVector {
  const payload = { ...claim, outcome: { kind: "done" }, effects: [found] } as const;
  return {
    name,
    type,
    from: "effect",
    fields: { ...fields },
    write: (writer) => writeEffect(writer, found),
    read: () => {
      const settlement = written((writer) => writeSettle(writer, 1, payload));
      return readSettle(frameAt(settlement)).settlement.effects;
    },
    found: [found],
  };
}

const settled: readonly (readonly [number, SettleOutcome])[] = [
  [21, { kind: "settled" }],
  [22, { kind: "settled" }],
  [23, { kind: "stale" }],
  [24, { kind: "refused", error: conflict }],
  [25, { kind: "indeterminate", error: { ...conflict, code: "INDETERMINATE" } }],
];

export const settleFrames: readonly FrameVector[] = [
  settle("done", 0, { kind: "done" }, { resultLength: 0 }),
  settle("done with a result", 1, { kind: "done", result }, { resultLength: result.length }),
  settle("failed", 2, { kind: "failed", error }, withError),
  settle("retry", 3, { kind: "retry", delayMs: 250, error }, { delayMs: 250, ...withError }),
  settle("dead", 4, { kind: "dead", error }, withError),
  settle("release", 5, { kind: "release" }, { resultLength: 0 }),
  settle("expired", 6, { kind: "expired", error }, withError),
  settle("rescinded", 7, { kind: "rescinded", error }, withError),
  settle("cancelled", 8, { kind: "cancelled", error }, withError),
  {
    name: "SETTLE: done with a result, a command, an event, an entry and a line of a log",
    type: "SETTLE",
    from: "client",
    fields: {
      number: 22,
      position: 100,
      fence: 12,
      outcome: 1,
      queue,
      resultLength: result.length,
    },
    write: (writer) =>
      writeSettle(writer, 22, { ...claim, outcome: { kind: "done", result }, effects }),
    read: readSettle,
    found: { number: 22, settlement: { ...claim, outcome: { kind: "done", result }, effects } },
  },
  effect("PUT with all options", "PUT", put, {
    options: 15,
    key: "store/price",
    ifRevision: 7,
    ttlMs: 60_000,
  }),
  effect("PUT that deletes", "PUT", remove, { options: 0, key: "store/price" }),
  effect("APPEND of two entries at a position", "APPEND", append, {
    options: 1,
    stream: "audit",
    at: 3,
    entries: append.entries,
  }),
  effect("APPEND at the end", "APPEND", appendAnywhere, {
    options: 0,
    stream: "audit",
    entries: appendAnywhere.entries,
  }),
  {
    name: "SETTLED: two settled, a stale one, a refused one, one of which nobody knows",
    type: "SETTLED",
    from: "hub",
    fields: {
      runs: [
        { kind: 0, count: 2, number: 21 },
        { kind: 1, count: 1, number: 23 },
        { kind: 2, count: 1, number: 24, error: conflict },
        { kind: 3, count: 1, number: 25, error: { ...conflict, code: "INDETERMINATE" } },
      ],
    },
    write: (writer) =>
      writeSettled(
        writer,
        settled.map(([number]) => number),
        settled.map(([, outcome]) => outcome),
      ),
    read: (frame) => {
      const found: unknown[] = [];
      readSettled(frame, (number, outcome) => found.push([number, outcome]));
      return found;
    },
    found: settled,
  },
];
