import { expect, test } from "vitest";
import type { Delivery, MessageState, Outcome } from "../../../src/broker/broker.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { bytes, message, Rig, settlement, text } from "./rig.ts";

const error = { code: "HANDLER_FAILED", message: "no", retryable: false } as const;

async function track(rig: Rig, position: number): Promise<MessageState> {
  return rig.run(rig.broker.queues.track("work", position));
}

test("a message is queued, offered, then final, for whoever asks and after a restart", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", ...["a", "b", "c", "d"].map((each) => message(each)));
  expect(await track(rig, 1)).toMatchObject({ state: "queued" });
  const deliveries = await rig.receive("work").take();
  expect(await track(rig, 1)).toMatchObject({ state: "offered" });
  const outcomes: readonly Outcome[] = [
    { kind: "done", result: bytes("result") },
    { kind: "done" },
    { kind: "failed", error },
    { kind: "dead", error },
  ];
  await rig.run(
    rig.broker.queues.settle(
      deliveries.map((each, index) => settlement(each, outcomes[index] as Outcome)),
    ),
  );
  const expected = [
    { state: "done", result: bytes("result") },
    { state: "done" },
    { state: "failed", error },
    { state: "dead", error },
  ];
  for (const restart of [() => {}, () => rig.crash(), () => rig.restart()]) {
    await restart();
    for (const [index, state] of expected.entries()) {
      expect(normal(await track(rig, index + 1))).toEqual(normal(state as MessageState));
    }
    expect(await track(rig, 5)).toEqual({ state: "unknown" });
    expect(await track(rig, 0)).toEqual({ state: "unknown" });
  }
});

test("whoever waits is told once the message is final, and not before it is committed", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"), message("b"));
  const told: MessageState[] = [];
  const wait = (position: number) =>
    rig.broker.queues.track("work", position, { wait: true }).then((state) => told.push(state));
  const waiting = [wait(1), wait(1), wait(2)];
  const reader = rig.receive("work");
  const [a, b] = await reader.take();
  await rig.run(
    rig.broker.queues.settle([settlement(a as Delivery, { kind: "retry", delayMs: 0, error })]),
  );
  expect(told).toEqual([]);
  rig.storage.fault = "refuse";
  await rig.run(rig.broker.queues.settle([settlement(b as Delivery)]));
  expect(told).toEqual([]);
  await rig.run(rig.broker.queues.settle([settlement(b as Delivery)]));
  expect(told).toEqual([{ state: "done" }]);
  await reader.settle({ kind: "failed", error });
  await Promise.all(waiting);
  expect(told.slice(1)).toEqual([
    { state: "failed", error },
    { state: "failed", error },
  ]);
});

test("a wait ends with CANCELLED, with CLOSED, and with unknown when the mailbox is removed", async () => {
  const rig = await Rig.with(["work"]);
  await rig.enqueue("work", message("a"));
  const controller = new AbortController();
  const { signal } = controller;
  const cancelled = rig.broker.queues.track("work", 1, { wait: true, signal });
  const removed = rig.broker.queues.track("work", 1, { wait: true });
  const other = rig.engine.connect();
  const closed = other.queues.track("work", 1, { wait: true });
  controller.abort();
  await expect(rig.run(cancelled)).rejects.toMatchObject({ code: "CANCELLED" });
  void other.close();
  await expect(rig.run(closed)).rejects.toMatchObject({ code: "CLOSED" });
  await rig.run(rig.broker.queues.remove(["work"]));
  expect(await rig.run(removed)).toEqual({ state: "unknown" });
});

test("every one of 5,000 outcomes is found, in whatever order they came about", async () => {
  const rig = await Rig.with(["work"]);
  const random = new SeededRandom(5);
  const total = 5_000;
  await rig.enqueue("work", ...Array.from({ length: total }, (_, index) => message(String(index))));
  const reader = rig.receive("work", { credit: total });
  const left = [...(await reader.take())];
  const expected = new Map<number, MessageState>();
  while (left.length > 0) {
    const settlements = Array.from({ length: 1 + (random.uint32() % 40) }, () => {
      const [delivery] = left.splice(random.uint32() % Math.max(1, left.length), 1);
      return delivery;
    })
      .filter((delivery) => delivery !== undefined)
      .map((delivery) => {
        const result = bytes(`result of ${text(delivery.frame)}`);
        const outcome: Outcome =
          random.uint32() % 3 === 0 ? { kind: "done" } : { kind: "done", result };
        expected.set(delivery.position, { state: "done", ...outcomeResult(outcome) });
        return settlement(delivery, outcome);
      });
    await rig.run(rig.broker.queues.settle(settlements));
  }
  await rig.restart();
  for (const [position, state] of expected) {
    expect(normal(await rig.broker.queues.track("work", position))).toEqual(normal(state));
  }
}, 60_000);

test("outcomes are given up by age, and then nothing is claimed to be known of those messages", async () => {
  const rig = await Rig.with(["work"], { resultRetentionMs: 10_000 });
  const reader = rig.receive("work");
  await rig.enqueue("work", message("a"), message("b"));
  await reader.settle({ kind: "failed", error });
  await rig.clock.advance(9_000);
  await rig.enqueue("work", message("c"), message("d"));
  await reader.settle({ kind: "failed", error });
  await rig.clock.advance(2_000);
  await traffic(rig);
  expect(await track(rig, 1)).toEqual({ state: "unknown" });
  expect(await track(rig, 4)).toEqual({ state: "failed", error });
  await rig.restart();
  expect(await track(rig, 2)).toEqual({ state: "unknown" });
});

test("outcomes are given up by their bytes, the oldest first", async () => {
  const rig = await Rig.with(["work"], { resultBytesMax: 10_000 });
  const reader = rig.receive("work");
  for (let round = 0; round < 30; round++) {
    await rig.enqueue("work", message("a"));
    await reader.settle({ kind: "done", result: new Uint8Array(1_000) });
  }
  await traffic(rig);
  const states = [];
  for (let position = 1; position <= 30; position++)
    states.push((await track(rig, position)).state);
  expect(states.slice(0, 21)).toEqual(states.slice(0, 21).map(() => "unknown"));
  expect(states.slice(-9)).toEqual(states.slice(-9).map(() => "done"));
  const kept = rig.memory.scan("outcome", 0, 0, Number.MAX_SAFE_INTEGER, { rows: 1_000 });
  expect(kept.reduce((bytes, { value }) => bytes + value.length, 0)).toBeLessThan(11_000);
});

/** Groups, between which what is too old or too much is given up. */
async function traffic(rig: Rig): Promise<void> {
  for (let group = 0; group < 5; group++) {
    await rig.enqueue("work", message("traffic"));
    await rig.clock.advance(1_001);
  }
}

function outcomeResult(outcome: Outcome): { readonly result?: Uint8Array } {
  return outcome.kind === "done" && outcome.result !== undefined ? { result: outcome.result } : {};
}

/** Bytes as text, because a view of a row is not equal to the array it was made from. */
function normal(state: MessageState): unknown {
  return "result" in state && state.result !== undefined
    ? { ...state, result: text(state.result) }
    : state;
}
