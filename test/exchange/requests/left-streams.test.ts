import type { Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

test.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])(
  "$where a stream that is left twice is kept for 30 seconds after the second time",
  async (it) => {
    fabric = await openFabric(it.processes);
    const network = fabric.networks[0] as Network;
    const reader = await fabric.until(network.agent("reader"));
    const writer = await fabric.until(
      (fabric.networks[it.processes - 1] as Network).agent("writer"),
    );
    await fabric.clock.advance(10);
    let isCancelled = false;
    writer.handle("wait", async function* (_input, { signal }) {
      yield 1;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      isCancelled = true;
    });
    const options = { timeoutMs: 1_000, onTimeout: "leave" } as const;
    const reply = reader.stream("agent:writer", "wait", undefined, options);
    await expect(fabric.until(reply.result)).rejects.toMatchObject({ code: "TIMEOUT" });

    await fabric.clock.advance(20_000);
    const leave = new AbortController();
    const again = network.attach(reply.id, { after: 1, signal: leave.signal });
    await fabric.clock.advance(5_000);
    leave.abort();
    await expect(fabric.until(again.result)).rejects.toMatchObject({ code: "CANCELLED" });

    await fabric.clock.advance(25_000);
    expect(isCancelled).toBe(false);
    await fabric.clock.advance(10_000);
    expect(isCancelled).toBe(true);
  },
);

test.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("$where whoever leaves a stream while it waits for a chunk is let go at once", async (it) => {
  fabric = await openFabric(it.processes);
  const network = fabric.networks[0] as Network;
  const reader = await fabric.until(network.agent("reader"));
  const writer = await fabric.until((fabric.networks[it.processes - 1] as Network).agent("writer"));
  await fabric.clock.advance(10);
  writer.handle("wait", async function* (_input, { signal }) {
    yield 1;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  });
  const stream = () => reader.stream("agent:writer", "wait");
  const readings = {
    "the chunks": () => stream()[Symbol.asyncIterator](),
    "the records": () => stream().records()[Symbol.asyncIterator](),
    "attached, the chunks": () => network.attach(stream().id)[Symbol.asyncIterator](),
    "attached, the records": () => network.attach(stream().id).records()[Symbol.asyncIterator](),
  };
  const end = { done: true, value: undefined };
  for (const [what, open] of Object.entries(readings)) {
    const reading = open();
    expect(await fabric.until(reading.next()), what).toMatchObject({ done: false });
    const waiting = reading.next();
    const leaving = reading.return?.() ?? Promise.reject(new Error(`${what} cannot be left`));
    expect(await fabric.until(Promise.all([waiting, leaving])), what).toEqual([end, end]);
    expect(await fabric.until(reading.next()), what).toEqual(end);
  }
});
