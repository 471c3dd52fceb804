import { expect, test } from "vitest";
import {
  compareKeys,
  type EntryKind,
  type EntryRecord,
  liveEntry,
  putHeaders,
} from "../../../src/broker/nats/entries.ts";
import { Names } from "../../../src/broker/nats/names.ts";
import { planPut } from "../../../src/broker/nats/put-plan.ts";
import { fc } from "../../support/properties.ts";

const names = new Names("p");
const value = new Uint8Array([1]);
const nowMs = 1_000;

function record(kind: EntryKind, revision: number, more: Partial<EntryRecord> = {}): EntryRecord {
  return { key: "k", kind, revision, value, endsAtMs: Number.POSITIVE_INFINITY, ...more };
}

function plan(writes: Parameters<typeof planPut>[1], ...found: readonly EntryRecord[]) {
  const records = {
    state: found.find(({ kind }) => kind === "state"),
    volatile: found.find(({ kind }) => kind === "volatile"),
  };
  const decided = planPut(names, writes, new Map([["k", records]]), nowMs);
  if (decided.kind === "conflict") return decided;
  return decided.steps.map(({ stream, messages }) => [
    stream,
    ...messages.map(({ headers = {}, write }) =>
      [
        headers["Colloquy-Deleted"] === undefined ? "put" : "delete",
        headers["Nats-Expected-Last-Subject-Sequence"] ?? "any",
        write ?? "-",
      ].join(" "),
    ),
  ]);
}

test("a write is one message in the stream of its kind", () => {
  expect(plan([{ key: "k", value }])).toEqual([["state", "put any 0"]]);
  expect(plan([{ key: "k", value, volatile: true }])).toEqual([["volatile", "put any 0"]]);
  expect(plan([{ key: "k" }])).toEqual([["state", "delete any 0"]]);
});

test("a revision that is asked for is the sequence that the server has to find", () => {
  expect(plan([{ key: "k", value, ifRevision: 7 }], record("state", 7))).toEqual([
    ["state", "put 7 0"],
  ]);
  expect(plan([{ key: "k", value, ifRevision: 0 }])).toEqual([["state", "put 0 0"]]);
  expect(plan([{ key: "k", value, ifRevision: 6 }], record("state", 7))).toEqual({
    kind: "conflict",
    key: "k",
    revision: 7,
  });
});

test("what was deleted or is over is not there, but its message may be", () => {
  const deleted = record("state", 7, { value: undefined });
  const over = record("state", 7, { endsAtMs: nowMs });
  for (const gone of [deleted, over]) {
    expect(plan([{ key: "k", value, ifRevision: 0 }], gone)).toEqual([["state", "put 7 0"]]);
    expect(plan([{ key: "k", value, ifRevision: 7 }], gone)).toMatchObject({ revision: 0 });
  }
  expect(liveEntry(record("state", 7, { endsAtMs: nowMs + 1 }), nowMs)?.revision).toBe(7);
});

test("an entry that changes its kind is written anew before it is deleted where it was", () => {
  expect(plan([{ key: "k", value }], record("volatile", 9))).toEqual([
    ["state", "put any 0"],
    ["volatile", "delete any -"],
  ]);
  expect(plan([{ key: "k", value, volatile: true, ifRevision: 7 }], record("state", 7))).toEqual([
    ["volatile", "put 0 0"],
    ["state", "delete 7 -"],
  ]);
});

test("what is deleted is deleted where it is", () => {
  expect(plan([{ key: "k", ifRevision: 9 }], record("volatile", 9))).toEqual([
    ["volatile", "delete 9 0"],
  ]);
});

test("the writes of one put to one key follow one another", () => {
  const writes = [
    { key: "k", value, ifRevision: 7 },
    { key: "k" },
    { key: "k", value, ifRevision: 0 },
  ];
  expect(plan(writes, record("state", 7))).toEqual([
    ["state", "put 7 0", "delete any 1", "put any 2"],
  ]);
  const impossible = [
    { key: "k", value },
    { key: "k", value, ifRevision: 7 },
  ];
  expect(plan(impossible, record("state", 7))).toMatchObject({ kind: "conflict" });
});

test("the server removes nothing before it is over", () => {
  expect(putHeaders("k", 1)["Nats-TTL"]).toBe("2s");
  expect(putHeaders("k", 1_000)["Nats-TTL"]).toBe("2s");
  expect(putHeaders("k", 1_001)["Nats-TTL"]).toBe("3s");
  expect(putHeaders("k", undefined)).toEqual({});
  expect(putHeaders("k", Number.MAX_SAFE_INTEGER)["Nats-TTL"]).toBeUndefined();
});

test("keys sort as their UTF-8 does", () => {
  const text = fc.string({ unit: "binary", maxLength: 6 }).filter((key) => key.isWellFormed());
  fc.assert(
    fc.property(text, text, (a, b) => {
      const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
      expect(Math.sign(compareKeys(a, b))).toBe(expected);
    }),
  );
});
