/** An agent, or its network, that closes while its handlers still run. */
import type { Agent, Context, Network } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("an agent that closes, asked $where,", ({ processes }) => {
  async function open(capacity: number): Promise<{ asker: Agent; worker: Agent; go: Deferred }> {
    fabric = await openFabric(processes);
    const asker = await fabric.until((fabric.networks[0] as Network).agent("asker"));
    const there = fabric.networks[processes - 1] as Network;
    const worker = await fabric.until(there.agent("worker", { capacity }));
    const go = new Deferred();
    worker.handle("slow", () => go.promise);
    await fabric.until(worker.ready());
    await fabric.acquainted();
    return { asker, worker, go };
  }

  const notStarted = {
    code: "AGENT_UNREACHABLE",
    retryable: true,
    details: { outcome: "not-started" },
  };

  test("takes nothing new, whether or not it has room, and what waits may go elsewhere", async () => {
    for (const capacity of [1, 8]) {
      const { asker, worker, go } = await open(capacity);
      const running = asker.request("agent:worker", "slow");
      await fabric.eventually(() => expect(worker.load).toBe(1));
      const waiting = capacity > 1 ? undefined : asker.request("agent:worker", "slow");
      await fabric.eventually(() => expect(worker.load).toBe(waiting === undefined ? 1 : 2));
      let isClosed = false;
      const closing = worker.close().then(() => {
        isClosed = true;
      });
      const late = asker.request("agent:worker", "slow");
      for (const refused of [waiting, late]) {
        if (refused !== undefined) {
          await expect(fabric.until(refused)).rejects.toMatchObject(notStarted);
        }
      }
      expect(isClosed).toBe(false);
      go.resolve();
      await fabric.until(Promise.all([running, closing]));
      if (capacity === 1) await fabric.close();
    }
  });

  test("lets a handler end that waits for an answer, and that may speak through it until then", async () => {
    const { asker, worker } = await open(8);
    const answer = new Deferred<unknown>();
    const heard: unknown[] = [];
    await fabric.until(asker.subscribe("news", (data) => heard.push(data)));
    worker.handle("interview", async (_input, context: Context) => {
      const answered = await context.ask("which?");
      await worker.publish("news", answered);
      return answered;
    });
    const onInput = () => answer.promise;
    const running = asker.request("agent:worker", "interview", undefined, { onInput });
    await fabric.clock.advance(100);
    const closing = worker.close();
    await fabric.clock.advance(100);
    answer.resolve("this");
    expect(await fabric.until(running)).toBe("this");
    await fabric.until(closing);
    await fabric.eventually(() => expect(heard).toEqual(["this"]));
  });
});

test("whoever waits for a handler of its own process is told when the network closes, and the handler, too", async () => {
  fabric = await openFabric(1);
  const network = fabric.networks[0] as Network;
  const asker = await fabric.until(network.agent("asker"));
  const worker = await fabric.until(network.agent("worker"));
  const reasons: unknown[] = [];
  worker.handle("hang", (_input, { signal }) => {
    signal.addEventListener("abort", () => reasons.push((signal.reason as { code: unknown }).code));
    return new Promise(() => {});
  });
  worker.handle("chunks", async function* () {
    for (let chunk = 0; ; chunk++) yield chunk;
  });
  worker.handle("ask", (_input, { ask }) => ask("?"));
  const forLong = { timeoutMs: 3_600_000 } as const;
  const onInput = () => new Promise(() => {});
  // Of the last three no time is kept: whoever is silent is not the handler.
  const stream = asker.stream("agent:worker", "chunks", undefined, { window: 1, ...forLong });
  const [left] = await Promise.allSettled([
    fabric.until(
      asker.request("agent:worker", "hang", undefined, { timeoutMs: 100, onTimeout: "leave" }),
    ),
  ]);
  expect(left).toMatchObject({ reason: { code: "TIMEOUT" } });
  const waits = [
    asker.request("agent:worker", "hang", undefined, forLong),
    asker.call("agent:worker", "hang", undefined, forLong).result,
    stream.result,
    asker.request("agent:worker", "ask", undefined, { onInput }),
  ];
  await fabric.clock.advance(100);
  const closing = network.close();
  const ends = await fabric.until(Promise.allSettled(waits));
  expect(ends).toMatchObject(waits.map(() => ({ reason: { code: "CLOSED" } })));
  expect(reasons).toEqual(["CLOSED", "CLOSED", "CLOSED"]);
  await fabric.until(closing);
});
