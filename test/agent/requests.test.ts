import { ColloquyError, type Context } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

/** Asker and handler in one process, and in two: the same must hold. */
describe.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("a request $where", ({ processes }) => {
  async function open() {
    fabric = await openFabric(processes);
    const asking = fabric.networks[0];
    const handling = fabric.networks[processes - 1];
    if (asking === undefined || handling === undefined) throw new Error("no network");
    const asker = await fabric.until(asking.agent("asker"));
    const handler = await fabric.until(
      handling.agent("handler", { type: "risk", capabilities: ["assess"], capacity: 2 }),
    );
    await fabric.acquainted();
    return { asking, handling, asker, handler };
  }

  test("gets its answer, whatever plain data it is", async () => {
    const { asker, handler } = await open();
    handler.handle("echo", (input) => input);
    const inputs = [undefined, null, 0, "text", { deep: [{ bytes: new Uint8Array([1, 2]) }] }];
    for (const input of inputs) {
      expect(await fabric.until(asker.request("agent:handler", "echo", input))).toEqual(input);
    }
    expect(await fabric.until(asker.request("type:risk", "echo", 1))).toBe(1);
    expect(await fabric.until(asker.request("skill:assess", "echo", 2))).toBe(2);
  });

  test("shows the handler who asks, and passes headers and the deadline on", async () => {
    const { asker, asking, handler } = await open();
    handler.handle("look", (_input, { message, remainingMs }: Context) => ({
      from: message.from,
      headers: message.headers,
      conversation: message.conversationId,
      kind: message.kind,
      remaining: typeof remainingMs,
    }));
    const answer = await fabric.until(
      asker.request("agent:handler", "look", 1, {
        headers: { tenant: "a" },
        conversationId: "c1",
        deadlineMs: 60_000,
      }),
    );
    expect(answer).toEqual({
      from: { agent: "asker", type: "agent", instance: asking.instance },
      headers: { tenant: "a" },
      conversation: "c1",
      kind: "request",
      remaining: "function",
    });
  });

  test("gets the handler's error with its code and details, and no stack", async () => {
    const { asker, handler } = await open();
    handler.handle("typed", () => {
      throw new ColloquyError("FORBIDDEN", "not you", { details: { need: "admin" } });
    });
    handler.handle("plain", async () => {
      throw Object.assign(new TypeError("odd"), { data: { at: 3 } });
    });
    await expect(fabric.until(asker.request("agent:handler", "typed"))).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "not you",
      details: { need: "admin" },
    });
    await expect(fabric.until(asker.request("agent:handler", "plain"))).rejects.toMatchObject({
      code: "HANDLER_FAILED",
      message: "odd",
      details: { name: "TypeError", data: { at: 3 } },
    });
  });

  test("is refused clearly when there is no handler, no agent, or nobody that can", async () => {
    const { asker } = await open();
    const refusal = (to: `agent:${string}` | `skill:${string}`) =>
      fabric.until(asker.request(to, "nothing"));
    await expect(refusal("agent:handler")).rejects.toMatchObject({ code: "NO_HANDLER" });
    await expect(refusal("agent:nobody")).rejects.toMatchObject({
      code: "AGENT_UNREACHABLE",
      retryable: true,
      details: { outcome: "not-started" },
    });
    await expect(refusal("skill:nothing")).rejects.toMatchObject({ code: "NO_ELIGIBLE_AGENT" });
    await expect(fabric.until(asker.request("all:risk", "x"))).rejects.toMatchObject({
      code: "INVALID_ADDRESS",
    });
    await expect(fabric.until(asker.request("nobody" as "agent:x", "x"))).rejects.toMatchObject({
      code: "INVALID_ADDRESS",
    });
  });

  test("with a payload that cannot travel is refused with the path, on both ways", async () => {
    const { asker, handler } = await open();
    handler.handle("bad", () => ({ when: new Date() }));
    const sent = asker.request("agent:handler", "bad", { rows: [1, () => 2] });
    await expect(fabric.until(sent)).rejects.toMatchObject({
      code: "SERIALIZATION_ERROR",
      details: { path: "rows[1]" },
    });
    await expect(fabric.until(asker.request("agent:handler", "bad"))).rejects.toMatchObject({
      code: "SERIALIZATION_ERROR",
      details: { path: "when" },
    });
  });

  onVirtualTime(
    "times out with what is known; progress resets the idle timer; a late answer is counted",
    async () => {
      const { asker, handler, handling } = await open();
      let slowness = 40_000;
      handler.handle("slow", async (_input, { progress, signal }) => {
        for (let waited = 0; waited < slowness; waited += 10_000) {
          await new Promise<void>((resolve) => fabric.clock.setTimer(10_000, resolve));
          if (signal.aborted) break;
          progress(waited);
        }
        return "done";
      });
      const seen: unknown[] = [];
      const options = { timeoutMs: 15_000, onProgress: (data: unknown) => seen.push(data) };
      expect(await fabric.until(asker.request("agent:handler", "slow", 1, options))).toBe("done");
      expect(seen).toEqual([0, 10_000, 20_000, 30_000]);

      slowness = 10_000;
      const timed = asker.request("agent:handler", "slow", 1, { timeoutMs: 6_000 });
      await expect(fabric.until(timed)).rejects.toMatchObject({
        code: "TIMEOUT",
        retryable: false,
        details: { outcome: "in-progress" },
      });
      await fabric.clock.advance(20_000);
      expect(handling.counters.started).toBe(2);
    },
  );

  test("beyond the handler's capacity waits its turn, and a timeout says it was not started", async () => {
    const { asker, handler } = await open();
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let running = 0;
    let most = 0;
    handler.handle("work", async () => {
      running++;
      most = Math.max(most, running);
      await gate;
      running--;
    });
    const first = [1, 2].map(() => asker.request("agent:handler", "work"));
    await fabric.eventually(() => expect(running).toBe(2));
    const waiting = asker.request("agent:handler", "work", 1, { timeoutMs: 2_000 });
    await expect(fabric.until(waiting)).rejects.toMatchObject({
      code: "TIMEOUT",
      retryable: true,
      details: { outcome: "not-started" },
    });
    release();
    await fabric.until(Promise.all(first));
    expect(most).toBe(2);
  });

  test("waits with thousands of others for one busy handler, and all are answered in the end", async () => {
    const { asker, handling } = await open();
    const single = await fabric.until(handling.agent("single", { capacity: 1 }));
    let release: () => void = () => {};
    single.handle(
      "block",
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    single.handle("square", (n) => (n as number) ** 2);
    await fabric.acquainted();
    const blocking = asker.request("agent:single", "block");
    await fabric.eventually(() => expect(single.load).toBe(1));
    const many = Array.from({ length: 9_000 }, (_, n) =>
      asker.request("agent:single", "square", n),
    );
    await fabric.clock.advance(10);
    release();
    await fabric.until(blocking);
    const answers = await fabric.until(Promise.all(many));
    expect(answers).toEqual(Array.from({ length: 9_000 }, (_, n) => n ** 2));
  });

  test("is cancelled through its signal, and the handler hears of it", async () => {
    const { asker, handler } = await open();
    let running = false;
    let reason: unknown;
    handler.handle("hang", (_input, { signal }) => {
      running = true;
      signal.addEventListener("abort", () => {
        reason = signal.reason;
      });
      return new Promise<void>(() => {});
    });
    const controller = new AbortController();
    const hanging = asker.request("agent:handler", "hang", 1, { signal: controller.signal });
    await fabric.eventually(() => expect(running).toBe(true));
    controller.abort();
    await expect(fabric.until(hanging)).rejects.toMatchObject({ code: "CANCELLED" });
    await fabric.eventually(() => expect(reason).toMatchObject({ code: "CANCELLED" }));
    const never = asker.request("agent:handler", "hang", 1, { signal: AbortSignal.abort() });
    await expect(fabric.until(never)).rejects.toMatchObject({ code: "CANCELLED" });
  });

  test("is not made any more for work that was given up", async () => {
    const { asker, handler } = await open();
    let starts = 0;
    handler.handle("inner", () => ++starts);
    handler.handle("chunks", async function* () {
      yield ++starts;
    });
    const go = Promise.withResolvers<void>();
    const ends: unknown[] = [];
    handler.handle("outer", async (_input, { request, stream }) => {
      await go.promise;
      const acts = [
        () => request("agent:handler", "inner"),
        () => request("agent:handler", "inner", 1, { retry: true }),
        () => request("agent:handler", "inner", 1, { durable: true }),
        () => stream("agent:handler", "chunks").result,
      ];
      for (const act of acts) {
        ends.push(await (async () => act())().catch((error: { code: unknown }) => error.code));
      }
    });
    const call = asker.call("agent:handler", "outer");
    await fabric.eventually(() => expect(handler.load).toBe(1));
    const ended = call.result.catch((error: { code: unknown }) => error.code);
    expect(await fabric.until(call.cancel())).toBe("accepted");
    expect(await fabric.until(ended)).toBe("CANCELLED");
    go.resolve();
    await fabric.eventually(() => expect(handler.load).toBe(0));
    expect(ends).toEqual(Array.from({ length: 4 }, () => "CANCELLED"));
    expect(starts).toBe(0);
  });

  test("has a deadline that only shrinks from hop to hop", async () => {
    const { asker, handler } = await open();
    const seen: number[] = [];
    handler.handle("inner", (_input, context) => {
      seen.push(context.remainingMs());
    });
    handler.handle("outer", (_input, context) =>
      context.request("agent:handler", "inner", 1, { deadlineMs: 60_000 }),
    );
    await fabric.until(asker.request("agent:handler", "outer", 1, { deadlineMs: 20_000 }));
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeLessThanOrEqual(20_000);
  });

  test("takes fractions of a millisecond", async () => {
    const { asker, handler } = await open();
    handler.handle("echo", (input) => input);
    const options = { timeoutMs: 20_000.5, deadlineMs: 30_000.25 };
    expect(await fabric.until(asker.request("agent:handler", "echo", 1, options))).toBe(1);
  });

  test("options that make no sense are refused by name", async () => {
    const { asker } = await open();
    const ask = (options: object) => fabric.until(asker.request("agent:handler", "x", 1, options));
    await expect(ask({ timeoutMs: -1 })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      details: { field: "timeoutMs" },
    });
    await expect(ask({ strategy: "best" })).rejects.toMatchObject({
      details: { field: "strategy" },
    });
    await expect(ask({ priority: "urgent" })).rejects.toMatchObject({
      details: { field: "priority" },
    });
  });
});

test("what is handed over in one process is a copy where the network copies", async () => {
  fabric = await openFabric(1);
  const network = fabric.networks[0];
  if (network === undefined) throw new Error("no network");
  const agent = await fabric.until(network.agent("a"));
  const kept: unknown[] = [];
  agent.handle("keep", (input) => {
    kept.push(input);
    return input;
  });
  const input = { list: [1] };
  const answer = await fabric.until(agent.request("agent:a", "keep", input));
  expect(kept[0]).toEqual(input);
  expect(kept[0]).not.toBe(input);
  expect(answer).not.toBe(kept[0]);
});

test("an answer from a stale twin is not taken for one", async () => {
  fabric = await openFabric(3);
  const [asking, old, young] = fabric.networks;
  if (asking === undefined || old === undefined || young === undefined) throw new Error("none");
  const asker = await fabric.until(asking.agent("asker"));
  const elder = await fabric.until(old.agent("twin"));
  elder.handle("who", () => "elder");
  await fabric.acquainted();
  const younger = await fabric.until(young.agent("twin"));
  younger.handle("who", () => "younger");
  const answers = (who: string) =>
    fabric.eventually(async () =>
      expect(await fabric.until(asker.request("agent:twin", "who"))).toBe(who),
    );
  await answers("younger");
  await fabric.until(younger.close());
  await answers("elder");
});

test("a pool's next agent takes the request when the chosen one's process is gone", async () => {
  fabric = await openFabric(3);
  const [asking, first, second] = fabric.networks;
  if (asking === undefined || first === undefined || second === undefined) throw new Error("none");
  const asker = await fabric.until(asking.agent("asker"));
  for (const network of [first, second]) {
    const agent = await fabric.until(network.agent(`w-${network.instance}`, { type: "w" }));
    agent.handle("who", () => agent.id);
  }
  await fabric.acquainted();
  expect(asking.find({ type: "w" })).toHaveLength(2);
  // Gone without a word: its inbox is closed, its card is still there.
  await fabric.until(first.close());
  const answers = await fabric.until(
    Promise.all([1, 2, 3].map(() => asker.request("type:w", "who"))),
  );
  expect(new Set(answers)).toEqual(new Set([`w-${second.instance}`]));
});

onVirtualTime(
  "the strategy fastest measures agents of this process like those of others",
  async () => {
    fabric = await openFabric(2);
    const [near, far] = fabric.networks;
    if (near === undefined || far === undefined) throw new Error("no network");
    const asker = await fabric.until(near.agent("asker"));
    for (const [network, id, ms] of [
      [near, "slow", 50],
      [far, "quick", 10],
    ] as const) {
      const agent = await fabric.until(network.agent(id, { type: "w" }));
      agent.handle("who", async () => {
        await new Promise<void>((resolve) => fabric.clock.setTimer(ms, resolve));
        return id;
      });
    }
    await fabric.clock.advance(10);
    const answers: unknown[] = [];
    for (let n = 0; n < 6; n++) {
      answers.push(await fabric.until(asker.request("type:w", "who", n, { strategy: "fastest" })));
    }
    expect(answers.slice(0, 2).sort()).toEqual(["quick", "slow"]);
    expect(answers.slice(2)).toEqual(["quick", "quick", "quick", "quick"]);
  },
);
