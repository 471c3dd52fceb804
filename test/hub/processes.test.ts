/** Real processes on one directory. */
import { writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { type Actor, Stage } from "./support/actors.ts";
import { reckon } from "./support/reckoning.ts";

const timeoutMs = 120_000;
/** More than a process may stand still, on a busy machine, when it should claim what it holds. */
const graceMs = 4_000;
let stage = new Stage();

afterEach(async () => {
  await stage.leave();
});

test("processes exchange durable messages through the first of them", {
  timeout: timeoutMs,
}, async () => {
  stage = new Stage();
  const owner = await stage.enter();
  const producer = await stage.enter();
  expect(owner.reports).toEqual([{ kind: "open", owner: true }]);
  expect(producer.reports).toEqual([{ kind: "open", owner: false }]);
  const broker = await stage.open();
  await broker.queues.declare(["work"]);
  owner.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "settle" });
  producer.tell({ kind: "produce", queue: "work", inFlight: 16, prefix: "p" });
  await acknowledged(producer, 200);
  producer.tell({ kind: "stop" });
  await producer.until("stopped");
  const { repeatedStarts } = await reckon(stage, broker, "work", "ledger");
  expect(repeatedStarts).toBe(0);
  await broker.close();
});

test("an owner that closes hands over: nothing is lost, and nothing is started twice", {
  timeout: timeoutMs,
}, async () => {
  stage = new Stage({ graceMs });
  const owner = await stage.enter();
  const producer = await stage.enter();
  const consumer = await stage.enter();
  const broker = await stage.open();
  await broker.queues.declare(["work"]);
  consumer.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "settle" });
  producer.tell({ kind: "produce", queue: "work", inFlight: 16, prefix: "p" });
  await acknowledged(producer, 100);
  owner.tell({ kind: "close" });
  await owner.until("closed");
  await owner.gone();
  expect(owner.process.exitCode).toBe(0);
  const before = producer.journaled("acknowledged").length;
  await acknowledged(producer, before + 100);
  producer.tell({ kind: "stop" });
  await producer.until("stopped");
  const { repeatedStarts } = await reckon(stage, broker, "work", "ledger");
  expect(repeatedStarts).toBe(0);
  await broker.close();
});

for (const [how, end] of [
  ["closes", (owner: Actor) => owner.tell({ kind: "close" })],
  ["is killed", (owner: Actor) => void owner.kill()],
] as const) {
  test(`what a handler has in hand when the owner ${how} stays in its hand`, {
    timeout: timeoutMs,
  }, async () => {
    stage = new Stage({ graceMs });
    const owner = await stage.enter();
    const holder = await stage.enter();
    const rival = await stage.enter();
    const absent = await stage.enter();
    const broker = await stage.open();
    await broker.queues.declare(["work"]);
    await take(holder, "kept");
    await take(absent, "lost");
    absent.tell({ kind: "block", until: `${absent.journal}-never` });
    await absent.until("blocking");
    rival.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "settle" });
    end(owner);
    await owner.gone();
    // What nobody claims was kept back for as long as what the holder has, which comes before it.
    await started(rival);
    holder.tell({ kind: "let-go" });
    const reckoning = await reckon(stage, broker, "work", "ledger");
    expect(reckoning).toEqual({ acknowledged: 2, effects: 2, repeatedStarts: 1 });
    expect(rival.journaled("started")).toEqual(["lost"]);
    await broker.close();
  });
}

test("a blocked main thread of the owner holds up nobody else", {
  timeout: timeoutMs,
}, async () => {
  stage = new Stage();
  const owner = await stage.enter();
  const [asking, answering] = [await stage.enter(), await stage.enter()];
  answering.tell({ kind: "echo", topic: "questions" });
  await answering.until("echoing");
  const until = `${owner.journal}-unblock`;
  owner.tell({ kind: "block", until });
  await owner.until("blocking");
  asking.tell({ kind: "exchange", topic: "questions", rounds: 60, queue: "notes" });
  await asking.until("exchanged");
  expect(owner.reports.at(-1)).toEqual({ kind: "blocking" });
  writeFileSync(until, "");
  await owner.until("unblocked");
});

/** Waits until so many messages of this producer are stored. */
async function acknowledged(producer: Actor, count: number): Promise<void> {
  while (producer.journaled("acknowledged").length < count) {
    expect(producer.alive).toBe(true);
    await pause(10);
  }
}

/** Has a message of its own in its hand, and goes on holding it. */
async function take(actor: Actor, id: string): Promise<void> {
  actor.tell({ kind: "consume", queue: "work", ledger: "ledger", manner: "hold" });
  actor.tell({ kind: "enqueue", queue: "work", id });
  await actor.untilEnqueued(id);
  await started(actor);
}

/** Waits until this one has started a handler. */
async function started(actor: Actor): Promise<void> {
  while (actor.journaled("started").length < 1) await pause(10);
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
