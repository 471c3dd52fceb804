import { expect, test } from "vitest";
import type { AppendOutcome, LogEntry } from "../../../src/broker/broker.ts";
import { bytes, collect, Rig, text } from "./rig.ts";

const signal = new AbortController().signal;

function logOf(rig: Rig) {
  const { log } = rig.broker;
  if (log === undefined) throw new Error("the engine has a log");
  return log;
}

async function append(rig: Rig, texts: readonly string[], at?: number): Promise<AppendOutcome> {
  return rig.run(logOf(rig).append("stream", texts.map(bytes), at));
}

async function read(rig: Rig, from = 1): Promise<readonly string[]> {
  const entries = await collect(logOf(rig).read("stream", from, {}, signal));
  return entries.map(({ position, data }) => `${position} ${text(data)}`);
}

test("entries are read in order from any position, through many rows and a crash", async () => {
  const rig = new Rig();
  const expected: string[] = [];
  for (let group = 0; group < 200; group++) {
    const texts = Array.from({ length: 1 + (group % 7) }, (_, index) => `${group}.${index}`);
    for (const each of texts) expected.push(`${expected.length + 1} ${each}`);
    await append(rig, texts);
  }
  rig.crash();
  for (const from of [0, 1, 2, 77, 500, expected.length, expected.length + 1]) {
    expect(await read(rig, from)).toEqual(expected.slice(Math.max(0, from - 1)));
  }
  expect(await append(rig, ["last"], expected.length + 1)).toMatchObject({ kind: "appended" });
});

test("an append that must be at a position is made there or not at all", async () => {
  const rig = new Rig();
  const log = logOf(rig);
  const write = (value: string, at: number) => log.append("stream", [bytes(value)], at);
  expect(await rig.run(Promise.all([write("a", 1), write("b", 1), write("c", 2)]))).toEqual([
    { kind: "appended", position: 1 },
    { kind: "conflict", next: 2 },
    { kind: "appended", position: 2 },
  ]);
  expect(await read(rig)).toEqual(["1 a", "2 c"]);
});

test("a follower gets what is there, then what is committed, and ends with its signal", async () => {
  const rig = new Rig();
  await append(rig, ["a", "b"]);
  const controller = new AbortController();
  const seen: string[] = [];
  const following = follow(logOf(rig).read("stream", 2, { follow: true }, controller.signal), seen);
  await rig.clock.settle();
  expect(seen).toEqual(["b"]);
  rig.storage.fault = "refuse";
  expect(await append(rig, ["lost"])).toMatchObject({ kind: "rejected" });
  await append(rig, ["c"], 3);
  await append(rig, ["d", "e"]);
  expect(seen).toEqual(["b", "c", "d", "e"]);
  controller.abort();
  await rig.run(following);
});

test("a follower of a stream that is not there yet waits for its first entry", async () => {
  const rig = new Rig();
  const seen: string[] = [];
  void follow(logOf(rig).read("stream", 1, { follow: true }, signal), seen);
  await rig.clock.settle();
  await append(rig, ["first"]);
  expect(seen).toEqual(["first"]);
});

test("a follower ends with CLOSED when its broker object is closed", async () => {
  const rig = new Rig();
  const following = follow(logOf(rig).read("stream", 1, { follow: true }, signal), []);
  following.catch(() => {});
  await rig.clock.settle();
  await rig.broker.close();
  await expect(rig.run(following)).rejects.toMatchObject({ code: "CLOSED" });
});

test("an append larger than a row is cut into several and read as one", async () => {
  const rig = new Rig();
  const entries = Array.from({ length: 40 }, (_, index) => new Uint8Array(20_000).fill(index));
  await rig.run(logOf(rig).append("stream", entries));
  const rows = rig.memory.scan("log", 1, 0, 1, { rows: 100 });
  expect(rows.length).toBeGreaterThan(5);
  for (const { value } of rows) expect(value.length).toBeLessThanOrEqual(2 ** 17);
  const found = await collect(logOf(rig).read("stream", 1, {}, signal));
  expect(found.map(({ data }) => data[0])).toEqual(entries.map((_, index) => index));
});

test("an append of more entries than a call takes arguments is one append", async () => {
  const rig = new Rig();
  const entries = new Array<Uint8Array>(200_000).fill(bytes("x"));
  const appending = logOf(rig).append("stream", entries);
  expect(await rig.run(appending)).toEqual({ kind: "appended", position: 1 });
  expect(await append(rig, ["last"])).toEqual({ kind: "appended", position: 200_001 });
});

test("what is wrong with an append is rejected", async () => {
  const rig = new Rig({ frameBytesMax: 10 });
  expect(await append(rig, [])).toMatchObject({
    kind: "rejected",
    error: { code: "INVALID_OPTION" },
  });
  expect(await append(rig, ["eleven chars"])).toMatchObject({
    kind: "rejected",
    error: { code: "MESSAGE_TOO_LARGE", details: { limit: 10 } },
  });
});

async function follow(batches: AsyncIterable<readonly LogEntry[]>, seen: string[]): Promise<void> {
  for await (const batch of batches) seen.push(...batch.map(({ data }) => text(data)));
}
