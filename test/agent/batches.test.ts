/** Handlers of several messages at a time, with real agents. */
import { ColloquyError, command, type Network, protocol, request, stream } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(capacity = 100) {
  fabric = await openFabric(2);
  const [sending, working] = fabric.networks as [Network, Network];
  const sender = await fabric.until(sending.agent("sender"));
  const worker = await fabric.until(working.agent("worker", { capacity }));
  await fabric.acquainted();
  return { sender, sending, worker };
}

async function drain<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

test("requests that come together are handled together, and each gets its answer", async () => {
  const { sender, worker } = await open();
  const batches: number[] = [];
  worker.handle<number>(
    "double",
    (inputs, contexts) => {
      batches.push(inputs.length);
      expect(contexts.map(({ message }) => message.name)).toEqual(inputs.map(() => "double"));
      return inputs.map((n) => (n === 13 ? new ColloquyError("FORBIDDEN", "unlucky") : n * 2));
    },
    { batch: { sizeMax: 10, waitMs: 5 } },
  );
  const asked = Array.from({ length: 25 }, (_, n) =>
    sender.request("agent:worker", "double", n).catch((error: ColloquyError) => error.code),
  );
  expect(await fabric.until(Promise.all(asked))).toEqual(
    Array.from({ length: 25 }, (_, n) => (n === 13 ? "FORBIDDEN" : n * 2)),
  );
  if (fabric.isVirtual) expect(batches).toEqual([10, 10, 5]);
  expect(batches.reduce((sum, size) => sum + size)).toBe(25);
  expect(Math.max(...batches)).toBeLessThanOrEqual(10);
});

test("G3: each command of a batch has its own outcome, attempts and staged effects", async () => {
  const { sender, sending, worker } = await open();
  const attempts = new Map<string, number[]>();
  worker.handle<string>(
    "BOOK",
    async (names, contexts) =>
      names.map((name, index) => {
        const context = contexts[index];
        if (context === undefined) throw new Error("no context");
        attempts.set(name, [...(attempts.get(name) ?? []), context.attempt]);
        context.store.put(name, context.attempt);
        context.log.append("booked", name);
        if (name === "final") return new ColloquyError("FORBIDDEN", "never");
        if (name === "later" && context.attempt < 3) return new Error("not yet");
        if (name === "never") return new Error("never");
        return `${name} booked`;
      }),
    { batch: true, retry: { baseMs: 10 } },
  );
  await fabric.until(worker.ready());
  const names = ["good", "final", "later", "never"];
  const receipts = await fabric.until(
    Promise.all(names.map((name) => sender.send("agent:worker", "BOOK", name))),
  );
  const outcomes = await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  expect(outcomes).toMatchObject([
    { state: "done", result: "good booked" },
    { state: "failed", error: { code: "FORBIDDEN" } },
    { state: "done", result: "later booked" },
    { state: "dead", error: { message: "never" } },
  ]);
  expect(Object.fromEntries(attempts)).toEqual({
    good: [1],
    final: [1],
    later: [1, 2, 3],
    never: [1, 2, 3],
  });
  const stored = await fabric.until(drain(sending.store.list()));
  expect(stored.map(({ key, value }) => [key, value])).toEqual([
    ["good", 1],
    ["later", 3],
  ]);
  const booked = await fabric.until(drain(sending.log.read("booked")));
  expect(booked.map(({ value }) => value)).toEqual(["good", "later"]);
});

test("a batch is no larger than the agent's capacity, and does not wait for more", async () => {
  const { sender, worker } = await open(4);
  const batches: number[] = [];
  worker.handle<number>(
    "count",
    (inputs) => {
      batches.push(inputs.length);
      return inputs;
    },
    { batch: { waitMs: 60_000 } },
  );
  await fabric.until(worker.ready());
  const begunMs = fabric.clock.monotonicMs();
  const asked = Array.from({ length: 8 }, (_, n) => sender.request("agent:worker", "count", n));
  await fabric.until(Promise.all(asked));
  expect(batches).toEqual([4, 4]);
  expect(fabric.clock.monotonicMs() - begunMs).toBeLessThan(10_000);
});

test("a request whose caller gave up while the batch filled is not handled", async () => {
  const { sender, worker } = await open();
  const seen: unknown[] = [];
  worker.handle<number>(
    "slow",
    (inputs) => {
      seen.push(...inputs);
      return inputs;
    },
    { batch: { sizeMax: 3, waitMs: 60_000 } },
  );
  worker.handle("probe", () => {});
  const stop = new AbortController();
  const left = sender.request("agent:worker", "slow", 1, { signal: stop.signal });
  const stays = sender.request("agent:worker", "slow", 2);
  const code = left.catch((error: ColloquyError) => error.code);
  await fabric.eventually(() => expect(worker.load).toBe(2));
  stop.abort();
  expect(await fabric.until(code)).toBe("CANCELLED");
  // What was sent before it has arrived as well.
  await fabric.until(sender.request("agent:worker", "probe"));
  const fills = sender.request("agent:worker", "slow", 3);
  expect(await fabric.until(Promise.all([stays, fills]))).toEqual([2, 3]);
  expect(seen).toEqual([2, 3]);
});

test("a command that is cancelled while its batch fills has no effect, the others have theirs", async () => {
  const { sender, sending, worker } = await open();
  worker.handle<number>(
    "SLOW",
    (inputs, contexts) => {
      for (const [index, input] of inputs.entries()) contexts[index]?.log.append("seen", input);
      return inputs;
    },
    { batch: { sizeMax: 3, waitMs: 60_000 } },
  );
  await fabric.until(worker.ready());
  const send = (n: number) => fabric.until(sender.send("agent:worker", "SLOW", n));
  const receipts = [await send(1), await send(2)];
  await fabric.eventually(() => expect(worker.load).toBe(2));
  await fabric.until(receipts[0]?.cancel() ?? Promise.reject(new Error("no receipt")));
  receipts.push(await send(3));
  const outcomes = await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  expect(outcomes.map(({ state }) => state)).toEqual(["cancelled", "done", "done"]);
  const seen = await fabric.until(drain(sending.log.read("seen")));
  expect(seen.map(({ value }) => value)).toEqual([2, 3]);
  // The sender may know of the end before its worker does.
  await fabric.eventually(() => expect(worker.load).toBe(0));
});

const Mail = protocol("mail", {
  score: request({ input: z.string(), output: z.number() }),
  post: command({ input: z.object({ to: z.string() }) }),
  read: stream({ input: z.string(), chunk: z.string() }),
});

test("a contract's schemas are applied to each message of a batch", async () => {
  const { sender, worker } = await open();
  const sizes: number[] = [];
  worker.handle(
    Mail.score,
    (texts) => {
      sizes.push(texts.length);
      return texts.map((text) => (text === "odd" ? ("no number" as never) : text.length));
    },
    { batch: true },
  );
  const ask = (input: unknown) =>
    sender.request("agent:worker", "mail.score", input).catch((error: ColloquyError) => error.code);
  const answers = await fabric.until(Promise.all(["abc", 7, "odd", "de"].map(ask)));
  expect(answers).toEqual([3, "INVALID_MESSAGE", "INVALID_MESSAGE", 2]);
  if (fabric.isVirtual) expect(sizes).toEqual([3]);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(3);
  expect(() => worker.handle(Mail.read as never, () => [], { batch: true })).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION" }),
  );
});
