/** What people do with what was given up, and what is done for them. */
import type { DeadLetter, JoinOptions, Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(options: JoinOptions = {}) {
  fabric = await openFabric(2, [], options);
  const [sending, working] = fabric.networks as [Network, Network];
  const sender = await fabric.until(sending.agent("sender"));
  const worker = await fabric.until(working.agent("worker", { type: "pool" }));
  const seen: { input: unknown; id: string; cause: string | undefined }[] = [];
  const state = { healthy: false };
  worker.handle(
    "TRY",
    (input, { message }) => {
      seen.push({ input, id: message.id, cause: message.causationId });
      if (!state.healthy && input !== "good") throw new Error(`no luck with ${String(input)}`);
      return input;
    },
    { retry: { attemptsMax: 1 } },
  );
  await fabric.until(worker.ready());
  /** Sends what will die, and waits until it has. */
  const bury = async (to: "agent:worker" | "type:pool", payload: unknown) => {
    const receipt = await fabric.until(
      sender.send(to, "TRY", payload, { key: "k", priority: "high" }),
    );
    const outcome = await fabric.until(receipt.settled());
    expect(outcome.state).toBe("dead");
    return receipt;
  };
  return { sender, sending, working, seen, state, bury };
}

async function drain<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

test("letters are listed by mailbox, from an id on, so many at most, and shown one by one", async () => {
  const { sending, bury } = await open();
  for (const n of [1, 2, 3]) {
    await bury("agent:worker", `a${n}`);
    await bury("type:pool", `p${n}`);
  }
  const payloads = async (range = {}) =>
    (await fabric.until(drain(sending.dead.list(range)))).map(({ payload }) => payload);
  expect(await payloads()).toEqual(["a1", "p1", "a2", "p2", "a3", "p3"]);
  expect(await payloads({ address: "type:pool" })).toEqual(["p1", "p2", "p3"]);
  expect(await payloads({ address: "type:pool", limit: 2 })).toEqual(["p1", "p2"]);
  const all = await fabric.until(drain(sending.dead.list()));
  expect(await payloads({ address: "type:pool", after: all[1]?.id })).toEqual(["p2", "p3"]);
  const id = all[3]?.id ?? 0;
  expect(await fabric.until(sending.dead.show(id))).toMatchObject({ id, payload: "p2" });
  expect(await fabric.until(sending.dead.purge(id))).toBe(1);
  expect(await fabric.until(sending.dead.show(id))).toBeUndefined();
});

test("whoever watches sees those that are there, then each that comes, until it leaves", async () => {
  const { sending, working, bury } = await open();
  await bury("agent:worker", "first");
  const seen: DeadLetter[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const letter of working.dead.watch({ signal: stop.signal })) seen.push(letter);
  })();
  const pool: unknown[] = [];
  const other = (async () => {
    for await (const { payload } of sending.dead.watch({ address: "type:pool" })) {
      pool.push(payload);
      if (pool.length === 2) break;
    }
  })();
  const payloads = () => seen.map(({ payload }) => payload);
  await fabric.eventually(() => expect(payloads()).toEqual(["first"]));
  await bury("type:pool", "second");
  await bury("agent:worker", "third");
  await bury("type:pool", "fourth");
  await fabric.eventually(() => expect(payloads()).toEqual(["first", "second", "third", "fourth"]));
  await fabric.until(other);
  expect(pool).toEqual(["second", "fourth"]);
  stop.abort();
  await fabric.until(watching);
  await bury("agent:worker", "unseen");
  expect(seen).toHaveLength(4);
});

test("a letter is sent again with another payload, as a new message of the same sender", async () => {
  const { sending, bury, seen } = await open();
  const receipt = await bury("agent:worker", "bad");
  const [letter] = await fabric.until(drain(sending.dead.list()));
  const id = letter?.id ?? 0;
  expect(await fabric.until(sending.dead.replay(id, { payload: "good" }))).toBe(1);
  await fabric.eventually(() => expect(seen).toHaveLength(2));
  expect(seen[1]).toMatchObject({ input: "good", cause: receipt.messageId });
  expect(seen[1]?.id).not.toBe(receipt.messageId);
  expect(await fabric.until(drain(sending.dead.list()))).toEqual([]);
  expect(await fabric.until(sending.dead.replay(id, { payload: "good" }))).toBe(0);
});

test("an edit that is no plain data is refused, and the letter stays", async () => {
  const { sending, bury } = await open();
  await bury("agent:worker", "bad");
  const [letter] = await fabric.until(drain(sending.dead.list()));
  const edited = sending.dead.replay(letter?.id ?? 0, { payload: new Map() });
  await expect(fabric.until(edited)).rejects.toMatchObject({ code: "SERIALIZATION_ERROR" });
  expect(await fabric.until(drain(sending.dead.list()))).toHaveLength(1);
});

onVirtualTime(
  "letters are put back by themselves after a while, a few times, by one of all processes",
  async () => {
    const { sending, bury, seen } = await open({ replayDead: { afterMs: 60_000, timesMax: 2 } });
    await bury("agent:worker", "bad");
    const diedMs = fabric.clock.monotonicMs();
    await fabric.clock.advance(59_000);
    expect(seen).toHaveLength(1);
    await fabric.clock.advance(2_000);
    expect(seen).toHaveLength(2);
    await fabric.clock.advance(3_600_000);
    expect(seen).toHaveLength(3);
    expect(fabric.clock.monotonicMs() - diedMs).toBeGreaterThan(3_600_000);
    const [letter, ...more] = await fabric.until(drain(sending.dead.list()));
    expect(letter?.payload).toBe("bad");
    expect(more).toEqual([]);
    expect(fabric.errors).toEqual([]);
  },
);

onVirtualTime("what is well again is done with the first time it is put back", async () => {
  const { sending, bury, seen, state } = await open({ replayDead: { afterMs: 1_000 } });
  await bury("agent:worker", "one");
  await bury("type:pool", "two");
  state.healthy = true;
  await fabric.clock.advance(10_000);
  expect(seen.map(({ input }) => input).sort()).toEqual(["one", "one", "two", "two"]);
  expect(await fabric.until(drain(sending.dead.list()))).toEqual([]);
});

test("a policy that makes no sense is refused by name", async () => {
  await expect(openFabric(1, [], { replayDead: { timesMax: 0 } })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "replayDead.timesMax" },
  });
  fabric = await openFabric(1);
});

test("half a letter is no limit", async () => {
  const { sending } = await open();
  const listed = drain(sending.dead.list({ limit: Number.NaN }));
  await expect(fabric.until(listed)).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "limit" },
  });
});
