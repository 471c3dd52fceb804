import { expect, test } from "vitest";
import type {
  StoreChange,
  StoreEntry,
  StorePutOutcome,
  StoreWrite,
} from "../../../src/broker/broker.ts";
import { fc } from "../../support/properties.ts";
import { bytes, collect, Rig, text } from "./rig.ts";

const signal = new AbortController().signal;

function storeOf(rig: Rig) {
  const { store } = rig.broker;
  if (store === undefined) throw new Error("the engine has a store");
  return store;
}

async function put(rig: Rig, ...writes: readonly StoreWrite[]): Promise<StorePutOutcome> {
  return rig.run(storeOf(rig).put(writes));
}

async function get(rig: Rig, key: string): Promise<readonly [string, number] | undefined> {
  const [entry] = await rig.run(storeOf(rig).get([key]));
  return entry && [text(entry.value), entry.revision];
}

test("a write is kept across a crash under a revision that counts up; a volatile one is gone", async () => {
  const rig = new Rig();
  await put(rig, { key: "a", value: bytes("1") }, { key: "b", value: bytes("2"), volatile: true });
  await put(rig, { key: "a", value: bytes("3") });
  expect([await get(rig, "a"), await get(rig, "b")]).toEqual([
    ["3", 3],
    ["2", 2],
  ]);
  rig.crash();
  expect([await get(rig, "a"), await get(rig, "b")]).toEqual([["3", 3], undefined]);
  expect(await put(rig, { key: "a" })).toEqual({ kind: "stored", revisions: [4] });
});

test("all writes are made or none; the conflict names the key and what it is at", async () => {
  const rig = new Rig();
  await put(rig, { key: "a", value: bytes("1") });
  const writes = [
    { key: "b", value: bytes("2"), ifRevision: 0 },
    { key: "a", value: bytes("3"), ifRevision: 7 },
  ];
  expect(await put(rig, ...writes)).toEqual({ kind: "conflict", key: "a", revision: 1 });
  expect(await get(rig, "b")).toBeUndefined();
});

test("of two writers in one group that expect the same revision, the first wins", async () => {
  const rig = new Rig();
  const write = (value: string) =>
    storeOf(rig).put([{ key: "lock", value: bytes(value), ifRevision: 0 }]);
  expect(await rig.run(Promise.all([write("first"), write("second")]))).toEqual([
    { kind: "stored", revisions: [1] },
    { kind: "conflict", key: "lock", revision: 1 },
  ]);
  expect(await get(rig, "lock")).toEqual(["first", 1]);
});

test.each([false, true])(
  "an entry ends at its time and not before; a write renews it (volatile: %s)",
  async (volatile) => {
    const rig = new Rig();
    await put(rig, { key: "a", value: bytes("1"), ttlMs: 1_000, volatile });
    await rig.clock.advance(900);
    await put(rig, { key: "a", value: bytes("2"), ttlMs: 1_000, volatile });
    await rig.clock.advance(999);
    expect(await get(rig, "a")).toEqual(["2", 2]);
    await rig.clock.advance(1);
    expect(await get(rig, "a")).toBeUndefined();
    expect(await put(rig, { key: "a", value: bytes("3"), ifRevision: 0, volatile })).toMatchObject({
      kind: "stored",
    });
    await rig.clock.advance(10_000);
    expect(await get(rig, "a"), "without a time to live").toEqual(["3", 3]);
    expect(rig.memory.scan("later", 0, 0, 2 ** 44, { rows: 10 })).toEqual([]);
  },
);

test("an entry ends at its time also when the engine was down", async () => {
  const rig = new Rig();
  const changes: StoreChange[] = [];
  await put(rig, { key: "a", value: bytes("1"), ttlMs: 1_000 });
  rig.crash();
  await rig.clock.advance(2_000);
  await rig.run(storeOf(rig).watch("", (seen) => changes.push(...seen), signal));
  expect(await get(rig, "a")).toBeUndefined();
  expect(changes).toEqual([{ kind: "reset" }]);
  expect(rig.memory.readNamed("entry", "a")).toBeUndefined();
});

test("a volatile entry that is put again as it is lives on, and no watcher is told", async () => {
  const rig = new Rig();
  const seen: StoreChange[] = [];
  await rig.run(storeOf(rig).watch("", (changes) => seen.push(...changes), signal));
  const lease = { key: "lease", value: bytes("1"), ttlMs: 1_000, volatile: true };
  for (let renewal = 0; renewal < 3; renewal++) {
    await put(rig, lease);
    await rig.clock.advance(900);
  }
  expect(await get(rig, "lease")).toEqual(["1", 3]);
  await put(rig, { ...lease, value: bytes("2") });
  await rig.clock.advance(1_000);
  await put(rig, lease);
  // What is written down is told each time.
  for (let time = 0; time < 2; time++) await put(rig, { key: "row", value: bytes("1") });
  expect(seen.map((it) => ("key" in it ? `${it.kind} ${it.key}` : it.kind))).toEqual([
    "reset",
    "put lease",
    "put lease",
    "delete lease",
    "put lease",
    "put row",
    "put row",
  ]);
});

test("a key is durable or volatile, whichever was written last", async () => {
  const rig = new Rig();
  await put(rig, { key: "a", value: bytes("durable") });
  await put(rig, { key: "a", value: bytes("volatile"), volatile: true });
  expect(rig.memory.readNamed("entry", "a")).toBeUndefined();
  expect(await get(rig, "a")).toEqual(["volatile", 2]);
  await put(rig, { key: "a", value: bytes("durable again") });
  rig.crash();
  expect(await get(rig, "a")).toEqual(["durable again", 3]);
});

test("entries are listed in the order of their UTF-8 bytes, durable and volatile ones together", async () => {
  const rig = new Rig();
  const names = Array.from({ length: 1_500 }, (_, index) => `p/${(index * 7_919) % 1_500}`);
  const more = ["p/", "p/\u{1f600}", "p/\uffff", "p/é", "q"];
  for (const [index, key] of [...names, ...more].entries()) {
    await put(rig, { key, value: bytes(""), volatile: index % 3 === 0 });
  }
  const listed = await collect(storeOf(rig).list("p/", signal));
  const expected = [...names, ...more]
    .filter((name) => name.startsWith("p/"))
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(listed.map(({ key }) => key)).toEqual(expected);
}, 60_000);

test("what is wrong with a write is rejected with its field and limit", async () => {
  const rig = new Rig({ frameBytesMax: 10 });
  const long = { key: "a", value: new Uint8Array(11) };
  expect(await put(rig, long)).toMatchObject({
    kind: "rejected",
    error: { code: "MESSAGE_TOO_LARGE", details: { limit: 10 } },
  });
  expect(await put(rig, { key: "" })).toMatchObject({
    kind: "rejected",
    error: { code: "INVALID_OPTION" },
  });
  expect(await put(rig, { key: "a", value: bytes(""), ttlMs: -1 })).toMatchObject({
    kind: "rejected",
  });
});

/** What a watcher would have, had it only listened. */
function replay(changes: readonly StoreChange[]): ReadonlyMap<string, StoreEntry> {
  const seen = new Map<string, StoreEntry>();
  for (const change of changes) {
    if (change.kind === "reset") seen.clear();
    else if (change.kind === "delete") seen.delete(change.key);
    else {
      const before = seen.get(change.key);
      if (before !== undefined) expect(change.revision).toBeGreaterThan(before.revision);
      seen.set(change.key, change);
    }
  }
  return seen;
}

test("a watcher that begins in the middle of writing sees what is there, then every change", async () => {
  const rig = new Rig();
  const keys = Array.from({ length: 2_000 }, (_, index) => `k/${index}`);
  for (let at = 0; at < keys.length; at += 100) {
    await put(rig, ...keys.slice(at, at + 100).map((key) => ({ key, value: bytes("old") })));
  }
  const changes: StoreChange[] = [];
  const ready = storeOf(rig).watch("k/", (seen) => changes.push(...seen), signal);
  const writes: Promise<StorePutOutcome>[] = [];
  // One write for each turn in which the watcher may be told another part.
  const writeSome = (index: number) => {
    const key = keys[(index * 31) % keys.length] as string;
    writes.push(storeOf(rig).put([index % 2 === 0 ? { key } : { key, value: bytes("new") }]));
    if (index < 300) rig.clock.defer(() => writeSome(index + 1));
  };
  writeSome(0);
  await rig.clock.settle();
  await rig.run(Promise.all([ready, ...writes]));
  const there = await collect(storeOf(rig).list("k/", signal));
  const seen = [...replay(changes).values()].map(({ key, revision }) => ({ key, revision }));
  expect(changes[0]).toEqual({ kind: "reset" });
  expect(new Map(seen.map((each) => [each.key, each.revision]))).toEqual(
    new Map(there.map((each) => [each.key, each.revision])),
  );
});

test("a watcher sees only its prefix, only what is committed, and nothing after it has ended", async () => {
  const rig = new Rig();
  const changes: StoreChange[] = [];
  const controller = new AbortController();
  await rig.run(storeOf(rig).watch("a/", (seen) => changes.push(...seen), controller.signal));
  rig.storage.fault = "refuse";
  await put(rig, { key: "a/1", value: bytes("1") });
  await put(rig, { key: "b/1", value: bytes("1") }, { key: "a/2", value: bytes("2") });
  await put(rig, { key: "a/2" }, { key: "a/3" });
  controller.abort();
  await put(rig, { key: "a/4", value: bytes("4") });
  expect(
    changes.map((change) => ("key" in change ? `${change.kind} ${change.key}` : change.kind)),
  ).toEqual(["reset", "put a/2", "delete a/2"]);
});

interface Modelled {
  readonly value: string;
  readonly revision: number;
  readonly endMs: number;
  readonly volatile: boolean;
}

/** The store as a map, with the writes of one call made at once or not at all. */
class ModelStore {
  #entries = new Map<string, Modelled>();
  #revision = 0;

  get(key: string, nowMs: number): readonly [string, number] | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.endMs <= nowMs ? undefined : [entry.value, entry.revision];
  }

  put(writes: readonly StoreWrite[], nowMs: number): StorePutOutcome["kind"] {
    const next = new Map(this.#entries);
    let revision = this.#revision;
    for (const { key, value, ifRevision, ttlMs = Number.POSITIVE_INFINITY, volatile } of writes) {
      const there = next.get(key);
      const present = there === undefined || there.endMs <= nowMs ? 0 : there.revision;
      if (ifRevision !== undefined && ifRevision !== present) return "conflict";
      revision++;
      if (value === undefined) next.delete(key);
      else {
        const endMs = nowMs + ttlMs;
        next.set(key, { value: text(value), revision, endMs, volatile: volatile === true });
      }
    }
    this.#entries = next;
    this.#revision = revision;
    return "stored";
  }

  crash(): void {
    for (const [key, { volatile }] of this.#entries) if (volatile) this.#entries.delete(key);
  }
}

test("the store agrees with a map, whatever is written, when, and through crashes", async () => {
  const write = fc.record(
    {
      key: fc.constantFrom("a", "b", "c"),
      value: fc.constantFrom(bytes("x"), bytes("y")),
      ifRevision: fc.nat(6),
      ttlMs: fc.constantFrom(100, 1_000),
      volatile: fc.boolean(),
    },
    { requiredKeys: ["key"] },
  );
  const writes = fc.array(write, { minLength: 1, maxLength: 4 });
  const step = fc.oneof(
    { weight: 6, arbitrary: writes },
    fc.constantFrom(50, 100, 600),
    fc.constant("crash" as const),
  );
  const follow = async (
    rig: Rig,
    model: ModelStore,
    each: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
  ) => {
    if (typeof each === "number") await rig.clock.advance(each);
    else if (each === "crash") {
      rig.crash();
      model.crash();
    } else {
      const expected = model.put(each as readonly StoreWrite[], rig.clock.nowMs());
      expect((await put(rig, ...(each as readonly StoreWrite[]))).kind).toBe(expected);
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const rig = new Rig();
      const model = new ModelStore();
      for (const each of steps) {
        await follow(rig, model, each);
        for (const key of ["a", "b", "c"]) {
          expect(await get(rig, key)).toEqual(model.get(key, rig.clock.nowMs()));
        }
      }
    }),
  );
}, 60_000);

test("volatile entries have a limit of their own; what is there can still be renewed and shrunk", async () => {
  const rig = new Rig({ volatileBytesMax: 10_000 });
  const entry = (key: string, length: number) => ({
    key,
    value: new Uint8Array(length),
    volatile: true,
  });
  for (let key = 0; key < 9; key++) await put(rig, entry(`${key}`, 1_000));
  const stored = { kind: "stored" };
  const refused = { kind: "rejected", error: { code: "QUEUE_FULL" } };
  expect(await put(rig, entry("large", 1_000))).toMatchObject(refused);
  expect(await put(rig, entry("0", 3_000))).toMatchObject(refused);
  expect(await put(rig, { key: "durable", value: new Uint8Array(5_000) })).toMatchObject(stored);
  expect(await put(rig, entry("0", 1_000))).toMatchObject(stored);
  expect(await put(rig, entry("0", 100), entry("large", 500))).toMatchObject(stored);
  expect(await put(rig, { key: "1", volatile: true })).toMatchObject(stored);
  expect(await put(rig, entry("larger", 900))).toMatchObject(stored);
});

test("a volatile entry that is written again and again with a long life ends at its last time, once", async () => {
  const rig = new Rig();
  const ended: string[] = [];
  await rig.run(
    storeOf(rig).watch(
      "",
      (changes) => {
        for (const change of changes) if (change.kind === "delete") ended.push(change.key);
      },
      signal,
    ),
  );
  await put(rig, { key: "other", value: bytes(""), volatile: true, ttlMs: 500_000 });
  for (let round = 0; round < 30; round++) {
    const again = { key: "a", value: bytes(`${round}`), volatile: true, ttlMs: 1_000_000 };
    await put(rig, ...Array.from({ length: 500 }, () => again));
  }
  await rig.clock.advance(501_000);
  expect(ended).toEqual(["other"]);
  await rig.clock.advance(501_000);
  expect(ended).toEqual(["other", "a"]);
});
