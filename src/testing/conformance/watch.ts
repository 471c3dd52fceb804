/** Watching the store: what is there, then every change. */
import assert from "node:assert/strict";
import type { StoreChange } from "../../broker/broker.ts";
import type { ConformanceCase } from "./case.ts";
import { bytes, collect, text } from "./messages.ts";
import { put, putText, sees, storeCase, storeOf, watch } from "./store-tools.ts";

export const watchCases: readonly ConformanceCase[] = [
  storeCase("a watcher sees what is there, then every change, of all", async (trial, store) => {
    const other = storeOf(await trial.connect());
    await putText(store, "w/a", "1");
    await putText(store, "w/b", "1");
    const seen = await watch(trial, store, "w/");
    await sees(trial, seen, "+w/b=1");
    await putText(other, "w/a", "2");
    await put(store, { key: "w/b" });
    await putText(store, "w/c", "1");
    await sees(trial, seen, "+w/c=1");
    const changes = seen.filter((change) => change !== "reset");
    assert.deepEqual(changes.slice(0, 2).toSorted(), ["+w/a=1", "+w/b=1"]);
    assert.deepEqual(changes.slice(2).toSorted(), ["+w/a=2", "+w/c=1", "-w/b"]);
  }),

  storeCase("a watcher misses nothing that changes while it begins", async (trial, store) => {
    const other = storeOf(await trial.connect());
    const keys = Array.from({ length: 120 }, (_, index) => `w/${index}`);
    await put(store, ...keys.map((key) => ({ key, value: bytes("old") })));
    const watchers: string[][] = [];
    for (const key of keys) {
      const written = putText(other, key, "new");
      if (watchers.length < 40) watchers.push(await watch(trial, store, "w/"));
      await written;
    }
    for (const seen of watchers) {
      await trial.eventually("everything is seen as it is", () =>
        keys.every((key) => seen.includes(`+${key}=new`)) ? true : undefined,
      );
    }
  }),

  storeCase("a watcher sees nothing outside its prefix", async (trial, store) => {
    await putText(store, "other", "1");
    const seen = await watch(trial, store, "w/");
    for (const key of ["w", "v/a", "W/a", "x/w/a"]) await putText(store, key, "1");
    await putText(store, "w/last", "1");
    await sees(trial, seen, "+w/last=1");
    assert.deepEqual(
      seen.filter((change) => change !== "reset"),
      ["+w/last=1"],
    );
  }),

  storeCase("the changes of one key come in the order of its revisions", async (trial, store) => {
    const other = storeOf(await trial.connect());
    const watched = storeOf(await trial.connect());
    const revisions = new Map<string, number>();
    let last = "";
    await watched.watch(
      "k",
      (changes) => {
        for (const change of changes) {
          if (change.kind !== "put") continue;
          const { key, revision, value } = change;
          assert.ok(revision > (revisions.get(key) ?? 0), `${key} went back`);
          revisions.set(key, revision);
          last = text(value);
        }
      },
      trial.signal,
    );
    for (let round = 0; round < 40; round++) {
      await Promise.all([
        putText(store, `k${round % 3}`, `${round}`),
        putText(other, `k${round % 3}`, `${round}`),
      ]);
    }
    await putText(store, "k", "end");
    await trial.eventually("the last change", () => (last === "end" ? true : undefined));
    assert.equal(revisions.size, 4);
  }),

  storeCase("what a watcher has seen in the end is what is there", async (trial, store) => {
    const state = new Map<string, string>();
    const apply = (changes: readonly StoreChange[]) => {
      for (const change of changes) {
        if (change.kind === "reset") state.clear();
        else if (change.kind === "delete") state.delete(change.key);
        else state.set(change.key, text(change.value));
      }
    };
    const writer = storeOf(await trial.connect());
    const writing = (async () => {
      for (let round = 0; round < 70; round++) {
        const key = `s/${round % 17}`;
        if (round % 5 === 4) await put(writer, { key });
        else await putText(writer, key, `${round}`);
      }
      await putText(writer, "s/end", "end");
    })();
    await store.watch("s/", apply, trial.signal);
    await writing;
    await trial.eventually("the last change", () => state.get("s/end"));
    const entries = await collect(store.list("s/", trial.signal));
    assert.deepEqual(
      [...state].toSorted(),
      entries.map(({ key, value }) => [key, text(value)]).toSorted(),
    );
  }),

  storeCase("an aborted watcher sees nothing more, the others do", async (trial, store) => {
    const controller = new AbortController();
    const ended = await watch(trial, store, "w/", controller.signal);
    const kept = await watch(trial, store, "w/");
    await putText(store, "w/a", "1");
    await sees(trial, ended, "+w/a=1");
    controller.abort();
    await putText(store, "w/a", "2");
    await sees(trial, kept, "+w/a=2");
    await trial.quiet();
    assert.ok(!ended.includes("+w/a=2"));
  }),

  storeCase(
    "a watcher survives a broken connection by starting over",
    async (trial, store) => {
      const watcher = await trial.connect();
      await putText(store, "w/kept", "1");
      await putText(store, "w/gone", "1");
      const seen = await watch(trial, storeOf(watcher), "w/");
      await sees(trial, seen, "+w/gone=1");
      const breaking = trial.disconnect(watcher);
      await put(store, { key: "w/gone" });
      await breaking;
      await putText(store, "w/new", "1");
      await sees(trial, seen, "+w/new=1");
      const state = new Set<string>();
      for (const change of seen) {
        if (change === "reset") state.clear();
        else if (change.startsWith("-")) state.delete(change.slice(1));
        else state.add(change.slice(1, change.indexOf("=")));
      }
      assert.deepEqual([...state].toSorted(), ["w/kept", "w/new"]);
    },
    { needs: ["store", "disconnect"] },
  ),
];
