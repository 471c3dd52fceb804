import { ColloquyError, type Network, type Receipt } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, onVirtualTime, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(processes = 2) {
  fabric = await openFabric(processes);
  const [sending, working] = fabric.networks;
  if (sending === undefined) throw new Error("no network");
  const sender = await fabric.until(sending.agent("sender"));
  const worker = await fabric.until(
    (working ?? sending).agent("worker", { type: "mail", capabilities: ["post"], capacity: 4 }),
  );
  return { sender, sending, worker, working: working ?? sending };
}

async function drain<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const value of values) all.push(value);
  return all;
}

test("a command is stored, handled once, and its result is the sender's", async () => {
  const { sender, sending, worker } = await open();
  const handled: unknown[] = [];
  worker.handle("SEND", (input, { idempotencyKey, fence, attempt }) => {
    handled.push(input);
    return { key: idempotencyKey, fenced: typeof fence, attempt };
  });
  await fabric.until(worker.ready());
  for (const to of ["agent:worker", "type:mail", "skill:post"] as const) {
    const receipt = await fabric.until(sender.send(to, "SEND", { to }));
    expect(receipt.duplicate).toBe(false);
    const outcome = await fabric.until(receipt.settled());
    expect(outcome).toEqual({
      state: "done",
      result: { key: receipt.messageId, fenced: "number", attempt: 1 },
    });
    expect(await fabric.until(sending.track(receipt.id).state())).toEqual(outcome);
  }
  expect(handled).toEqual([{ to: "agent:worker" }, { to: "type:mail" }, { to: "skill:post" }]);
});

test("a command to an address never declared is refused; to a declared one it waits", async () => {
  const { sender, sending, working } = await open();
  await expect(fabric.until(sender.send("type:later", "X"))).rejects.toMatchObject({
    code: "NO_ELIGIBLE_AGENT",
  });
  await fabric.until(sending.mailboxes.declare("type:later"));
  const receipt = await fabric.until(sender.send("type:later", "X", 1));
  expect(await fabric.until(receipt.state())).toMatchObject({ state: "queued" });
  const late = await fabric.until(working.agent("late", { type: "later" }));
  late.handle("X", (input) => (input as number) + 1);
  expect(await fabric.until(receipt.settled())).toEqual({ state: "done", result: 2 });
  await fabric.until(late.close());
  const listed = await fabric.until(sending.mailboxes.list());
  expect(listed.find(({ address }) => address === "type:later")).toMatchObject({ waiting: 0 });
});

test("a failing command is retried with delays, then dead, browsable and replayable", async () => {
  const { sender, sending, worker } = await open();
  let healthy = false;
  const attempts: number[] = [];
  worker.handle(
    "TRY",
    (_input, { attempt }) => {
      attempts.push(attempt);
      if (!healthy) throw new Error(`attempt ${attempt}`);
      return "well";
    },
    { retry: { attemptsMax: 3, baseMs: 100 } },
  );
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "TRY", { n: 1 }));
  expect(await fabric.until(receipt.settled())).toMatchObject({
    state: "dead",
    error: { code: "HANDLER_FAILED", message: "attempt 3" },
  });
  expect(attempts).toEqual([1, 2, 3]);

  const letters = await fabric.until(drain(sending.dead.list()));
  expect(letters).toHaveLength(1);
  expect(letters[0]).toMatchObject({ address: "agent:worker", payload: { n: 1 } });
  expect(letters[0]?.message?.name).toBe("TRY");
  expect(await fabric.until(drain(sending.dead.list()))).toHaveLength(1);

  healthy = true;
  expect(await fabric.until(sending.dead.replay(letters[0]?.id ?? 0))).toBe(1);
  await fabric.eventually(() => expect(attempts).toEqual([1, 2, 3, 1]));
  expect(await fabric.until(drain(sending.dead.list()))).toHaveLength(0);
});

test("a final error is the outcome at once; an unknown command too", async () => {
  const { sender, worker } = await open();
  worker.handle("NO", () => {
    throw new ColloquyError("FORBIDDEN", "never");
  });
  await fabric.until(worker.ready());
  const refused = await fabric.until(sender.send("agent:worker", "NO"));
  expect(await fabric.until(refused.settled())).toMatchObject({
    state: "failed",
    error: { code: "FORBIDDEN" },
  });
  const unknown = await fabric.until(sender.send("agent:worker", "WHAT"));
  expect(await fabric.until(unknown.settled())).toMatchObject({
    state: "failed",
    error: { code: "NO_HANDLER" },
  });
});

test("G3: what a handler stages commits when it returns and is forgotten when it throws", async () => {
  const { sender, sending, worker, working } = await open();
  const auditor = await fabric.until(sending.agent("auditor", { type: "audit" }));
  const audited: unknown[] = [];
  const heard: unknown[] = [];
  auditor.handle("AUDIT", (input) => {
    audited.push(input);
  });
  await fabric.until(auditor.ready());
  await fabric.until(auditor.subscribe("booked.*", (data) => heard.push(data)));
  await fabric.until(worker.subscribe("booked.*", (data) => heard.push(data)));
  worker.handle(
    "BOOK",
    (input, context) => {
      context.store.put("last", input);
      context.log.append("bookings", input);
      context.send("type:audit", "AUDIT", input);
      context.publish("booked.order", input);
      if (context.attempt === 1) throw new Error("after staging");
    },
    { retry: { baseMs: 10 } },
  );
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "BOOK", { order: 7 }));
  expect(await fabric.until(receipt.settled())).toMatchObject({ state: "done" });
  await fabric.eventually(() => expect([audited.length, heard.length]).toEqual([1, 2]));
  expect(await fabric.until(drain(working.log.read("bookings")))).toEqual([
    { position: 1, value: { order: 7 } },
  ]);
  expect((await fabric.until(sending.store.get("last")))?.value).toEqual({ order: 7 });
  expect(audited).toEqual([{ order: 7 }]);
  expect(heard).toEqual([{ order: 7 }, { order: 7 }]);
});

test("G3: an effect that conflicts undoes the attempt, and the next one sees what is there", async () => {
  const { sender, sending, worker } = await open();
  await fabric.until(sending.store.put("counter", 1));
  worker.handle(
    "ADD",
    async (_input, { store, attempt }) => {
      const entry = await store.get("counter");
      if (attempt === 1) await sending.store.put("counter", 10);
      store.put("counter", (entry?.value as number) + 1, { ifRevision: entry?.revision ?? 0 });
    },
    { retry: { baseMs: 10 } },
  );
  await fabric.until(worker.ready());
  const receipt = await fabric.until(sender.send("agent:worker", "ADD"));
  expect(await fabric.until(receipt.settled())).toMatchObject({ state: "done" });
  expect((await fabric.until(sending.store.get("counter")))?.value).toBe(11);
});

test("exactly-once: a second send of one id is a duplicate of the first", async () => {
  const { sender, worker } = await open();
  let starts = 0;
  worker.handle("PAY", () => ++starts);
  await fabric.until(worker.ready());
  const options = { guarantee: "exactly-once", id: "order-17" } as const;
  const first = await fabric.until(sender.send("type:mail", "PAY", 1, options));
  const second = await fabric.until(sender.send("type:mail", "PAY", 1, options));
  expect(second.duplicate).toBe(true);
  expect(second.id).toBe(first.id);
  expect(await fabric.until(second.settled())).toEqual({ state: "done", result: 1 });
  expect(starts).toBe(1);
});

test("G4: commands of one sender and key are handled one after the other, in order", async () => {
  const { sender, worker } = await open();
  const done: number[] = [];
  worker.handle("STEP", async (input) => {
    const n = input as number;
    await new Promise<void>((resolve) => fabric.clock.setTimer((10 - n) * 10, resolve));
    done.push(n);
  });
  await fabric.until(worker.ready());
  const receipts = await fabric.until(
    Promise.all([0, 1, 2, 3, 4].map((n) => sender.send("type:mail", "STEP", n, { key: "k" }))),
  );
  await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  expect(done).toEqual([0, 1, 2, 3, 4]);
});

test("a command for later is not offered before, an expired one not at all", async () => {
  const { sender, worker } = await open();
  const at: number[] = [];
  worker.handle("LATER", () => {
    at.push(fabric.clock.nowMs());
  });
  await fabric.until(worker.ready());
  const due = fabric.clock.nowMs() + 1_500;
  const receipt = await fabric.until(
    sender.send("type:mail", "LATER", 1, { deliverAt: new Date(due) }),
  );
  await fabric.until(receipt.settled());
  expect(at[0]).toBeGreaterThanOrEqual(due);

  await fabric.until(worker.close());
  const stale = await fabric.until(sender.send("type:mail", "LATER", 1, { ttlMs: 1_000 }));
  await fabric.clock.advance(2_000);
  const working = fabric.networks[1] as Network;
  const other = await fabric.until(working.agent("other", { type: "mail" }));
  other.handle("LATER", () => {
    at.push(-1);
  });
  expect(await fabric.until(stale.settled())).toMatchObject({ state: "expired" });
  expect(at).toHaveLength(1);
});

test("an array and all: give a receipt for each recipient", async () => {
  const { sender, working } = await open();
  const got: string[] = [];
  for (const id of ["p1", "p2"]) {
    const agent = await fabric.until(working.agent(id, { type: "pool" }));
    agent.handle("HEAR", () => {
      got.push(id);
    });
    await fabric.until(agent.ready());
  }
  await fabric.acquainted();
  const everyone = await fabric.until(sender.send("all:pool", "HEAR"));
  expect(everyone.receipts).toHaveLength(2);
  await fabric.until(Promise.all(everyone.receipts.map((receipt) => receipt.settled())));
  expect(got.sort()).toEqual(["p1", "p2"]);
  const some = await fabric.until(sender.send(["agent:p1", "agent:p1", "agent:p2"], "HEAR"));
  expect(some.receipts).toHaveLength(2);
  expect(some.refused).toEqual([]);
});

test("a recipient that refuses a multicast costs the others nothing", async () => {
  const { sender, worker } = await open();
  worker.handle("HEAR", () => "heard");
  await fabric.until(worker.ready());
  const { receipts, refused } = await fabric.until(
    sender.send(["agent:nobody", "agent:worker"], "HEAR"),
  );
  expect(refused).toMatchObject([{ to: "agent:nobody", error: { code: "NO_ELIGIBLE_AGENT" } }]);
  expect(receipts).toHaveLength(1);
  expect(await fabric.until((receipts[0] as Receipt).settled())).toMatchObject({ result: "heard" });
});

test("a multicast that nobody takes, or that has no recipient, rejects", async () => {
  const { sender } = await open();
  const toNobody = fabric.until(sender.send(["agent:nobody", "agent:no-one"], "HEAR"));
  await expect(toNobody).rejects.toMatchObject({ code: "NO_ELIGIBLE_AGENT" });
  await expect(fabric.until(sender.send([], "HEAR"))).rejects.toMatchObject({
    code: "INVALID_ADDRESS",
  });
});

test("more durability than the broker has is refused before anything is sent", async () => {
  const { sender, worker } = await open();
  worker.handle("X", () => {});
  await fabric.until(worker.ready());
  const sent = sender.send("agent:worker", "X", 1, { durability: "replicated+fsync" });
  await expect(fabric.until(sent)).rejects.toMatchObject({ code: "DURABILITY_UNAVAILABLE" });
});

test("closing lets running commands end and hands back what was not started", async () => {
  const { sender, worker, working } = await open();
  let finish: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let started = 0;
  worker.handle("LONG", async () => {
    started++;
    await gate;
    return "finished";
  });
  await fabric.until(worker.ready());
  const receipts = await fabric.until(
    Promise.all(Array.from({ length: 6 }, () => sender.send("type:mail", "LONG"))),
  );
  await fabric.eventually(() => expect(started).toBe(4));
  const closing = worker.close();
  await fabric.clock.advance(100);
  finish();
  await fabric.until(closing);
  expect(started).toBe(4);
  const other = await fabric.until(working.agent("other", { type: "mail" }));
  other.handle("LONG", () => "by another");
  const outcomes = await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  const results = outcomes.map((outcome) => outcome.state === "done" && outcome.result);
  expect(results.filter((result) => result === "finished")).toHaveLength(4);
  expect(results.filter((result) => result === "by another")).toHaveLength(2);
});

onVirtualTime(
  "a durable request is answered with the outcome of the command it is stored as",
  async () => {
    const { sender, sending, worker } = await open();
    await fabric.until(sending.mailboxes.declare("type:mail"));
    const asked = sender.request("type:mail", "ASK", 20, { durable: true });
    await fabric.clock.advance(120_000);
    worker.handle("ASK", (input) => (input as number) + 1);
    worker.handle("NO", () => {
      throw new ColloquyError("FORBIDDEN", "never");
    });
    expect(await fabric.until(asked)).toBe(21);
    const refused = sender.request("type:mail", "NO", 1, { durable: true });
    await expect(fabric.until(refused)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await fabric.until(worker.close());
    const late = sender.request("type:mail", "ASK", 1, { durable: true, deadlineMs: 1_000 });
    await expect(fabric.until(late)).rejects.toMatchObject({ code: "EXPIRED" });
  },
);
