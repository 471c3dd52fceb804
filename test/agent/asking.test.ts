/** Requests and sends under policies, between real agents. */
import type { Agent, ColloquyError, Network } from "colloquy";
import { afterEach, describe, expect, test } from "vitest";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(options: Parameters<typeof openFabric>[2] = {}) {
  fabric = await openFabric(2, [], options);
  const [asking, working] = fabric.networks as [Network, Network];
  const asker = await fabric.until(asking.agent("asker"));
  const worker = await fabric.until(working.agent("worker", { type: "pool", capacity: 1 }));
  await fabric.acquainted();
  return { asking, working, asker, worker };
}

/** What a call came to; rejections of known shape only. */
function failure(promise: Promise<unknown>): Promise<ColloquyError> {
  return fabric.until(
    promise.then(
      () => {
        throw new Error("it should have failed");
      },
      (error: ColloquyError) => error,
    ),
  );
}

describe("retry", () => {
  test("a request whose agent is not there yet is repeated until it is", async () => {
    const { asker, working } = await open();
    const asked = asker.request("agent:late", "hello", 1, {
      retry: { attemptsMax: 20, baseMs: 500 },
    });
    await fabric.clock.advance(1_000);
    const late = await fabric.until(working.agent("late"));
    late.handle("hello", (input) => (input as number) + 1);
    expect(await fabric.until(asked)).toBe(2);
  });

  test("a request that may have been started is never repeated", async () => {
    const { asker, worker } = await open();
    let starts = 0;
    worker.handle("silent", () => {
      starts++;
      return new Promise(() => {});
    });
    const error = await failure(
      asker.request("agent:worker", "silent", 1, { timeoutMs: 2_000, retry: true }),
    );
    expect(error).toMatchObject({ code: "TIMEOUT", details: { outcome: "in-progress" } });
    expect(starts).toBe(1);
  });

  test("a request that may be done twice is repeated also where it may have been done", async () => {
    const { asker, worker } = await open();
    let starts = 0;
    worker.handle("read", (_input, { signal }) => {
      if (++starts === 3) return "the third time";
      return new Promise((resolve) => signal.addEventListener("abort", resolve));
    });
    const asked = asker.request("agent:worker", "read", 1, {
      timeoutMs: 2_000,
      retry: { attemptsMax: 5, baseMs: 10 },
      idempotent: true,
    });
    expect(await fabric.until(asked)).toBe("the third time");
    expect(starts).toBe(3);
  });

  test("an answer ends also a request that may be done twice", async () => {
    const { asker, worker } = await open();
    let starts = 0;
    worker.handle("read", () => {
      starts++;
      throw new Error("no such thing");
    });
    const error = await failure(
      asker.request("agent:worker", "read", 1, { retry: true, idempotent: true }),
    );
    expect(error).toMatchObject({ code: "HANDLER_FAILED", retryable: false });
    expect(starts).toBe(1);
  });

  test("a request that was not started in time is repeated, and started once", async () => {
    const { asker, worker } = await open();
    const started: unknown[] = [];
    worker.handle("slow", async (input) => {
      started.push(input);
      await new Promise<void>((resolve) => fabric.clock.setTimer(4_000, resolve));
      return input;
    });
    const first = asker.request("agent:worker", "slow", "first");
    await fabric.clock.advance(10);
    const second = asker
      .request("agent:worker", "slow", "second", {
        timeoutMs: 2_000,
        retry: { attemptsMax: 5, baseMs: 10 },
      })
      .catch((error: ColloquyError) => error.details);
    expect(await fabric.until(first)).toBe("first");
    const outcome = await fabric.until(second);
    expect(started.filter((it) => it === "second")).toHaveLength(1);
    expect(["second", expect.objectContaining({ outcome: "in-progress" })]).toContainEqual(outcome);
  });

  test("a failure that a handler lets through from a request of its own is not repeated", async () => {
    const { asker, worker } = await open();
    let charged = 0;
    worker.handle("charge", async (_input, context) => {
      charged++;
      return context.request("skill:nobody", "notify");
    });
    const error = await failure(asker.request("agent:worker", "charge", 1, { retry: true }));
    expect(error).toMatchObject({
      code: "NO_ELIGIBLE_AGENT",
      retryable: false,
      details: { through: "worker" },
    });
    expect(charged).toBe(1);
  });

  test("all attempts share one deadline", async () => {
    const { asker } = await open();
    const begunMs = fabric.clock.monotonicMs();
    const error = await failure(
      asker.request("agent:nobody", "x", 1, {
        deadlineMs: 3_000,
        retry: { attemptsMax: 1_000, baseMs: 400, budget: Number.POSITIVE_INFINITY },
      }),
    );
    expect(error.code).toBe("AGENT_UNREACHABLE");
    if (fabric.isVirtual) expect(fabric.clock.monotonicMs() - begunMs).toBeLessThan(3_000);
  });

  test("a request in whose handling it is asked has a deadline that it keeps", async () => {
    const { asker, worker } = await open();
    worker.handle("ask on", (_input, context) => {
      // The next attempt would be later than anybody waits.
      const retry = { attemptsMax: 2, baseMs: 3_600_000, capMs: 3_600_000 };
      return context.request("agent:nobody", "x", 1, { retry }).catch(() => "failed");
    });
    const asked = asker.request("agent:worker", "ask on", 1, { deadlineMs: 60_000 });
    expect(await fabric.until(asked)).toBe("failed");
  });

  test("its signal ends the wait for the next attempt", async () => {
    const { asker } = await open();
    const stop = new AbortController();
    const asked = asker.request("agent:nobody", "x", 1, {
      signal: stop.signal,
      retry: { attemptsMax: 1_000, baseMs: 20_000 },
    });
    const begunMs = fabric.clock.monotonicMs();
    fabric.clock.setTimer(50, () => stop.abort());
    expect((await failure(asked)).code).toBe("CANCELLED");
    expect(fabric.clock.monotonicMs() - begunMs).toBeLessThan(10_000);
  });

  test("when everything fails, repeats end with the budget", async () => {
    const { asker, asking } = await open();
    const before = asking.counters.requests;
    await fabric.until(
      Promise.allSettled(
        Array.from({ length: 1_000 }, () =>
          asker.request("agent:nobody", "x", 1, { retry: { baseMs: 1, capMs: 1 } }),
        ),
      ),
    );
    // 1,000 first attempts, 100 that the budget held, and a tenth of the traffic.
    expect(asking.counters.requests - before).toBeLessThanOrEqual(1_201);
    expect(asking.counters.requests - before).toBeGreaterThanOrEqual(1_100);
  });

  test.each([
    [{ retry: { attemptsMax: 0 } }, "retry.attemptsMax"],
    [{ retry: true, durable: true }, "retry"],
  ])("an option that makes no sense is refused by name: %o", async (options, field) => {
    const { asker } = await open();
    const error = await failure(asker.request("agent:worker", "x", 1, options));
    expect(error).toMatchObject({ code: "INVALID_OPTION", details: { field } });
  });
});

describe("breaker", () => {
  async function failing(recoveryMs?: number) {
    const opened = await open({ breaker: recoveryMs === undefined ? true : { recoveryMs } });
    const begunMs = fabric.clock.monotonicMs();
    opened.worker.handle("work", (input) => {
      if (input === "fail") throw new Error("down");
      return input;
    });
    const ask = (input: unknown, asker: Agent = opened.asker) =>
      fabric.until(
        asker.request("agent:worker", "work", input).catch((error: ColloquyError) => error.code),
      );
    for (let time = 0; time < 5; time++) expect(await ask("fail")).toBe("HANDLER_FAILED");
    return { ...opened, ask, begunMs };
  }

  onVirtualTime(
    "an address that keeps failing is not asked for 30 seconds, by anybody of the process",
    async () => {
      const { asking, ask } = await failing();
      const other = await fabric.until(asking.agent("other"));
      expect(await ask("hello")).toBe("CIRCUIT_OPEN");
      expect(await ask("hello", other)).toBe("CIRCUIT_OPEN");
      await fabric.clock.advance(30_000);
      expect(await ask("hello")).toBe("hello");
      expect(await ask("hello", other)).toBe("hello");
    },
  );

  test("another process has a breaker of its own", async () => {
    const { working, ask } = await failing();
    const neighbour = await fabric.until(working.agent("neighbour"));
    expect(await ask("hello", neighbour)).toBe("hello");
    expect(await ask("hello")).toBe("CIRCUIT_OPEN");
  });

  test("a repeat waits as long as the breaker asks it to", async () => {
    const { asker, begunMs } = await failing(3_000);
    const asked = asker.request("agent:worker", "work", "hello", { retry: { capMs: 60_000 } });
    expect(await fabric.until(asked)).toBe("hello");
    expect(fabric.clock.monotonicMs() - begunMs).toBeGreaterThan(2_900);
  });

  test("another path is taken while it is open", async () => {
    const { asker, working } = await failing();
    const spare = await fabric.until(working.agent("spare"));
    spare.handle("work", () => "from the spare");
    await fabric.acquainted();
    const asked = asker.request("agent:worker", "work", "hello", { fallback: ["agent:spare"] });
    expect(await fabric.until(asked)).toBe("from the spare");
  });
});

describe("fallback", () => {
  test("paths are tried in turn until one takes the request", async () => {
    const { asker, worker } = await open();
    worker.handle("work", () => "done");
    const asked = asker.request("skill:nobody", "work", 1, {
      fallback: ["agent:gone", "agent:asker", "type:pool"],
    });
    expect(await fabric.until(asked)).toBe("done");
  });

  test("where none can take it, the error says what each path said", async () => {
    const { asker } = await open();
    const error = await failure(
      asker.request("skill:nobody", "work", 1, { fallback: ["agent:gone", "agent:asker"] }),
    );
    expect(error).toMatchObject({
      code: "NO_HANDLER",
      details: {
        paths: [
          { to: "skill:nobody", code: "NO_ELIGIBLE_AGENT" },
          { to: "agent:gone", code: "AGENT_UNREACHABLE" },
          { to: "agent:asker", code: "NO_HANDLER" },
        ],
      },
    });
    expect(error.message).toMatch(/skill:nobody.*agent:gone.*agent:asker/);
  });

  test("with retry, all paths are tried before anybody waits", async () => {
    const { asker, working } = await open();
    const spare = await fabric.until(working.agent("spare"));
    spare.handle("work", () => "done");
    await fabric.acquainted();
    const begunMs = fabric.clock.monotonicMs();
    const baseMs = fabric.isVirtual ? 60_000 : 5_000;
    const options = {
      retry: { baseMs, capMs: baseMs },
      fallback: ["agent:spare"],
    } as const;
    expect(await fabric.until(asker.request("agent:gone", "work", 1, options))).toBe("done");
    if (fabric.isVirtual) expect(fabric.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
    const late = asker.request("agent:gone", "work", 1, { ...options, fallback: ["agent:later"] });
    await fabric.clock.advance(0);
    const later = await fabric.until(working.agent("later"));
    later.handle("work", () => "done later");
    expect(await fabric.until(late)).toBe("done later");
  });

  test("no other path is taken once the work may have been done", async () => {
    const { asker, worker, working } = await open();
    let others = 0;
    worker.handle("work", () => {
      throw new Error("half way");
    });
    worker.handle("silent", () => new Promise(() => {}));
    worker.handle("inner", (_input, context) => context.request("agent:gone", "x"));
    const other = await fabric.until(working.agent("other"));
    for (const name of ["work", "silent", "inner"]) other.handle(name, () => ++others);
    await fabric.acquainted();
    const options = { fallback: ["agent:other"], timeoutMs: 2_000 } as const;
    for (const [name, code] of [
      ["work", "HANDLER_FAILED"],
      ["inner", "AGENT_UNREACHABLE"],
      ["silent", "TIMEOUT"],
    ] as const) {
      expect((await failure(asker.request("agent:worker", name, 1, options))).code).toBe(code);
    }
    expect(others).toBe(0);
  });

  test("a command goes to the next mailbox when one was never declared", async () => {
    const { asker, asking } = await open();
    await fabric.until(asking.mailboxes.declare("type:archive"));
    const receipt = await fabric.until(
      asker.send("type:nobody", "KEEP", 1, { fallback: ["skill:nobody", "type:archive"] }),
    );
    expect(await fabric.until(receipt.state())).toMatchObject({ state: "queued" });
    const error = await failure(
      asker.send("type:nobody", "KEEP", 1, { fallback: ["skill:nobody"] }),
    );
    expect(error).toMatchObject({
      code: "NO_ELIGIBLE_AGENT",
      details: { paths: [{ to: "type:nobody" }, { to: "skill:nobody" }] },
    });
  });

  test("a path that is no address, or several, is refused before anything is sent", async () => {
    const { asker } = await open();
    for (const path of ["nobody", "all:pool"]) {
      const options = { fallback: [path as "agent:x"] };
      const asked = asker.request("agent:worker", "x", 1, options);
      expect((await failure(asked)).code).toBe("INVALID_ADDRESS");
      const sent = asker.send("agent:worker", "x", 1, options);
      expect((await failure(sent)).code).toBe("INVALID_ADDRESS");
    }
  });
});

describe("rate limit", () => {
  /** @param perMs - until one more message may come. */
  async function limited(perMs: number) {
    const opened = await open();
    const rateLimit = { messages: 1, perMs, burst: 2 };
    const busy = await fabric.until(opened.working.agent("busy", { rateLimit, capacity: 1 }));
    busy.handle("work", (input) => input);
    await fabric.until(busy.ready());
    await fabric.acquainted();
    return { ...opened, busy };
  }

  test("one sender is refused what is too much, says when it may come back, and holds nobody up", async () => {
    const { asker, asking, working, busy } = await limited(4_000);
    const others = [
      await fabric.until(asking.agent("other")),
      await fabric.until(working.agent("near")),
    ];
    await fabric.acquainted();
    for (const one of [asker, ...others]) {
      const ask = () => one.request("agent:busy", "work", 1);
      expect(await fabric.until(ask())).toBe(1);
      expect(await fabric.until(ask())).toBe(1);
      const refused = await failure(ask());
      expect(refused).toMatchObject({ code: "RATE_LIMITED", retryable: true });
      expect(refused.details["sender"]).toBe(one.id);
      expect(refused.details["retryAfterMs"]).toBeGreaterThan(fabric.isVirtual ? 3_900 : 0);
    }
    await fabric.clock.advance(4_000);
    expect(await fabric.until(asker.request("agent:busy", "work", 2))).toBe(2);
    expect(busy.load).toBe(0);
  });

  test("what waits for a free handler was counted when it came", async () => {
    const { asker, working } = await open();
    const busy = await fabric.until(
      working.agent("busy", { rateLimit: { messages: 1, burst: 3 }, capacity: 1 }),
    );
    busy.handle("work", async (input) => {
      await new Promise<void>((resolve) => fabric.clock.setTimer(100, resolve));
      return input;
    });
    await fabric.acquainted();
    const asked = [1, 2, 3, 4].map((n) => asker.request("agent:busy", "work", n));
    const outcomes = await fabric.until(Promise.allSettled(asked));
    expect(outcomes.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "fulfilled",
      "rejected",
    ]);
  });

  test("a repeat waits as long as it must, and commands are not refused", async () => {
    const { asker } = await limited(1_000);
    const asked = Array.from({ length: 5 }, (_, n) =>
      asker.request("agent:busy", "work", n, { retry: { attemptsMax: 10 } }),
    );
    expect(await fabric.until(Promise.all(asked))).toEqual([0, 1, 2, 3, 4]);
    const receipts = await fabric.until(
      Promise.all(Array.from({ length: 20 }, (_, n) => asker.send("agent:busy", "work", n))),
    );
    for (const receipt of receipts) {
      expect(await fabric.until(receipt.settled())).toMatchObject({ state: "done" });
    }
  });
});
