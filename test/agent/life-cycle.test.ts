import type { Context, Outcome, Progress, Receipt } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { Deferred } from "../../src/runtime/deferred.ts";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(capacity = 4, options: Parameters<typeof openFabric>[2] = {}) {
  fabric = await openFabric(2, [], options);
  const [sending, working] = fabric.networks;
  if (sending === undefined || working === undefined) throw new Error("no network");
  const sender = await fabric.until(sending.agent("sender"));
  const worker = await fabric.until(working.agent("worker", { capacity }));
  await fabric.acquainted();
  return { sender, sending, worker, working };
}

/** Adds each state to `states`, repeated ones once, until the last. */
async function follow(receipt: Receipt, states: string[]): Promise<void> {
  for await (const { state } of receipt.updates()) if (states.at(-1) !== state) states.push(state);
}

test("a receipt tells each state in turn, the final one last, and then ends", async () => {
  const { sender, worker } = await open();
  const go = new Deferred();
  worker.handle("WORK", async (_input, context) => {
    context.progress({ percent: 50 });
    await go.promise;
    return "well";
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
  const updates: (Progress | Outcome)[] = [];
  const following = (async () => {
    for await (const update of receipt.updates()) {
      updates.push(update);
      if (update.state === "started") go.resolve();
    }
  })();
  await fabric.until(following);
  const states = updates.map(({ state }) => state);
  expect(states.slice(-2)).toEqual(["started", "done"]);
  expect(updates).toContainEqual(
    expect.objectContaining({ state: "started", progress: { percent: 50 } }),
  );
  expect(updates.at(-1)).toEqual({ state: "done", result: "well" });
});

onVirtualTime(
  "who does not read the changes of a receipt is kept the latest, the final one among them",
  async () => {
    const { sender, worker } = await open();
    worker.handle("WORK", async (_input, context) => {
      for (let step = 1; step <= 1_500; step++) {
        context.progress(step);
        await new Promise<void>((resolve) => fabric.clock.setTimer(1, resolve));
      }
    });
    await fabric.until(worker.ready());
    const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
    const updates = receipt.updates();
    await fabric.until(receipt.settled());
    const seen: (Progress | Outcome)[] = [];
    for await (const update of updates) seen.push(update);
    expect(seen).toHaveLength(1_000);
    expect(seen.at(-1)).toEqual({ state: "done" });
    expect(seen.at(-2)).toMatchObject({ state: "started", progress: 1_500 });
  },
);

test("a look at a command says whether its handler has started", async () => {
  const { sender, worker } = await open(1);
  const go = new Deferred();
  worker.handle("WORK", () => go.promise);
  await fabric.until(worker.ready());
  const first = await fabric.until(sender.send("agent:worker", "WORK"));
  await becomes(first, "started");
  const second = await fabric.until(sender.send("agent:worker", "WORK"));
  expect(await fabric.until(second.state())).toMatchObject({ state: "queued" });
  go.resolve();
  await fabric.until(Promise.all([first.settled(), second.settled()]));
});

test("leaving the loop, or a signal, ends the updates", async () => {
  const { sender, sending } = await open();
  await fabric.until(sending.mailboxes.declare("agent:nobody"));
  const receipt = await fabric.until(sender.send("agent:nobody", "WORK"));
  const leaving = (async () => {
    for await (const { state } of receipt.updates()) return state;
    return "none";
  })();
  expect(await fabric.until(leaving)).toBe("queued");
  const controller = new AbortController();
  const aborted = (async () => {
    const states: string[] = [];
    for await (const { state } of receipt.updates({ signal: controller.signal })) {
      states.push(state);
      controller.abort();
    }
    return states;
  })();
  expect(await fabric.until(aborted)).toEqual(["queued"]);
});

test("a cancelled command aborts its handler, which cleans up; what it staged is forgotten", async () => {
  const { sender, worker } = await open();
  const cleaned: unknown[] = [];
  const running = new Deferred();
  worker.handle("WORK", async (_input, context) => {
    context.store.put("written", true);
    try {
      running.resolve();
      await aborted(context.signal);
    } finally {
      cleaned.push(context.signal.reason);
    }
    return "too late";
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
  await fabric.until(running.promise);
  expect(await fabric.until(receipt.cancel({ reason: "changed my mind" }))).toBe("accepted");
  const error = expect.objectContaining({ code: "CANCELLED", message: "changed my mind" });
  expect(await fabric.until(receipt.settled())).toEqual({ state: "cancelled", error });
  expect(await fabric.until(receipt.cancel())).toBe("accepted");
  await fabric.eventually(() => expect(cleaned).toEqual([error]));
  const [sending] = fabric.networks;
  expect(await fabric.until(sending?.store.get("written") ?? Promise.reject())).toBeUndefined();
  expect(await fabric.until(receipt.settled())).toMatchObject({ state: "cancelled" });
});

test("a cancelled command cancels the requests and durable requests that its handler waits for", async () => {
  const { sender, worker, sending } = await open();
  const below: string[] = [];
  const asked = new Deferred();
  const other = await fabric.until(sending.agent("other"));
  await fabric.acquainted();
  other.handle("SLOW", async (_input, context) => {
    if (below.push("asked") === 2) asked.resolve();
    await aborted(context.signal);
    below.push("aborted");
  });
  await fabric.until(other.ready());
  worker.handle("WORK", (_input, context) =>
    Promise.all([
      context.request("agent:other", "SLOW"),
      context.request("agent:other", "SLOW", undefined, { durable: true }),
    ]),
  );
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
  await fabric.until(asked.promise);
  await fabric.until(receipt.cancel());
  await fabric.eventually(() => expect(below).toEqual(["asked", "asked", "aborted", "aborted"]));
});

test("who stops waiting for a durable request gives its command up", async () => {
  const { sender, worker } = await open();
  const signals: AbortSignal[] = [];
  const running = new Deferred();
  worker.handle("WORK", async (_input, context) => {
    signals.push(context.signal);
    running.resolve();
    await aborted(context.signal);
  });
  await fabric.until(worker.ready());
  const controller = new AbortController();
  const options = { durable: true, signal: controller.signal } as const;
  const request = sender.request("agent:worker", "WORK", undefined, options);
  request.catch(() => {});
  await fabric.until(running.promise);
  controller.abort();
  await expect(fabric.until(request)).rejects.toMatchObject({ code: "CANCELLED" });
  await fabric.eventually(() => expect(signals[0]?.aborted).toBe(true));
});

test("G6: a command whose time passed while it waited for a free handler expires, and is not started", async () => {
  const { sender, worker } = await open(1);
  const started: unknown[] = [];
  const go = new Deferred();
  worker.handle("WORK", async (input) => {
    started.push(input);
    await go.promise;
  });
  worker.handle("OTHER", () => {});
  await fabric.until(worker.ready());
  const first = await fabric.until(sender.send("agent:worker", "WORK", 1));
  await becomes(first, "started");
  const late = [{ ttlMs: 500 }, { deadlineMs: 500 }].map((options) =>
    sender.send("agent:worker", "WORK", 2, options),
  );
  const receipts = await fabric.until(Promise.all(late));
  await fabric.clock.advance(1_000);
  go.resolve();
  for (const receipt of receipts) {
    expect(await fabric.until(receipt.settled())).toMatchObject({ state: "expired" });
  }
  await fabric.until(first.settled());
  expect(started).toEqual([1]);
});

test("G6: a command offered in time that waits inside the agent expires there, and is not started", async () => {
  const { sender, sending, worker } = await open(1);
  const started: unknown[] = [];
  const go = new Deferred();
  worker.handle("WORK", async (input) => {
    started.push(input);
    await go.promise;
  });
  await fabric.until(worker.ready());
  // A request takes the only handler, and leaves the credit of the mailbox alone.
  const asker = await fabric.until(sending.agent("asker"));
  const request = asker.request("agent:worker", "WORK", 1);
  await fabric.eventually(() => expect(started).toEqual([1]));
  const receipt = await fabric.until(sender.send("agent:worker", "WORK", 2, { ttlMs: 5_000 }));
  await becomes(receipt, "offered");
  await fabric.clock.advance(5_500);
  go.resolve();
  await fabric.until(request);
  const outcome = await fabric.until(receipt.settled());
  expect(outcome).toMatchObject({ state: "expired", error: { code: "EXPIRED" } });
  expect(started).toEqual([1]);
});

test("a command whose deadline passes while its handler runs is cancelled", async () => {
  const { sender, worker } = await open();
  let reason: unknown;
  worker.handle("WORK", async (_input, context) => {
    await aborted(context.signal);
    reason = context.signal.reason;
    return "too late";
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(
    sender.send("agent:worker", "WORK", undefined, { deadlineMs: 5_000 }),
  );
  expect(await fabric.until(receipt.settled())).toMatchObject({
    state: "cancelled",
    error: { code: "CANCELLED", details: { deadline: true } },
  });
  await fabric.eventually(() => expect(reason).toMatchObject({ code: "CANCELLED" }));
});

test("a command is taken back while it waits inside an agent, and not once it was started", async () => {
  const { sender, worker } = await open(1);
  const started: unknown[] = [];
  const go = new Deferred();
  worker.handle("WORK", async (input) => {
    started.push(input);
    await go.promise;
  });
  await fabric.until(worker.ready());
  const [asking] = fabric.networks;
  const asker = await fabric.until(asking?.agent("asker") ?? Promise.reject());
  const request = asker.request("agent:worker", "WORK", "request");
  await fabric.eventually(() => expect(started).toEqual(["request"]));
  const inside = await fabric.until(sender.send("agent:worker", "WORK", "inside"));
  await becomes(inside, "offered");
  const queued = await fabric.until(sender.send("agent:worker", "WORK", "queued"));
  expect(await fabric.until(queued.rescind())).toBe("rescinded");
  expect(await fabric.until(inside.rescind())).toBe("rescinded");
  expect(await fabric.until(inside.settled())).toMatchObject({
    state: "rescinded",
    error: { code: "RESCINDED" },
  });
  go.resolve();
  await fabric.until(request);
  expect(started).toEqual(["request"]);
});

test("a started command is not taken back, and goes on", async () => {
  const { sender, worker } = await open();
  const go = new Deferred();
  const running = new Deferred();
  worker.handle("WORK", async () => {
    running.resolve();
    await go.promise;
    return "well";
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
  await fabric.until(running.promise);
  expect(await fabric.until(receipt.rescind())).toBe("too-late");
  go.resolve();
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: "well" });
  expect(await fabric.until(receipt.cancel())).toBe("too-late");
  expect(await fabric.until(receipt.rescind())).toBe("too-late");
});

test("a handler asks, somebody else answers from another process, and it goes on", async () => {
  const { sender, sending, worker, working } = await open();
  const go = new Deferred();
  worker.handle("APPROVE", async (input, context) => {
    await go.promise;
    const name = await context.ask({ question: "who?", about: input });
    const sure = await context.ask("sure?");
    return { name, sure };
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "APPROVE", 7));
  const states: string[] = [];
  const followed = follow(receipt, states);
  // Whoever handles it tells that, and knows from then on who follows.
  await fabric.eventually(() => expect(states).toContain("started"));
  go.resolve();
  const person = working.track(receipt.id);
  expect(await fabric.until(waitingFor(person))).toMatchObject({
    number: 1,
    question: { question: "who?", about: 7 },
  });
  expect(await fabric.until(person.answer("Ada"))).toBe("accepted");
  const again = sending.track(receipt.id);
  expect(await fabric.until(waitingFor(again, 2))).toMatchObject({ question: "sure?" });
  expect(await fabric.until(again.answer(true))).toBe("accepted");
  const outcome = await fabric.until(receipt.settled());
  expect(outcome).toEqual({ state: "done", result: { name: "Ada", sure: true } });
  await fabric.until(followed);
  expect(states.slice(-5)).toEqual([
    "waiting-input",
    "started",
    "waiting-input",
    "started",
    "done",
  ]);
  expect(await fabric.until(person.answer("late"))).toBe("too-late");
});

test("a handler that waits for input frees its share of the capacity, and takes it again", async () => {
  const { sender, worker } = await open(1);
  let running = 0;
  worker.handle("ASK", async (_input, context) => await context.ask("?"));
  worker.handle("WORK", () => ++running);
  await fabric.until(worker.ready());
  const asking = await fabric.until(
    Promise.all(Array.from({ length: 5 }, () => sender.send("agent:worker", "ASK"))),
  );
  for (const receipt of asking) await fabric.until(waitingFor(receipt));
  const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: 1 });
  for (const one of asking) await fabric.until(one.answer("!"));
  for (const one of asking) {
    expect(await fabric.until(one.settled())).toEqual({ state: "done", result: "!" });
  }
  await fabric.eventually(() => expect(worker.load).toBe(0));
});

test("a question that nobody answers in time rejects, and the handler goes on", async () => {
  const { sender, worker } = await open();
  worker.handle("ASK", async (_input, context) => {
    try {
      return await context.ask("?", { timeoutMs: 500 });
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "ASK"));
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: "TIMEOUT" });
});

test("a command that asks nothing cannot be answered", async () => {
  const { sender, sending } = await open();
  await fabric.until(sending.mailboxes.declare("agent:nobody"));
  const receipt = await fabric.until(sender.send("agent:nobody", "WORK"));
  await expect(fabric.until(receipt.answer(1))).rejects.toMatchObject({ code: "CONFLICT" });
});

test("a handler asks one question at a time, and a request's handler none", async () => {
  const { sender, worker } = await open();
  const codes: string[] = [];
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      (error: { code: string }) => error.code,
    );
  worker.handle("ASK", async (_input, context: Context) => {
    const first = code(context.ask("first", { timeoutMs: 500 }));
    codes.push(await code(context.ask("second")), await first);
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "ASK"));
  await fabric.until(receipt.settled());
  expect(codes).toEqual(["CONFLICT", "TIMEOUT"]);
  codes.length = 0;
  await fabric.until(sender.request("agent:worker", "ASK"));
  expect(codes).toEqual(["UNSUPPORTED", "UNSUPPORTED"]);
});

test("an agent that closes while a handler waits for input leaves it to the next, which finds the answers", async () => {
  const { sender, worker, working } = await open();
  const runs: string[] = [];
  const handle = async (_input: unknown, context: Context) => {
    runs.push(`run ${context.attempt}`);
    return [await context.ask("first?"), await context.ask("second?")];
  };
  worker.handle("ASK", handle);
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "ASK"));
  await fabric.until(waitingFor(receipt));
  await fabric.until(receipt.answer(1));
  await fabric.until(waitingFor(receipt, 2));
  await fabric.until(worker.close());
  expect(await fabric.until(receipt.state())).toMatchObject({
    state: "waiting-input",
    number: 2,
    attempts: { failures: 0, pickups: 0, crashes: 0 },
  });
  expect(await fabric.until(receipt.answer(2))).toBe("accepted");
  const heir = await fabric.until(working.agent("worker"));
  heir.handle("ASK", handle);
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: [1, 2] });
  expect(runs).toEqual(["run 1", "run 1"]);
});

onVirtualTime(
  "a process that closes lets handlers end for drainMs, then aborts their signals and hands the work back",
  async () => {
    const { sender, worker, working, sending } = await open(4, { drainMs: 5_000 });
    const reasons: unknown[] = [];
    const running = new Deferred();
    worker.handle("WORK", async (_input, context) => {
      running.resolve();
      await aborted(context.signal);
      reasons.push((context.signal.reason as { code: string }).code);
      throw new Error("stopped");
    });
    await fabric.until(worker.ready());
    const receipt = await fabric.until(sender.send("agent:worker", "WORK"));
    await fabric.until(running.promise);
    const closing = working.close();
    await fabric.clock.advance(4_000);
    expect(reasons).toEqual([]);
    await fabric.until(closing);
    expect(reasons).toEqual(["CLOSED"]);
    const attempts = { failures: 0, pickups: 1, crashes: 0 };
    expect(await fabric.until(receipt.state())).toEqual({ state: "queued", attempts });
    const heir = await fabric.until(sending.agent("worker"));
    heir.handle("WORK", () => "done by another");
    expect(await fabric.until(receipt.settled())).toMatchObject({ result: "done by another" });
  },
);

test("a dead letter tells how each attempt failed, and who it was", async () => {
  const { sender, sending, worker } = await open();
  worker.handle(
    "FAIL",
    (_input, { attempt }) => {
      throw new Error(`attempt ${attempt}`);
    },
    { retry: { attemptsMax: 3, baseMs: 10 } },
  );
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "FAIL"));
  await fabric.until(receipt.settled());
  const { value: letter } = await fabric.until(sending.dead.list().next());
  expect(letter.history).toMatchObject([
    { attempt: 1, consumer: "worker", error: { message: "attempt 1" } },
    { attempt: 2, consumer: "worker", error: { message: "attempt 2" } },
    { attempt: 3, consumer: "worker", error: { message: "attempt 3" } },
  ]);
});

function becomes(receipt: Receipt, state: Progress["state"]): Promise<void> {
  return fabric.eventually(async () =>
    expect(await fabric.until(receipt.state())).toMatchObject({ state }),
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function waitingFor(receipt: Receipt, number = 1) {
  for await (const update of receipt.updates()) {
    if (update.state === "waiting-input" && update.number === number) return update;
  }
  throw new Error(`never asked question ${number}`);
}
