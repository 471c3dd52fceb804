/** Waiting again, and cancelling, by the id of a request or stream. */
import { type Agent, isColloquyError, type Network } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { type Fabric, openFabric } from "../../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

const sleep = (ms: number) => new Promise<void>((resolve) => fabric.clock.setTimer(ms, resolve));

describe.each([
  { where: "in one process", asking: 0, handling: 0, attaching: 0 },
  { where: "across processes, from the asker's", asking: 0, handling: 1, attaching: 0 },
  { where: "across processes, from the handler's", asking: 0, handling: 1, attaching: 1 },
  { where: "across processes, from a third", asking: 0, handling: 1, attaching: 2 },
  { where: "from another process than that of both", asking: 0, handling: 0, attaching: 1 },
])("$where", ({ asking, handling, attaching }) => {
  async function open(): Promise<{ asker: Agent; handler: Agent; other: Network; net: Network }> {
    fabric = await openFabric(3);
    const net = fabric.networks[asking] as Network;
    const asker = await fabric.until(net.agent("asker"));
    const handler = await fabric.until((fabric.networks[handling] as Network).agent("handler"));
    await fabric.clock.advance(10);
    return { asker, handler, net, other: fabric.networks[attaching] as Network };
  }

  /** The id that the error of a wait that has ended gives. */
  async function idOf(ended: Promise<unknown>): Promise<string> {
    const error = await fabric.until(ended.catch((thrown: unknown) => thrown));
    if (!isColloquyError(error, "TIMEOUT")) throw error;
    expect(error).toMatchObject({ retryable: false, details: { outcome: "in-progress" } });
    return String(error.details["id"]);
  }

  test("so many wait for one request and no more, and all of them have its answer", async () => {
    const { asker, handler, other } = await open();
    const go = Promise.withResolvers<void>();
    handler.handle("slow", () => go.promise.then(() => "answer"));
    const call = asker.call("agent:handler", "slow", 1);
    await fabric.clock.advance(10);
    const waits = Array.from({ length: 1_000 }, () => other.attach(call.id).result);
    await fabric.clock.advance(10);
    await expect(fabric.until(other.attach(call.id).result)).rejects.toMatchObject({
      code: "QUEUE_FULL",
      details: { limit: 1_000 },
    });
    go.resolve();
    expect(new Set(await fabric.until(Promise.all([call.result, ...waits])))).toEqual(
      new Set(["answer"]),
    );
  });

  test("a request that was left is waited for again, before it has ended and after", async () => {
    const { asker, handler, other } = await open();
    let starts = 0;
    handler.handle("slow", async (input) => {
      starts++;
      await sleep(8_000);
      return { input };
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave" } as const;
    const id = await idOf(asker.request("agent:handler", "slow", 1, options));
    const again = other.attach(id);
    expect(again.id).toBe(id);
    expect(await fabric.until(again.result)).toEqual({ input: 1 });
    expect(await fabric.until(other.attach(id).result)).toEqual({ input: 1 });
    expect(starts).toBe(1);
    await fabric.clock.advance(40_000);
    // Something else has to end for what is old to be forgotten.
    handler.handle("quick", () => 1);
    const quick = asker.call("agent:handler", "quick");
    expect(quick.id).not.toBe(id);
    expect(await fabric.until(quick.result)).toBe(1);
    await expect(fabric.until(other.attach(id).result)).rejects.toMatchObject({
      code: "NOT_FOUND",
      details: { id, outcome: "unknown" },
    });
    expect(fabric.networks.map(({ counters }) => counters.late)).toEqual([0, 0, 0]);
  });

  test("progress and failure reach whoever has attached", async () => {
    const { asker, handler, other } = await open();
    handler.handle("fails", async (_input, { progress }) => {
      await sleep(9_000);
      progress({ percent: 50 });
      await sleep(1_000);
      throw new Error("in the end");
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave" } as const;
    const id = await idOf(asker.request("agent:handler", "fails", 1, options));
    const seen: unknown[] = [];
    const again = other.attach(id, { onProgress: (data) => seen.push(data) });
    await expect(fabric.until(again.result)).rejects.toMatchObject({
      code: "HANDLER_FAILED",
      message: "in the end",
    });
    expect(seen).toEqual([{ percent: 50 }]);
  });

  test("a request that timed out was cancelled, unless it was left", async () => {
    const { asker, handler, other } = await open();
    let reason: unknown;
    handler.handle("hang", (_input, { signal }) => {
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return new Promise(() => {});
    });
    const id = await idOf(asker.request("agent:handler", "hang", 1, { timeoutMs: 6_000 }));
    expect(isColloquyError(reason)).toBe(true);
    const again = fabric.until(other.attach(id).result);
    await expect(again).rejects.toMatchObject({
      code: asking === handling ? "TIMEOUT" : "CANCELLED",
    });
  });

  test("a cancel tells what came of it, and tells the same again", async () => {
    const { asker, handler, net, other } = await open();
    const ended: string[] = [];
    handler.handle("hang", async (_input, { signal, store }) => {
      store.put("staged", 1);
      try {
        await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
      } catch {
        ended.push("cleanup");
      }
    });
    handler.handle("quick", () => "quick");
    const call = asker.call("agent:handler", "hang");
    await fabric.clock.advance(100);
    expect(await fabric.until(other.cancel(call.id))).toBe("accepted");
    expect(await fabric.until(call.cancel())).toBe("accepted");
    expect(await fabric.until(other.cancel(call.id))).toBe("accepted");
    await expect(fabric.until(call.result)).rejects.toMatchObject({ code: "CANCELLED" });
    await fabric.clock.advance(100);
    expect(ended).toEqual(["cleanup"]);
    expect(await fabric.until(net.store.get("staged"))).toBeUndefined();

    const quick = asker.call("agent:handler", "quick");
    const { id } = quick;
    expect(await fabric.until(quick.result)).toBe("quick");
    expect(await fabric.until(quick.cancel())).toBe("too-late");
    expect(await fabric.until(other.cancel(id))).toBe("too-late");
  });

  test("a cancel by somebody else ends the wait of the asker, and of whoever attached", async () => {
    const { asker, handler, other, net } = await open();
    handler.handle("hang", () => new Promise(() => {}));
    const call = asker.call("agent:handler", "hang");
    const again = net.attach(call.id);
    await fabric.clock.advance(100);
    const beforeMs = fabric.clock.monotonicMs();
    expect(await fabric.until(other.cancel(call.id))).toBe("accepted");
    for (const { result } of [call, again]) {
      await expect(fabric.until(result)).rejects.toMatchObject({ code: "CANCELLED" });
    }
    expect(fabric.clock.monotonicMs() - beforeMs).toBeLessThan(100);
  });

  test("a stream goes on where its reader left it, whoever reads on", async () => {
    const { asker, handler, other } = await open();
    handler.handle("count", async function* () {
      yield 1;
      yield 2;
      await sleep(8_000);
      for (let n = 3; n <= 300; n++) yield n;
      return "counted";
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave", window: 16 } as const;
    const first = asker.stream("agent:handler", "count", undefined, options);
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of first) chunks.push(chunk);
    })();
    const id = await idOf(reading);
    expect(first.received).toBe(2);
    const second = other.attach(id, { after: first.received, window: 16 });
    await fabric.until(
      (async () => {
        for await (const chunk of second) chunks.push(chunk);
      })(),
    );
    expect(await fabric.until(second.result)).toBe("counted");
    expect(chunks).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });

  test("chunks that are lost for good are a gap, which a loop refuses and records show", async () => {
    const { asker, handler, other } = await open();
    let release: () => void = () => {};
    handler.handle("count", async function* () {
      for (let n = 1; n <= 60; n++) yield n;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield 61;
      return "counted";
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave", window: 4 } as const;
    const first = asker.stream("agent:handler", "count", undefined, options);
    const reading = (async () => {
      for await (const _ of first) {
      }
    })();
    const id = await idOf(reading);
    const careless = other.attach(id);
    const loop = (async () => {
      for await (const _ of careless) throw new Error("no chunk before the gap");
    })();
    release();
    await expect(fabric.until(loop)).rejects.toMatchObject({
      code: "STREAM_CUT",
      details: { received: 0, from: 1 },
    });
    const records: unknown[] = [];
    await fabric.until(
      (async () => {
        for await (const record of other.attach(id).records()) records.push(record);
      })(),
    );
    const [gap] = records as [{ kind: string; from: number; to: number }];
    expect(gap).toMatchObject({ kind: "gap", from: 1 });
    expect(gap.to).toBeGreaterThan(30);
    expect(records.slice(1)).toEqual([
      ...Array.from({ length: 61 - gap.to }, (_, index) => {
        const sequence = gap.to + 1 + index;
        return { kind: "chunk", sequence, chunk: sequence };
      }),
      { kind: "end", result: "counted" },
    ]);
  });

  test("a stream that was left and is read by nobody is cancelled after a while", async () => {
    const { asker, handler } = await open();
    let cleaned = false;
    handler.handle("endless", async function* () {
      try {
        for (let n = 1; ; n++) {
          yield n;
          if (n === 2) await sleep(8_000);
        }
      } finally {
        cleaned = true;
      }
    });
    const options = { timeoutMs: 6_000, onTimeout: "leave", window: 4 } as const;
    const first = asker.stream("agent:handler", "endless", undefined, options);
    await idOf(
      (async () => {
        for await (const _ of first) {
        }
      })(),
    );
    await fabric.clock.advance(20_000);
    expect(cleaned).toBe(false);
    await fabric.clock.advance(15_000);
    expect(cleaned).toBe(true);
  });

  test("a wait that has attached ends by its signal or a timeout, and leaves the work as it is", async () => {
    const { asker, handler, other } = await open();
    handler.handle("slow", async () => {
      await sleep(30_000);
      return "slow";
    });
    const call = asker.call("agent:handler", "slow", 1, { timeoutMs: 60_000 });
    const controller = new AbortController();
    const given = other.attach(call.id, { signal: controller.signal });
    await fabric.clock.advance(100);
    controller.abort();
    await expect(fabric.until(given.result)).rejects.toMatchObject({ code: "CANCELLED" });
    const short = other.attach(call.id, { timeoutMs: 2_000 });
    await expect(fabric.until(short.result)).rejects.toMatchObject({
      code: "TIMEOUT",
      details: { id: call.id, outcome: "in-progress", left: true },
    });
    expect(await fabric.until(call.result)).toBe("slow");
  });
});

test("what is no id of a request is refused by name", async () => {
  fabric = await openFabric(1);
  const [net] = fabric.networks as [Network];
  expect(() => net.attach("nonsense")).toThrow("not the id of a request or stream");
  await expect(net.cancel("1,2,agent:x")).rejects.toMatchObject({ code: "INVALID_OPTION" });
});

test("nobody is reached by the id of a process that is gone", async () => {
  fabric = await openFabric(2);
  const [asking, handling] = fabric.networks as [Network, Network];
  const asker = await fabric.until(asking.agent("asker"));
  const handler = await fabric.until(handling.agent("handler"));
  handler.handle("quick", () => "quick");
  await fabric.clock.advance(10);
  const call = asker.call("agent:handler", "quick");
  const { id } = call;
  await fabric.until(call.result);
  await fabric.until(handling.close());
  expect(await fabric.until(asking.cancel(id))).toBe("unreachable");
  await expect(fabric.until(asking.attach(id).result)).rejects.toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { outcome: "unknown", id },
  });
});
