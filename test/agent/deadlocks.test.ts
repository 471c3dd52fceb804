import type { Agent, ColloquyError, Context } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

const wait = (ms: number) => new Promise<void>((resolve) => fabric.clock.setTimer(ms, resolve));
const caught = (answer: Promise<unknown>) => answer.catch((error: ColloquyError) => error);

/** From agent to agent; a number is how long the one before it works. */
type Way = readonly (string | number)[];

describe.each([1, 2, 3])("deadlocks of agents in %i processes", (processes) => {
  /** Agents of that capacity, spread over the processes, and one to ask them. */
  async function open(capacities: Readonly<Record<string, number>>) {
    fabric = await openFabric(processes);
    const place = (index: number) => {
      const network = fabric.networks[index % processes];
      if (network === undefined) throw new Error("no network");
      return network;
    };
    const agents = new Map<string, Agent>();
    for (const [index, [id, capacity]] of Object.entries(capacities).entries()) {
      agents.set(id, await fabric.until(place(index).agent(id, { capacity })));
    }
    const asker = await fabric.until(place(0).agent("asker"));
    await fabric.acquainted();
    for (const agent of agents.values()) agent.handle("pass", passOn);
    const ask = (way: Way) => asker.request(`agent:${way[0]}`, "pass", way.slice(1));
    return { agents, asker, ask };
  }

  async function passOn(input: unknown, context: Context): Promise<unknown> {
    const way = [...(input as Way)];
    for (let next = way.shift(); next !== undefined; next = way.shift()) {
      if (typeof next === "string") return context.request(`agent:${next}`, "pass", way);
      await wait(next);
    }
    return "done";
  }

  test("an agent that asks itself through two others learns at once that it waits for itself", async () => {
    const { ask } = await open({ a: 1, b: 1, c: 1 });
    const began = fabric.clock.nowMs();
    const error = await fabric.until(caught(ask(["a", "b", "c", "a", 0])));
    expect(error).toMatchObject({
      code: "DEADLOCK",
      retryable: false,
      message: expect.stringContaining("a → b → c → a"),
      details: {
        agent: "a",
        name: "pass",
        path: [
          { agent: "a", name: "pass", queued: false },
          { agent: "b", name: "pass", queued: false },
          { agent: "c", name: "pass", queued: false },
          { agent: "a", name: "pass", queued: true },
        ],
      },
    });
    if (fabric.isVirtual) expect(fabric.clock.nowMs() - began).toBeLessThan(1_000);
    expect(await fabric.until(ask(["a", "b", "c", 0]))).toBe("done");
  });

  test("of two that wait for each other one is refused, and the other gets its answer", async () => {
    const { ask } = await open({ a: 1, b: 1 });
    const both = [ask(["a", 10, "b"]), ask(["b", 10, "a"])].map(caught);
    const answers = await fabric.until(Promise.all(both));
    expect(answers.filter((it) => it === "done")).toHaveLength(1);
    expect(answers.filter((it) => it !== "done")).toMatchObject([{ code: "DEADLOCK" }]);
  });

  test("a handler that catches the refusal goes on without", async () => {
    const { ask, agents } = await open({ a: 1, b: 1 });
    agents.get("b")?.handle("around", async (_input, context) => {
      const error = await caught(context.request("agent:a", "pass", []));
      return (error as ColloquyError).code;
    });
    agents.get("a")?.handle("begin", (_input, context) => context.request("agent:b", "around"));
    const begun = agents.get("b")?.request("agent:a", "begin");
    expect(await fabric.until(begun as Promise<unknown>)).toBe("DEADLOCK");
    expect(await fabric.until(ask(["a", 0]))).toBe("done");
  });

  onVirtualTime(
    "who waits for somebody that works is not refused, however long that takes",
    async () => {
      const { ask } = await open({ a: 1, b: 2, c: 1 });
      const slow = ask(["b", 20_000]);
      const around = [ask(["a", "b", "c", 20_000]), ask(["c", 5_000]), ask(["b", 7_000])];
      const answers = await fabric.until(Promise.all([slow, ...around].map(caught)));
      expect(answers).toEqual(Array(4).fill("done"));
    },
  );

  test("a free handler of the agent is a way out, a busy one that will end is one too", async () => {
    const { ask } = await open({ a: 2, b: 1 });
    expect(await fabric.until(ask(["a", "b", "a", 0]))).toBe("done");
    const busy = ask(["a", 3_000]);
    expect(await fabric.until(caught(ask(["a", "b", "a", 0])))).toBe("done");
    expect(await fabric.until(busy)).toBe("done");
  });

  test("the last way out that closes makes it a deadlock", async () => {
    const { ask } = await open({ a: 2, b: 2 });
    const around = [ask(["a", 10, "b", 10, "a"]), ask(["a", 10, "b", 10, "a"])].map(caught);
    const answers = await fabric.until(Promise.all(around));
    expect(answers.filter((it) => it === "done")).toHaveLength(1);
    expect(answers.filter((it) => it !== "done")).toMatchObject([{ code: "DEADLOCK" }]);
  });

  test("a handler that waits for several goes on with the first answer", async () => {
    const { agents, asker } = await open({ a: 1, b: 2 });
    agents
      .get("a")
      ?.handle("either", (_input, context) =>
        Promise.any([
          context.request("agent:b", "pass", ["a", 0]),
          context.request("agent:b", "pass", [3_000]),
        ]),
      );
    agents.get("a")?.handle("both", async (_input, context) => {
      const own = caught(context.request("agent:a", "pass", []));
      const other = await context.request("agent:b", "pass", [3_000]);
      return [other, ((await own) as ColloquyError).code];
    });
    const either = caught(asker.request("agent:a", "either"));
    expect(await fabric.until(either)).toBe("done");
    // Refused only when nothing else is under way.
    expect(await fabric.until(asker.request("agent:a", "both"))).toEqual(["done", "DEADLOCK"]);
  });

  test("a stream waits until its first chunk, and is refused like a request", async () => {
    const { agents, asker } = await open({ a: 1, b: 1 });
    agents.get("b")?.handle("count", async function* (_input, context) {
      const chunks = context.stream("agent:a", "count", undefined, { timeoutMs: 60_000 });
      for await (const chunk of chunks) yield chunk;
    });
    agents.get("a")?.handle("begin", async (_input, context) => {
      const stream = context.stream("agent:b", "count");
      for await (const _ of stream);
      return stream.result;
    });
    agents.get("a")?.handle("count", async function* () {
      yield 1;
    });
    const begun = caught(asker.request("agent:a", "begin"));
    expect(await fabric.until(begun)).toMatchObject({ code: "DEADLOCK" });
  });

  test("a command's handler is in a cycle like any other", async () => {
    const { agents, asker } = await open({ a: 1, b: 1 });
    const a = agents.get("a") as Agent;
    let seen: unknown;
    a.handle("WORK", async (_input, context) => {
      seen = await caught(context.request("agent:b", "pass", ["a", 0]));
    });
    await fabric.until(a.ready());
    const receipt = await fabric.until(asker.send("agent:a", "WORK"));
    expect(await fabric.until(receipt.settled())).toMatchObject({ state: "done" });
    expect(seen).toMatchObject({ code: "DEADLOCK" });
  });
});
