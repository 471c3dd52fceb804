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
