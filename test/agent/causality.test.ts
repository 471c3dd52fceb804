import type { Agent, AgentOptions, Ancestor, ColloquyError, Context } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

/** Agents that call one another in one process, and in two: the same must hold. */
describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("a handler that calls on $where", ({ processes }) => {
  async function open() {
    fabric = await openFabric(processes);
    const [here, there] = [fabric.networks[0], fabric.networks[processes - 1]];
    if (here === undefined || there === undefined) throw new Error("no network");
    const agents = {
      a: await fabric.until(here.agent("a", { type: "first" })),
      b: await fabric.until(there.agent("b", { type: "second" })),
    };
    const more = (id: string, options?: AgentOptions) => fabric.until(there.agent(id, options));
    await fabric.acquainted();
    const ready = async () => {
      await fabric.until(Promise.all([agents.a.ready(), agents.b.ready()]));
    };
    return { ...agents, here, there, more, ready };
  }

  /** Each asks the other until it is refused, and tells how deep it came. */
  function askEachOther(first: Agent, second: Agent, reentrant: boolean): void {
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      one.handle("deeper", async (depth, context) => {
        const next = (depth as number) + 1;
        return context.request(`agent:${other.id}`, "deeper", next, { reentrant });
      });
    }
  }

  test("is refused with HOP_LIMIT and the path when its message has come far enough", async () => {
    const { a, b, here, there } = await open();
    askEachOther(a, b, true);
    const refused = (hops?: number) =>
      fabric
        .until(a.request("agent:b", "deeper", 1, hops === undefined ? {} : { hops }))
        .catch((error: unknown) => error) as Promise<ColloquyError>;
    const pathOf = async (hops?: number) => (await refused(hops)).details["path"] as Ancestor[];
    const error = await refused();
    expect(error).toMatchObject({ code: "HOP_LIMIT", retryable: false });
    expect((error.details["path"] as Ancestor[])[32]).toEqual({ agent: "b", name: "deeper" });
    expect(await pathOf(2)).toHaveLength(3);
    expect(await pathOf(60)).toHaveLength(33);
    const started = here.counters.started + (processes === 1 ? 0 : there.counters.started);
    expect(started).toBe(33 + 3 + 33);
  });

  test("is refused with LOOP_DETECTED when its call would go round a fourth time", async () => {
    const { a, b } = await open();
    askEachOther(a, b, false);
    await expect(fabric.until(a.request("agent:b", "deeper", 1))).rejects.toMatchObject({
      code: "LOOP_DETECTED",
      message: expect.stringContaining("b → a → b → a → b → a → b"),
      details: { to: "agent:b", name: "deeper", loopsMax: 3 },
    });
  });

  test("reaches one of a pool that closes no loop, and is refused when all of them do", async () => {
    const { a, b, more } = await open();
    const served: string[] = [];
    const serve = (agent: Agent) =>
      agent.handle("pass", async (_input, context) => {
        served.push(agent.id);
        return context.request("type:second", "pass", undefined, { strategy: "round-robin" });
      });
    serve(b);
    serve(await more("c", { type: "second" }));
    await fabric.acquainted();
    await expect(fabric.until(a.request("type:second", "pass"))).rejects.toMatchObject({
      code: "LOOP_DETECTED",
      details: { to: "type:second" },
    });
    expect(served.sort()).toEqual(["b", "b", "b", "c", "c", "c"]);
  });

  test("spends the budget of its message, and of all that it causes", async () => {
    const { a, b } = await open();
    let answered = 0;
    b.handle("leaf", (_input, { budget }) => {
      answered++;
      return budget;
    });
    a.handle("tree", async (_input, context) => {
      const budgets = [context.budget];
      for (;;) {
        try {
          budgets.push((await context.request("agent:b", "leaf")) as number, context.budget);
        } catch (error) {
          return { budgets, code: (error as ColloquyError).code, left: context.budget };
        }
      }
    });
    const options = { budget: 3 };
    expect(await fabric.until(b.request("agent:a", "tree", undefined, options))).toEqual({
      // Before; then for each call its share, and what is left after its answer.
      budgets: [3, 1, 2, 1, 1, 0, 0],
      code: "BUDGET_EXHAUSTED",
      left: 0,
    });
    expect(answered).toBe(3);
  });

  test("never makes more calls than the root allowed, whatever it passes on", async () => {
    const { a, b } = await open();
    let calls = 0;
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one.handle("spread", async (_input, context) => {
        const asked = [undefined, 1, 50, 7].map((budget) =>
          context.request(`agent:${other.id}`, "spread", undefined, {
            reentrant: true,
            ...(budget === undefined ? {} : { budget }),
          }),
        );
        const answers = await Promise.allSettled(asked);
        calls += answers.filter(({ status }) => status === "fulfilled").length;
      });
    }
    await fabric.until(a.request("agent:b", "spread", undefined, { budget: 40 }));
    expect(calls).toBeGreaterThan(10);
    expect(calls).toBeLessThanOrEqual(40);
  });

  test("keeps its budget when a call could not be made", async () => {
    const { a, b } = await open();
    b.handle("leaf", () => {});
    a.handle("try", async (_input, context) => {
      const bad = () => {};
      await context.request("agent:b", "leaf", bad).catch(() => {});
      expect(() => context.send("agent:b", "LEAF", bad)).toThrow();
      await context.request("agent:nobody", "leaf").catch(() => {});
      return context.budget;
    });
    const left = fabric.until(b.request("agent:a", "try", undefined, { budget: 8 }));
    // A send that cannot be encoded has cost its one call.
    expect(await left).toBeGreaterThanOrEqual(processes === 1 ? 7 : 6);
  });

  test("passes hops, budget and path on through commands that it stages", async () => {
    const { a, b, ready } = await open();
    const seen: unknown[] = [];
    const look = ({ message: { hops, path, budget }, budget: left }: Context) =>
      seen.push({ hops, path: (path as Ancestor[]).map(({ agent }) => agent), budget, left });
    a.handle("begin", (_input, context) => context.send("agent:b", "NEXT", 1, { hops: 5 }));
    b.handle("NEXT", (input, context) => {
      look(context);
      if ((input as number) < 3) context.send("agent:b", "NEXT", (input as number) + 1);
    });
    await ready();
    await fabric.until(a.request("agent:a", "begin", undefined, { budget: 9 }));
    await fabric.eventually(() => expect(seen).toHaveLength(3));
    expect(seen).toEqual([
      { hops: 5, path: ["a"], budget: 4, left: 4 },
      { hops: 4, path: ["a", "b"], budget: 2, left: 2 },
      { hops: 3, path: ["a", "b", "b"], budget: 1, left: 1 },
    ]);
  });

  test("is refused before anything is sent once its deadline has passed", async () => {
    const { a, b, here, ready } = await open();
    let started = 0;
    b.handle("late", () => started++);
    const refusals: unknown[] = [];
    const past = new Deferred();
    a.handle("slow", async (_input, context) => {
      await past.promise;
      const before = { ...here.counters };
      refusals.push(
        await context.request("agent:b", "late").catch((error) => error),
        await context.request("agent:b", "late", 1, { durable: true }).catch((error) => error),
      );
      for (const refused of [
        () => context.stream("agent:b", "late"),
        () => context.send("agent:b", "late"),
      ]) {
        try {
          refused();
        } catch (error) {
          refusals.push(error);
        }
      }
      expect(here.counters).toEqual(before);
    });
    await ready();
    const slow = a.request("agent:a", "slow", undefined, { deadlineMs: 500 });
    await expect(fabric.until(slow)).rejects.toMatchObject({ code: "TIMEOUT" });
    past.resolve();
    await fabric.eventually(() => expect(refusals).toHaveLength(4));
    const late = { code: "TIMEOUT", details: { outcome: "not-started", deadline: true } };
    expect(refusals).toMatchObject([late, late, late, { code: "EXPIRED" }]);
    expect(started).toBe(0);
  });

  test("has a deadline that shrinks through requests, streams, sends and staged sends", async () => {
    const { a, b, ready } = await open();
    const deadlines: (number | undefined)[] = [];
    const look = ({ message }: Context) => deadlines.push(message.deadlineMs);
    b.handle("end", (_input, context) => look(context));
    b.handle("COMMAND", async (_input, context) => {
      look(context);
      await context.request("agent:b", "end", undefined, { deadlineMs: 5_000 });
    });
    a.handle("chunks", async function* (_input, context) {
      look(context);
      yield 1;
      context.send("agent:b", "COMMAND");
    });
    a.handle("begin", async (_input, context) => {
      look(context);
      const chunks = context.stream("agent:a", "chunks", undefined, { deadlineMs: 90_000 });
      for await (const _ of chunks);
    });
    await ready();
    const began = fabric.clock.nowMs();
    await fabric.until(b.request("agent:a", "begin", undefined, { deadlineMs: 20_000 }));
    await fabric.eventually(() => expect(deadlines).toHaveLength(4));
    const [first = 0, ...others] = deadlines;
    expect(first - began).toBeGreaterThanOrEqual(20_000);
    expect(first - began).toBeLessThan(fabric.isVirtual ? 20_001 : 25_000);
    expect(others.slice(0, 2)).toEqual([first, first]);
    expect(others[2]).toBeLessThan(first - 10_000);
  });

  test("is not started when the deadline passed while it waited for a free handler", async () => {
    const { a, more } = await open();
    const narrow = await more("narrow", { capacity: 1 });
    const started: unknown[] = [];
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    narrow.handle("work", async (input) => {
      started.push(input);
      await released;
    });
    await fabric.until(narrow.ready());
    await fabric.acquainted();
    const first = a.request("agent:narrow", "work", "first");
    await fabric.clock.advance(10);
    // What is staged must be stored in time, whatever a server takes for it.
    const deadlineMs = fabric.isVirtual ? 900 : 4_000;
    // And one that takes longer than a quarter of a second leaves unknown what is asked then.
    const outcome = fabric.isVirtual ? "not-started" : expect.stringMatching(/not-started|unknown/);
    const late = a.request("agent:narrow", "work", "late", { deadlineMs });
    const refused = expect(late).rejects.toMatchObject({
      code: "TIMEOUT",
      details: { outcome, deadline: true },
    });
    a.handle("stage", (_input, context) => context.send("agent:narrow", "work", "staged"));
    await fabric.until(a.request("agent:a", "stage", undefined, { deadlineMs }));
    await fabric.until(refused);
    // What was staged has less time than its deadline says, but may have been sent later.
    await fabric.clock.advance(1_000);
    release();
    await fabric.until(first);
    await fabric.clock.advance(1_000);
    expect(started).toEqual(["first"]);
  });
});
