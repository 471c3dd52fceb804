/** What the store and the log do over a real server beyond the cases of conformance. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import type { StoreChange, StoreWrite } from "../../../src/broker/broker.ts";
import {
  type NatsBrokerOptions,
  type OpenNatsBroker,
  openNatsBroker,
} from "../../../src/broker/nats/index.ts";
import { type Clock, systemClock } from "../../../src/runtime/clock.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());
let prefixes = 0;
const newPrefix = () => `store-${++prefixes}`;

async function open(options: NatsBrokerOptions = {}): Promise<OpenNatsBroker> {
  const servers = options.servers ?? server?.url ?? "";
  const broker = await openNatsBroker({ prefix: newPrefix(), ...options, servers });
  onTestFinished(() => broker.close());
  return broker;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) =>
  data === undefined ? undefined : new TextDecoder().decode(data);

async function put({ store }: OpenNatsBroker, ...writes: StoreWrite[]): Promise<readonly number[]> {
  const outcome = await store?.put(writes);
  if (outcome?.kind !== "stored") throw new Error(JSON.stringify(outcome));
  return outcome.revisions;
}

async function value({ store }: OpenNatsBroker, key: string): Promise<string | undefined> {
  const [entry] = (await store?.get([key])) ?? [];
  return text(entry?.value);
}

async function watch({ store }: OpenNatsBroker, prefix: string) {
  const state = new Map<string, string>();
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const apply = (changes: readonly StoreChange[]) => {
    for (const change of changes) {
      if (change.kind === "reset") state.clear();
      else if (change.kind === "delete") state.delete(change.key);
      else state.set(change.key, text(change.value) ?? "");
    }
  };
  await store?.watch(prefix, apply, controller.signal);
  return state;
}

test("an entry may change between kept and volatile, for readers, lists and watchers alike", async () => {
  const broker = await open();
  const state = await watch(broker, "k");
  for (const [round, volatile] of [true, false, true, false].entries()) {
    const [revision] = await put(broker, { key: "k", value: bytes(`${round}`), volatile });
    expect(await value(broker, "k")).toBe(`${round}`);
    await expect.poll(() => state.get("k")).toBe(`${round}`);
    const stale = await broker.store?.put([{ key: "k", value: bytes("x"), ifRevision: 0 }]);
    expect(stale).toEqual({ kind: "conflict", key: "k", revision });
  }
  await put(broker, { key: "k" });
  expect(await value(broker, "k")).toBeUndefined();
  await expect.poll(() => state.size).toBe(0);
});

test("one put may have volatile entries beside others", async () => {
  const broker = await open();
  const revisions = await put(
    broker,
    { key: "a", value: bytes("1") },
    { key: "b", value: bytes("2"), volatile: true },
    { key: "c", value: bytes("3") },
  );
  const entries = await broker.store?.get(["a", "b", "c"]);
  expect(entries?.map((entry) => text(entry?.value))).toEqual(["1", "2", "3"]);
  expect(entries?.map((entry) => entry?.revision)).toEqual(revisions);
});

test("bound entries end with the broker object that wrote them, unless others wrote them since", async () => {
  const broker = await open();
  // However long the server takes, it waits for it when it leaves.
  const setTimer: Clock["setTimer"] = (delayMs, run) => systemClock.setTimer(10 * delayMs, run);
  const clock = { ...systemClock, setTimer };
  const leaving = await open({ prefix: `store-${prefixes}`, clock });
  const bound = { volatile: true, bound: true, ttlMs: 3_600_000 };
  await put(
    leaving,
    { key: "mine", value: bytes("x"), ...bound },
    { key: "taken", value: bytes("x"), ...bound },
    { key: "freed", value: bytes("x"), ...bound },
  );
  await put(leaving, { key: "freed", value: bytes("y"), volatile: true });
  await put(broker, { key: "taken", value: bytes("y"), volatile: true });
  const state = await watch(broker, "");
  await leaving.close();
  expect(await value(broker, "mine")).toBeUndefined();
  expect(await value(broker, "taken")).toBe("y");
  expect(await value(broker, "freed")).toBe("y");
  await expect.poll(() => [...state.keys()].toSorted()).toEqual(["freed", "taken"]);
});

test("a watcher is told of an entry that was over before it came", async () => {
  const broker = await open();
  const seen: string[] = [];
  const { signal } = new AbortController();
  const note = ({ kind, ...change }: StoreChange) => `${kind} ${"key" in change ? change.key : ""}`;
  await broker.store?.watch("", (changes) => void seen.push(...changes.map(note)), signal);
  await put(broker, { key: "brief", value: bytes("x"), ttlMs: 0.001 });
  await expect.poll(() => seen).toEqual(["put brief", "delete brief"]);
  // Who begins to watch knows the time of the server as well as an answer is quick.
  await pause(500);
  const late: string[] = [];
  await broker.store?.watch("", (changes) => void late.push(...changes.map(note)), signal);
  await put(broker, { key: "end", value: bytes("x") });
  await expect.poll(() => late).toEqual(["put end"]);
});

test("the longest keys are found, listed and watched by their names", async () => {
  const broker = await open();
  const keys = [
    "x".repeat(1_024),
    "😀".repeat(512),
    `${"é/".repeat(500)}end`,
    "/".repeat(1_024),
    "a b\tc\n.*>%",
  ];
  const state = await watch(broker, "");
  for (const key of keys) await put(broker, { key, value: bytes("1"), ttlMs: 3_600_000 });
  for (const key of keys) expect(await value(broker, key)).toBe("1");
  await expect.poll(() => [...state.keys()].toSorted()).toEqual(keys.toSorted());
  const listed: string[] = [];
  for await (const entries of broker.store?.list("é/é/", new AbortController().signal) ?? []) {
    listed.push(...entries.map(({ key }) => key));
  }
  expect(listed).toEqual([keys[2]]);
});

test("more writes or entries than fit into one batch are refused, and nothing of them is made", async () => {
  const broker = await open();
  const writes = Array.from({ length: 1_001 }, (_, index) => ({
    key: `k${index}`,
    value: bytes("x"),
  }));
  expect(await broker.store?.put(writes)).toMatchObject({
    kind: "rejected",
    error: { code: "MESSAGE_TOO_LARGE" },
  });
  expect(await value(broker, "k0")).toBeUndefined();
  const entries = writes.map(() => bytes("x"));
  expect(await broker.log?.append("s", entries)).toMatchObject({
    kind: "rejected",
    error: { code: "MESSAGE_TOO_LARGE" },
  });
  expect(await broker.log?.append("s", [bytes("x")])).toEqual({ kind: "appended", position: 1 });
});

test("what is written over a connection that breaks again and again is written once", async () => {
  const proxy = await FaultProxy.open({
    target: { port: server?.port ?? 0 },
    random: systemRandom,
  });
  onTestFinished(() => proxy.close());
  const prefix = newPrefix();
  const broker = await open({
    servers: `nats://127.0.0.1:${proxy.port}`,
    prefix,
    backoffMaxMs: 50,
  });
  const witness = await open({ prefix });
  let isOver = false;
  const cutting = (async () => {
    for (; !isOver; ) {
      await pause(40 * Math.random());
      proxy.cut("reset");
      await expect.poll(() => broker.store?.get(["probe"])).toBeDefined();
    }
  })();
  const rounds = 40;
  for (let round = 1; round <= rounds; round++) {
    const appended = await broker.log?.append("s", [bytes(`${round}`)]);
    expect(appended).toEqual({ kind: "appended", position: round });
    const [entry] = (await broker.store?.get(["counter"])) ?? [];
    const outcome = await broker.store?.put([
      { key: "counter", value: bytes(`${round}`), ifRevision: entry?.revision ?? 0 },
    ]);
    expect(outcome?.kind).toBe("stored");
  }
  isOver = true;
  await cutting;
  expect(await value(witness, "counter")).toBe(`${rounds}`);
  const seen: (string | undefined)[] = [];
  for await (const entries of witness.log?.read("s", 1, {}, new AbortController().signal) ?? []) {
    seen.push(...entries.map(({ data }) => text(data)));
  }
  expect(seen).toEqual(Array.from({ length: rounds }, (_, index) => `${index + 1}`));
});

test("brokers that open at once make the streams once", async () => {
  const prefix = newPrefix();
  const brokers = await Promise.all(Array.from({ length: 8 }, () => open({ prefix })));
  const [first, ...others] = brokers;
  if (first === undefined) throw new Error("none");
  await put(
    first,
    { key: "k", value: bytes("1") },
    { key: "v", value: bytes("2"), volatile: true },
  );
  for (const other of others) expect(await value(other, "v")).toBe("2");
});

test("an account that may not use JetStream is refused, not kept waiting", async () => {
  const guarded = await NatsServer.start({
    more: `authorization { users: [
      { user: all, password: x },
      { user: some, password: x, permissions: {
        publish: { deny: ["$JS.API.STREAM.CREATE.>"] } } }
    ] }`,
  });
  onTestFinished(() => guarded.remove());
  const url = (user: string) => guarded.url.replace("//", `//${user}:x@`);
  await expect(open({ servers: url("some") })).rejects.toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("$JS.API.STREAM.CREATE"),
  });
  const prefix = newPrefix();
  await open({ servers: url("all"), prefix });
  await open({ servers: url("some"), prefix });
});

test("what docs/nats.md says that a user must be allowed is enough", async () => {
  const guarded = await NatsServer.start({
    more: `authorization { users: [ { user: a, password: x, permissions: {
      publish: ["colloquy.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_INBOX.>"]
      subscribe: ["colloquy.>", "_INBOX.>"] } } ] }`,
  });
  onTestFinished(() => guarded.remove());
  const servers = guarded.url.replace("//", "//a:x@");
  const [broker, other] = [
    await open({ servers, prefix: "colloquy" }),
    await open({ servers, prefix: "colloquy" }),
  ];
  const { signal } = new AbortController();
  const heard: string[] = [];
  await broker.topics.subscribe("t", (topic) => void heard.push(topic), signal);
  other.topics.publish([{ topic: "t", frame: bytes("x") }]);
  const state = await watch(broker, "");
  await put(
    other,
    { key: "k", value: bytes("1") },
    { key: "v", value: bytes("1"), volatile: true },
  );
  await other.log?.append("s", [bytes("x"), bytes("y")]);
  const entries: number[] = [];
  for await (const found of broker.log?.read("s", 1, { follow: true }, signal) ?? []) {
    entries.push(...found.map(({ position }) => position));
    if (entries.length === 2) break;
  }
  await expect.poll(() => [state.size, heard.length]).toEqual([2, 1]);
});
