/** Store: keyed state with revisions and expiry. */
import assert from "node:assert/strict";
import type { Store } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { assertRejects, bytes, collect, text } from "./messages.ts";
import { put, putText, read, sees, storeCase, storeOf, watch } from "./store-tools.ts";

const entryCases: readonly ConformanceCase[] = [
  storeCase("what was put can be read by every client", async (trial, store) => {
    const revision = await putText(store, "key", "value");
    const [entry] = await storeOf(await trial.connect()).get(["key"]);
    assert.ok(entry);
    assert.deepEqual([entry.key, text(entry.value), entry.revision], ["key", "value", revision]);
  }),

  storeCase("each key has an answer, in order, also when there is nothing", async (_, store) => {
    await put(store, { key: "a", value: bytes("1") }, { key: "c", value: bytes("3") });
    const entries = await store.get(["c", "b", "a", "c"]);
    assert.deepEqual(
      entries.map((entry) => (entry === undefined ? undefined : text(entry.value))),
      ["3", undefined, "1", "3"],
    );
    assert.deepEqual(await store.get([]), []);
  }),

  storeCase("revisions rise with every write, whatever the key", async (_, store) => {
    const revisions = [
      await putText(store, "a", "1"),
      await putText(store, "b", "1"),
      ...(await put(store, { key: "c", value: bytes("1") }, { key: "a", value: bytes("2") })),
      await putText(store, "b", "1"),
    ];
    const rising = revisions.every(
      (revision, at) => at === 0 || revision > (revisions[at - 1] ?? 0),
    );
    assert.ok(rising, `${revisions}`);
  }),

  storeCase("a write may ask for the revision that it saw", async (_, store) => {
    const seen = await putText(store, "key", "1");
    await put(store, { key: "key", value: bytes("2"), ifRevision: seen });
    const outcome = await store.put([{ key: "key", value: bytes("3"), ifRevision: seen }]);
    assert.equal(outcome.kind, "conflict");
    assert.equal(await read(store, "key"), "2");
  }),

  storeCase("a conflict names the key and the revision it has now", async (_, store) => {
    const revision = await putText(store, "key", "1");
    const outcome = await store.put([
      { key: "key", value: bytes("2"), ifRevision: revision + 999 },
    ]);
    assert.deepEqual(outcome, { kind: "conflict", key: "key", revision });
    const absent = await store.put([{ key: "absent", value: bytes("2"), ifRevision: revision }]);
    assert.deepEqual(absent, { kind: "conflict", key: "absent", revision: 0 });
  }),

  storeCase("revision 0 stands for an entry that is not there", async (_, store) => {
    await put(store, { key: "key", value: bytes("1"), ifRevision: 0 });
    const outcome = await store.put([{ key: "key", value: bytes("2"), ifRevision: 0 }]);
    assert.equal(outcome.kind, "conflict");
    assert.equal(await read(store, "key"), "1");
    await put(store, { key: "key" });
    await put(store, { key: "key", value: bytes("3"), ifRevision: 0 });
    assert.equal(await read(store, "key"), "3");
  }),

  storeCase("all writes of a put are made, or none", async (_, store) => {
    const revision = await putText(store, "kept", "1");
    const outcome = await store.put([
      { key: "new", value: bytes("x") },
      { key: "kept", value: bytes("2"), ifRevision: revision },
      { key: "kept" },
      { key: "absent", value: bytes("x"), ifRevision: 5 },
    ]);
    assert.equal(outcome.kind, "conflict");
    assert.equal(await read(store, "kept"), "1");
    assert.equal(await read(store, "new"), undefined);
  }),

  storeCase("of clients that create one entry at once, one succeeds", async (trial, store) => {
    const stores = [store, storeOf(await trial.connect()), storeOf(await trial.connect())];
    for (let round = 0; round < 10; round++) {
      const outcomes = await Promise.all(
        stores.map((each, index) =>
          each.put([{ key: `round ${round}`, value: bytes(`${index}`), ifRevision: 0 }]),
        ),
      );
      const winners = outcomes.flatMap(({ kind }, index) => (kind === "stored" ? [index] : []));
      assert.equal(winners.length, 1);
      assert.equal(await read(store, `round ${round}`), `${winners[0]}`);
    }
  }),

  storeCase("no update is lost between clients that compare revisions", async (trial, store) => {
    await putText(store, "counter", "0");
    const count = async (each: Store): Promise<void> => {
      for (let made = 0; made < 10; ) {
        const [entry] = await each.get(["counter"]);
        assert.ok(entry);
        const value = bytes(`${Number(text(entry.value)) + 1}`);
        const outcome = await each.put([{ key: "counter", value, ifRevision: entry.revision }]);
        if (outcome.kind === "stored") made++;
      }
    };
    const stores = [store, storeOf(await trial.connect()), storeOf(await trial.connect())];
    await trial.within("three counters", Promise.all(stores.map(count)));
    assert.equal(await read(store, "counter"), "30");
  }),

  storeCase("an entry is deleted by a write without a value", async (_, store) => {
    const revision = await putText(store, "key", "1");
    const stale = await store.put([{ key: "key", ifRevision: revision + 999 }]);
    assert.equal(stale.kind, "conflict");
    await put(store, { key: "key", ifRevision: revision });
    assert.equal(await read(store, "key"), undefined);
    await put(store, { key: "never there" });
  }),

  storeCase("an empty value is a value", async (_, store) => {
    await put(store, { key: "empty", value: new Uint8Array() });
    const [entry] = await store.get(["empty"]);
    assert.equal(entry?.value.length, 0);
  }),

  storeCase("values come back as they were: binary, part of a buffer", async (_, store) => {
    const every = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
    const value = every.subarray(100, 400);
    await put(store, { key: "binary", value });
    const [entry] = await store.get(["binary"]);
    assert.deepEqual([...(entry?.value ?? [])], [...value]);
  }),

  storeCase("a put under an aborted signal is cancelled", async (_, store) => {
    const call = store.put([{ key: "key", value: bytes("x") }], AbortSignal.abort());
    await assertRejects(call, "CANCELLED");
  }),

  storeCase("a get or a list under an aborted signal is cancelled", async (_, store) => {
    const signal = AbortSignal.abort();
    await assertRejects(store.get(["key"], signal), "CANCELLED");
    await assertRejects(collect(store.list("", signal)), "CANCELLED");
  }),
];

const listCases: readonly ConformanceCase[] = [
  storeCase("a list has the keys of its prefix, in order of their UTF-8", async (trial, store) => {
    // In UTF-16, as strings compare, the last two would change places.
    const sorted = ["p/", "p/A", "p/a", "p/a/b", "p/ab", "p/é", "p/\uffee", "p/😀"];
    const others = ["p", "o/z", "q/a", "P/a"];
    for (const key of [...sorted, ...others].toReversed()) await putText(store, key, key);
    const entries = await collect(store.list("p/", trial.signal));
    assert.deepEqual(
      entries.map(({ key }) => key),
      sorted,
    );
    assert.deepEqual(
      entries.map(({ value }) => text(value)),
      sorted,
    );
  }),

  storeCase("a list leaves nothing out, however long it is", async (trial, store) => {
    const keys = Array.from({ length: 1_500 }, (_, index) => `n/${String(index).padStart(5, "0")}`);
    for (let begin = 0; begin < keys.length; begin += 100) {
      const writes = keys.slice(begin, begin + 100).map((key) => ({ key, value: bytes(key) }));
      await put(store, ...writes);
    }
    const entries = await collect(store.list("n/", trial.signal));
    assert.deepEqual(
      entries.map(({ key }) => key),
      keys,
    );
    const all = await collect(store.list("", trial.signal));
    assert.equal(all.length, keys.length);
  }),

  storeCase("a list has volatile entries among the others, each once", async (trial, store) => {
    const keys = Array.from({ length: 900 }, (_, index) => `n/${String(index).padStart(5, "0")}`);
    for (let begin = 0; begin < keys.length; begin += 100) {
      const writes = keys.slice(begin, begin + 100).map((key, index) => ({
        key,
        value: bytes(key),
        // Runs of either kind that are longer than any page, and short ones.
        volatile: begin % 200 === 0 ? index % 2 === 0 : begin > 400,
      }));
      await put(store, ...writes);
    }
    await putText(store, "m/before", "x");
    await put(store, { key: "o/after", value: bytes("x"), volatile: true });
    const entries = await collect(store.list("n/", trial.signal));
    assert.deepEqual(
      entries.map(({ key }) => key),
      keys,
    );
  }),

  storeCase("a list of nothing is empty", async (trial, store) => {
    await putText(store, "a", "1");
    await put(store, { key: "a" });
    assert.deepEqual(await collect(store.list("", trial.signal)), []);
  }),
];

const expiryCases: readonly ConformanceCase[] = [
  storeCase("an entry with a time to live deletes itself, and not before", async (trial, store) => {
    const startMs = trial.clock.monotonicMs();
    await put(store, { key: "soft", value: bytes("x"), ttlMs: 400 });
    await putText(store, "hard", "x");
    await trial.eventually("the end of the entry", async () => {
      const beforeMs = trial.clock.monotonicMs() - startMs;
      const value = await read(store, "soft");
      if (value !== undefined) return undefined;
      // Clocks that count whole milliseconds may be one short.
      assert.ok(beforeMs + 50 >= 400 || trial.clock.monotonicMs() - startMs >= 399, "too early");
      return true;
    });
    assert.equal(await read(store, "hard"), "x");
    await put(store, { key: "soft", value: bytes("again"), ifRevision: 0 });
    const keys = (await collect(store.list("", trial.signal))).map(({ key }) => key);
    assert.deepEqual(keys, ["hard", "soft"]);
  }),

  storeCase("a later write renews or ends the time to live", async (trial, store) => {
    await put(
      store,
      { key: "renewed", value: bytes("1"), ttlMs: 200 },
      { key: "kept", value: bytes("1"), ttlMs: 200 },
      { key: "witness", value: bytes("1"), ttlMs: 200 },
    );
    await put(
      store,
      { key: "renewed", value: bytes("2"), ttlMs: 3_600_000 },
      { key: "kept", value: bytes("2") },
    );
    await trial.eventually("the end of the witness", async () =>
      (await read(store, "witness")) === undefined ? true : undefined,
    );
    await trial.quiet();
    assert.equal(await read(store, "renewed"), "2");
    assert.equal(await read(store, "kept"), "2");
  }),

  storeCase("entries expire by their own time, whichever came first", async (trial, store) => {
    for (const volatile of [false, true]) {
      const prefix = `volatile ${volatile}/`;
      const seen = await watch(trial, store, prefix);
      const keep = (key: string, ttlMs: number) =>
        put(store, { key: `${prefix}${key}`, value: bytes("x"), ttlMs, volatile });
      await keep("long", 3_600_000);
      await keep("second", 250);
      await keep("first", 100);
      await keep("shortened", 3_600_000);
      await keep("shortened", 400);
      for (const key of ["first", "second", "shortened"]) {
        await sees(trial, seen, `-${prefix}${key}`);
      }
      assert.equal(seen.filter((change) => change.startsWith("-")).length, 3);
    }
  }),

  storeCase("a watcher sees the end of an entry that expired", async (trial, store) => {
    const seen = await watch(trial, storeOf(await trial.connect()), "soft");
    await put(store, { key: "soft", value: bytes("x"), ttlMs: 150 });
    await sees(trial, seen, "-soft");
    assert.deepEqual(
      seen.filter((change) => change !== "reset"),
      ["+soft=x", "-soft"],
    );
  }),
];

const restartCases: readonly ConformanceCase[] = [
  storeCase("volatile entries are like others while the broker runs", async (trial, store) => {
    const seen = await watch(trial, storeOf(await trial.connect()), "v/");
    const [revision] = await put(store, { key: "v/a", value: bytes("1"), volatile: true });
    await putText(store, "v/b", "1");
    await put(store, { key: "v/a", value: bytes("2"), volatile: true, ifRevision: revision ?? 0 });
    const entries = await collect(store.list("v/", trial.signal));
    assert.deepEqual(
      entries.map(({ key, value }) => `${key}=${text(value)}`),
      ["v/a=2", "v/b=1"],
    );
    await sees(trial, seen, "+v/a=2");
    const conflict = await store.put([{ key: "v/a", value: bytes("3"), ifRevision: 0 }]);
    assert.equal(conflict.kind, "conflict");
    await put(store, { key: "v/a" });
    await sees(trial, seen, "-v/a");
    assert.equal(await read(store, "v/a"), undefined);
  }),

  storeCase(
    "entries survive a restart, volatile ones do not, and revisions go on",
    async (trial, store) => {
      await put(store, { key: "soft", value: bytes("1"), volatile: true });
      const revision = await putText(store, "hard", "1");
      await put(store, { key: "deleted", value: bytes("1") });
      await put(store, { key: "deleted" });
      for (const how of ["clean", "crash"] as const) {
        const reopened = storeOf(await trial.restart(how));
        const entries = await collect(reopened.list("", trial.signal));
        assert.deepEqual(
          entries.map((entry) => [entry.key, text(entry.value), entry.revision]),
          [["hard", "1", revision]],
        );
        assert.ok((await putText(reopened, "soft", "2")) > revision);
        await put(reopened, { key: "soft" });
      }
    },
    { needs: ["store", "durability"] },
  ),

  storeCase(
    "a time to live goes on across a restart",
    async (trial, store) => {
      await put(store, { key: "soft", value: bytes("1"), ttlMs: 300 });
      await put(store, { key: "long", value: bytes("1"), ttlMs: 3_600_000 });
      const reopened = storeOf(await trial.restart("crash"));
      await trial.eventually("the end of the entry", async () =>
        (await read(reopened, "soft")) === undefined ? true : undefined,
      );
      assert.equal(await read(reopened, "long"), "1");
    },
    { needs: ["store", "durability"] },
  ),
];

export const storePortCases: readonly ConformanceCase[] = [
  ...entryCases,
  ...listCases,
  ...expiryCases,
  ...restartCases,
  conformanceCase(
    "a broker without a store says so",
    async (trial) => {
      assert.equal(trial.broker.store, undefined);
    },
    { lacks: ["store"] },
  ),
];
