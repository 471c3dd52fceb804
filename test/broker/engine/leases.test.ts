import { expect, test } from "vitest";
import type { Notice } from "../../../src/broker/broker.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { collect, message, Rig, settlement, text } from "./rig.ts";

const vanished = new ColloquyError("AGENT_UNREACHABLE", "the process is gone");
const signal = new AbortController().signal;

test("what a receiver was given and did not settle comes back with one more pickup", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const first = rig.receive("work");
  expect(await first.take()).toMatchObject([{ attempts: { pickups: 0 } }]);
  await first.stop();
  expect(await rig.receive("work").take()).toMatchObject([
    { attempts: { failures: 0, pickups: 1, crashes: 0 } },
  ]);
});

test("what nobody took from a receiver comes back as it was", async () => {
  const rig = await Rig.with(["work"]);
  const controller = new AbortController();
  const options = { credit: 10, consumer: "c" };
  const receiver = rig.broker.queues.receive("work", options, controller.signal);
  const first = receiver[Symbol.asyncIterator]().next();
  await rig.enqueue("work", message("a"));
  await first;
  await rig.enqueue("work", message("b"));
  controller.abort();
  const again = await rig.receive("work").take();
  expect(again.map(({ frame, attempts }) => [text(frame), attempts.pickups]).sort()).toEqual([
    ["a", 1],
    ["b", 0],
  ]);
});

test("a message that three receivers vanished with is dead, and its letter says so", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("poison"));
  for (const crashes of [0, 1, 2]) {
    const reader = rig.receive("work");
    expect(await reader.take()).toMatchObject([{ attempts: { crashes } }]);
    await rig.clock.advance(1_000);
    await reader.stop(vanished);
  }
  expect(await rig.receive("work").take()).toEqual([]);
  const [letter] = await collect(rig.broker.queues.deadLetters({}, signal));
  expect(letter).toMatchObject({
    queue: "work",
    position: 1,
    attempts: { crashes: 3 },
    error: { code: "AGENT_UNREACHABLE", message: "3 receivers vanished while they held it" },
  });
  expect((letter?.lastFailureMs ?? 0) - (letter?.firstFailureMs ?? 0)).toBe(2_000);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({
    state: "dead",
    error: { code: "AGENT_UNREACHABLE" },
  });
});

test("a message that came back twenty times is dead", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const reader = rig.receive("work");
  for (let pickups = 0; pickups < 20; pickups++) {
    expect(await reader.settle({ kind: "release" })).toMatchObject([{ attempts: { pickups } }]);
  }
  expect(await reader.take()).toEqual([]);
  const [letter] = await collect(rig.broker.queues.deadLetters({}, signal));
  expect(letter?.error.message).toBe("offered 20 times, and no handler started");
});

test("attempts are counted across crashes of the owner", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("a"));
  const reader = rig.receive("work");
  await reader.take();
  await reader.stop(vanished);
  rig.crash();
  expect(await rig.receive("work").take()).toMatchObject([{ attempts: { crashes: 1 } }]);
});

test("when the disk is full a receiver that ends still gives back what it held", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const reader = rig.receive("work");
  await reader.take();
  rig.storage.fault = "refuse";
  await reader.stop(vanished);
  expect(await rig.receive("work").take()).toMatchObject([{ attempts: { crashes: 0 } }]);
});

test("fences count up across attempts and openings, and an old one is stale", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("a"));
  const fences: number[] = [];
  const old = [];
  for (let round = 0; round < 3; round++) {
    const reader = rig.receive("work");
    const [delivery] = await reader.take();
    if (delivery === undefined) throw new Error("nothing was offered");
    fences.push(delivery.fence);
    old.push(delivery);
    rig.crash();
  }
  expect(fences).toEqual([...fences].sort((a, b) => a - b));
  const reader = rig.receive("work");
  await reader.take();
  const stale = await rig.run(rig.broker.queues.settle(old.map((each) => settlement(each))));
  expect(stale).toEqual([{ kind: "stale" }, { kind: "stale" }, { kind: "stale" }]);
  expect((await reader.take()).length).toBe(0);
});

test("a settlement from before a crash counts while nobody was offered the message since", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const [delivery] = await rig.receive("work").take();
  if (delivery === undefined) throw new Error("nothing was offered");
  rig.crash();
  const settle = () => rig.run(rig.broker.queues.settle([settlement(delivery)]));
  expect(await settle()).toEqual([{ kind: "settled" }]);
  expect(await settle(), "safe to repeat").toEqual([{ kind: "settled" }]);
  await rig.clock.advance(2_000);
  expect(await rig.receive("work").take()).toEqual([]);
});

test("after a crash what was there waits for claims until the grace ends; what is new does not", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 700 });
  await rig.enqueue("work", message("held"), message("waiting"));
  const [held] = await rig.receive("work", { credit: 1 }).take();
  if (held === undefined) throw new Error("nothing was offered");
  rig.crash();
  const other = rig.receive("work");
  await rig.enqueue("work", message("new"));
  expect(await other.texts()).toEqual(["new"]);
  const claimer = rig.receive("work", { claims: [held] });
  expect(await claimer.take(), "it has it already").toEqual([]);
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([
    { offered: 2, receivers: 2 },
  ]);
  await rig.clock.advance(699);
  expect(await other.texts()).toEqual([]);
  await rig.clock.advance(1);
  const offered = [...(await other.texts()), ...(await claimer.texts())];
  expect(offered).toEqual(["waiting"]);
  expect(await rig.run(rig.broker.queues.settle([settlement(held)]))).toEqual([
    { kind: "settled" },
  ]);
});

test("a claim counts against credit, and what was claimed comes back when its receiver ends", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const [held] = await rig.receive("work", { credit: 1 }).take();
  rig.crash();
  const claimer = rig.receive("work", { credit: 1, claims: held === undefined ? [] : [held] });
  await rig.clock.advance(2_000);
  expect(await claimer.take()).toEqual([]);
  await claimer.stop();
  const again = await rig.receive("work").take();
  expect(again.map(({ frame, attempts }) => [text(frame), attempts.pickups])).toEqual([
    ["a", 1],
    ["b", 0],
  ]);
});

test("a claim to what was offered again is ignored", async () => {
  const rig = await Rig.with(["work"], { reconnectGraceMs: 0 });
  await rig.enqueue("work", message("a"));
  const [held] = await rig.receive("work").take();
  rig.crash();
  const other = rig.receive("work");
  expect(await other.texts()).toEqual(["a"]);
  const claimer = rig.receive("work", { claims: held === undefined ? [] : [held] });
  await claimer.take();
  await claimer.stop();
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ offered: 1 }]);
});

test("a claim under the present fence moves the message to the receiver that makes it", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const before = rig.receive("work");
  const [held] = await before.take();
  const after = rig.receive("work", { claims: held === undefined ? [] : [held] });
  await rig.clock.settle();
  await before.stop(vanished);
  expect(await after.take(), "it is not offered again").toEqual([]);
  expect(
    await rig.run(rig.broker.queues.settle(held === undefined ? [] : [settlement(held)])),
  ).toEqual([{ kind: "settled" }]);
});

test("G1: a message sent at most once is final before it is offered, and is offered once", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  await rig.enqueue("work", message("a", { guarantee: "at-most-once" }));
  expect(await reader.texts()).toEqual(["a"]);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toMatchObject({ state: "offered" });
  rig.crash();
  await rig.clock.advance(5_000);
  expect(await rig.receive("work").take()).toEqual([]);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toEqual({ state: "unknown" });
});

test("G1: a retry of a message sent at most once is its final failure", async () => {
  const rig = await Rig.with(["work"]);
  const reader = rig.receive("work");
  await rig.enqueue("work", message("a", { guarantee: "at-most-once" }));
  const error = { code: "HANDLER_FAILED", message: "no", retryable: false } as const;
  await reader.settle({ kind: "retry", delayMs: 0, error });
  expect(await reader.take()).toEqual([]);
  expect(await rig.run(rig.broker.queues.track("work", 1))).toEqual({ state: "failed", error });
});

test("a settlement makes room for the next delivery, and never more than the credit is out", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", ...Array.from({ length: 10 }, (_, index) => message(String(index))));
  const reader = rig.receive("work", { credit: 3 });
  const [first, ...rest] = await reader.take();
  expect(rest.length).toBe(2);
  await rig.run(rig.broker.queues.settle(first === undefined ? [] : [settlement(first)]));
  expect(await reader.texts()).toEqual(["3"]);
});

test("a reader that does not take what it is given holds a bounded part of the queue", async () => {
  const rig = await Rig.with(["work"]);
  const controller = new AbortController();
  const options = { credit: 1_000_000, consumer: "slow" };
  const slow = rig.broker.queues.receive("work", options, controller.signal);
  const iterator = slow[Symbol.asyncIterator]();
  const first = iterator.next();
  const frame = new Uint8Array(2 ** 18);
  const batch = Array.from({ length: 100 }, () => message("", { frame }));
  for (let at = 0; at < 100; at += 10) await rig.enqueue("work", ...batch.slice(at, at + 10));
  await first;
  const [{ offered } = { offered: 0 }] = await rig.run(rig.broker.queues.mailboxes());
  expect(offered).toBeLessThan(40);
  let taken = (await first).value?.length ?? 0;
  while (taken < 100) {
    taken += (await rig.run(iterator.next())).value?.length ?? 0;
  }
  expect(taken).toBe(100);
});

test("of several settlements from before a crash in one group, one counts", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const reader = rig.receive("work");
  await reader.settle({ kind: "release" });
  const [a] = await reader.take();
  if (a === undefined) throw new Error("nothing was offered");
  rig.crash();
  const other = { ...a, fence: a.fence - 1 };
  const outcomes = await rig.run(
    rig.broker.queues.settle([settlement(a), settlement(other), settlement(a)]),
  );
  expect(outcomes).toEqual([{ kind: "settled" }, { kind: "stale" }, { kind: "settled" }]);
  expect(await rig.run(rig.broker.queues.mailboxes())).toMatchObject([{ waiting: 1 }]);
});

test.each([1, 100])(
  "G3: a message that is final is not brought back by a claim that comes late, with %i kept back",
  async (windowMessagesMax) => {
    const rig = await Rig.with(["work"], { windowMessagesMax });
    await rig.enqueue("work", message("a"), message("b"), message("c"));
    const [, , c] = await rig.receive("work").take();
    if (c === undefined) throw new Error("nothing was offered");
    rig.crash();
    // Asked for something, the lane reads all three, and keeps them until the grace has ended.
    rig.receive("work", { credit: 1 });
    await rig.clock.settle();
    rig.receive("work", { credit: 1, claims: [c] });
    expect(await rig.run(rig.broker.queues.settle([settlement(c)]))).toEqual([{ kind: "settled" }]);
    // Whoever settled it has not heard of that, comes again, and vanishes.
    const late = rig.receive("work", { credit: 1, claims: [c] });
    await late.stop(new ColloquyError("AGENT_UNREACHABLE", "gone"));
    expect(await rig.run(rig.broker.queues.track("work", c.position))).toEqual({ state: "done" });
    await rig.clock.advance(1_000);
    expect(await rig.receive("work").texts()).not.toContain("c");
  },
);

test("G1: an at-most-once message whose receiver vanished is not offered again when that cannot be written", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("once", { guarantee: "at-most-once" }), message("other"));
  const reader = rig.receive("work", { credit: 1 });
  expect(await reader.texts()).toEqual(["once"]);
  const waiting = rig.broker.queues.track("work", 1, { wait: true });
  rig.storage.fault = "refuse";
  await reader.stop(vanished);
  const next = rig.receive("work", { credit: 1 });
  expect(await next.texts()).toEqual(["other"]);
  await next.stop();
  expect(await rig.receive("work").texts()).toEqual(["other"]);
  expect(await rig.run(waiting)).toEqual({ state: "unknown" });
});

test("a handler that takes an hour keeps its message through two takeovers, and is started once", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("long"));
  const [delivery] = await rig.receive("work").take();
  if (delivery === undefined) throw new Error("not offered");
  for (let takeover = 1; takeover <= 2; takeover++) {
    await rig.clock.advance(20 * 60_000);
    rig.crash();
    const holder = rig.receive("work", { claims: [delivery] });
    const rival = rig.receive("work");
    await rig.clock.advance(20 * 60_000);
    expect([await holder.take(), await rival.take()]).toEqual([[], []]);
  }
  const [settled] = await rig.run(rig.broker.queues.settle([settlement(delivery)]));
  expect(settled).toEqual({ kind: "settled" });
  expect(await rig.run(rig.broker.queues.track("work", 1))).toEqual({ state: "done" });
});

test("who claims a message that somebody else was offered meanwhile is told that it is not his", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("contested"));
  const [late] = await rig.receive("work").take();
  if (late === undefined) throw new Error("not offered");
  rig.crash();
  const heir = rig.receive("work");
  await rig.clock.advance(1_100);
  const [present] = await heir.take();
  const notices: Notice[] = [];
  const options = {
    credit: 1,
    consumer: "late",
    claims: [late],
    onNotice: (notice: Notice) => notices.push(notice),
  };
  rig.broker.queues.receive("work", options, signal)[Symbol.asyncIterator]();
  expect(notices).toMatchObject([
    {
      kind: "cancel",
      claim: { position: 1, fence: late.fence },
      reason: { code: "STALE_ATTEMPT" },
    },
  ]);
  const outcomes = await rig.run(
    rig.broker.queues.settle([late, present ?? late].map((each) => settlement(each))),
  );
  expect(outcomes).toEqual([{ kind: "stale" }, { kind: "settled" }]);
});
