import { describe, expect, test } from "vitest";
import type { Broker, Capabilities, Effect, QueuedMessage } from "../../src/broker/broker.ts";
import { logOf, storeOf } from "../../src/broker/guarded.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { withRuntime } from "../../src/broker/runtime.ts";
import { brokerStatus } from "../../src/observe/signals.ts";
import { Deferred } from "../../src/runtime/deferred.ts";
import { limitedBroker } from "../../src/testing/limited-broker.ts";
import { NullBroker } from "../../src/testing/null-broker.ts";

const never = new AbortController().signal;
const frame = new Uint8Array(10);
const sound: QueuedMessage = { frame, lane: 2, guarantee: "at-least-once", id: "1" };
const claim = { queue: "q", position: 1, fence: 1 };
const error = { code: "HANDLER_FAILED", message: "planted", retryable: false } as const;

function guarded(capabilities: Partial<Capabilities> = {}): Promise<Broker> {
  return withRuntime(async () => limitedBroker(new NullBroker(), capabilities)).open();
}

const able = { priorities: true, delay: true, keyOrder: true, exactlyOnce: true };

async function drain(batches: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of batches);
}

test("a topic that nobody else hears is known through the guard, where the broker knows it", async () => {
  const broker = await withRuntime(async () => openMemoryBroker()).open();
  expect(broker.topics.reaches?.("orders.placed")).toBe(false);
  expect(broker.topics.onReached?.("orders.placed", async () => {})).toBeTypeOf("function");
  await broker.close();
  expect((await guarded()).topics.reaches).toBeUndefined();
});

describe("opening and closing", () => {
  test("callers share one opening, at the same time and later", async () => {
    let opened = 0;
    const runtime = withRuntime(async () => {
      opened++;
      return new NullBroker();
    });
    const [first, second] = await Promise.all([runtime.open(), runtime.open()]);
    expect(second).toBe(first);
    expect(await runtime.open()).toBe(first);
    expect(opened).toBe(1);
  });

  test("after a failure to open the next caller tries again", async () => {
    let attempts = 0;
    const runtime = withRuntime(async () => {
      if (++attempts === 1) throw new Error("planted");
      return new NullBroker();
    });
    await expect(runtime.open()).rejects.toThrow("planted");
    await expect(runtime.open()).resolves.toBeDefined();
  });

  test("the broker is closed once, however often and through whatever it is asked", async () => {
    let closed = 0;
    const inner = new NullBroker();
    const counting = Object.assign(Object.create(inner) as Broker, {
      close: () => {
        closed++;
        return inner.close();
      },
      statuses: (signal: AbortSignal) => inner.statuses(signal),
    });
    const runtime = withRuntime(() => Promise.resolve(counting));
    const broker = await runtime.open();
    await Promise.all([runtime.close(), broker.close(), runtime.close()]);
    await broker.close();
    expect(closed).toBe(1);
    await expect(runtime.open()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("closing during the opening closes what is then open", async () => {
    const opening = new Deferred<Broker>();
    const runtime = withRuntime(() => opening.promise);
    const broker = runtime.open();
    const closing = runtime.close();
    opening.resolve(new NullBroker());
    await closing;
    await expect((await broker).queues.mailboxes()).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("a runtime that was never opened closes without opening", async () => {
    const runtime = withRuntime(() => expect.unreachable());
    await runtime.close();
    await runtime.close();
  });

  test("after close nothing gets to the broker", async () => {
    const broker = await guarded();
    await broker.close();
    const refused = { code: "CLOSED" };
    await expect(broker.queues.enqueue("q", [sound])).rejects.toMatchObject(refused);
    await expect(broker.queues.settle([])).rejects.toMatchObject(refused);
    await expect(broker.queues.track("q", 1)).rejects.toMatchObject(refused);
    await expect(broker.topics.subscribe("a", () => {}, never)).rejects.toMatchObject(refused);
    const receiving = broker.queues.receive("q", { credit: 1, consumer: "late" }, never);
    await expect(drain(receiving)).rejects.toMatchObject(refused);
  });
});

describe("arguments", () => {
  const invalid = { code: "INVALID_OPTION" };
  const wrong: readonly (readonly [string, Partial<QueuedMessage>])[] = [
    ["lane", { lane: 4 as never }],
    ["lane", { lane: 0.5 as never }],
    ["guarantee", { guarantee: "maybe" as never }],
    ["id", { id: "" }],
    ["key", { key: "" }],
    ["key", { key: "x".repeat(1_025) }],
    ["id", { id: "x".repeat(257) }],
    ["key", { key: "\ud800" }],
    ["notBeforeMs", { notBeforeMs: Number.NaN }],
    ["expiresAtMs", { expiresAtMs: Number.POSITIVE_INFINITY }],
    ["frame", { frame: "text" as never }],
    ["origin.sequence", { origin: { incarnation: "a", sequence: 0, repeatsFrom: 0 } }],
    ["origin.incarnation", { origin: { incarnation: "", sequence: 1, repeatsFrom: 1 } }],
    ["origin.repeatsFrom", { origin: { incarnation: "a", sequence: 1, repeatsFrom: -1 } }],
  ];
  for (const [field, fields] of wrong) {
    test(`a message with ${field} ${JSON.stringify(Object.values(fields)[0])?.slice(0, 40)} is refused`, async () => {
      const { queues } = await guarded(able);
      const sending = queues.enqueue("q", [sound, { ...sound, ...fields }]);
      await expect(sending).rejects.toMatchObject({ ...invalid, details: { field } });
      const effects: Effect[] = [{ kind: "enqueue", queue: "q", message: { ...sound, ...fields } }];
      const settling = queues.settle([{ ...claim, outcome: { kind: "done" }, effects }]);
      await expect(settling).rejects.toMatchObject({ ...invalid, details: { field } });
    });
  }

  test("names as long as they may be pass, and longer ones do not", async () => {
    const { queues } = await guarded(able);
    const queue = "q".repeat(512);
    const sent = { ...sound, key: "é".repeat(1_024), id: "i".repeat(256) };
    await expect(queues.enqueue(queue, [sent])).resolves.toHaveLength(1);
    const wrongQueue = { code: "INVALID_ADDRESS", details: { field: "queue" } };
    await expect(queues.enqueue(`${queue}q`, [sent])).rejects.toMatchObject(wrongQueue);
    await expect(queues.declare(["ok", ""])).rejects.toMatchObject(wrongQueue);
    await expect(queues.remove([1 as never])).rejects.toMatchObject(wrongQueue);
  });

  test("a frame that is too long says how long it is and may be", async () => {
    const { queues } = await guarded({ frameBytesMax: 9 });
    const details = { field: "frame", bytes: 10, bytesMax: 9 };
    const tooLarge = { code: "MESSAGE_TOO_LARGE", details };
    await expect(queues.enqueue("q", [sound])).rejects.toMatchObject(tooLarge);
    const outcome = { kind: "done", result: frame } as const;
    const settling = queues.settle([{ ...claim, outcome }]);
    await expect(settling).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
  });

  test("credit, ranges, positions, fences and patterns are checked", async () => {
    const { queues, topics } = await guarded();
    const receive = (options: object) =>
      drain(queues.receive("q", { credit: 1, consumer: "x", ...options }, AbortSignal.abort()));
    await expect(receive({})).resolves.toBeUndefined();
    await expect(receive({ credit: 0 })).rejects.toMatchObject(invalid);
    await expect(receive({ credit: 1.5 })).rejects.toMatchObject(invalid);
    await expect(receive({ credit: 2 ** 20 + 1 })).rejects.toMatchObject(invalid);
    await expect(receive({ claims: [{ ...claim, fence: -1 }] })).rejects.toMatchObject(invalid);
    await expect(drain(queues.browse("q", { limit: 0 }, never))).rejects.toMatchObject(invalid);
    await expect(drain(queues.deadLetters({ after: -1 }, never))).rejects.toMatchObject(invalid);
    await expect(queues.track("q", -1)).rejects.toMatchObject(invalid);
    const outcome = { kind: "retry", delayMs: -1, error } as const;
    await expect(queues.settle([{ ...claim, outcome }])).rejects.toMatchObject(invalid);
    const subscribing = topics.subscribe("a..b", () => {}, never);
    await expect(subscribing).rejects.toMatchObject({ code: "INVALID_ADDRESS" });
    await expect(topics.subscribe("_inbox.1", () => {}, never)).resolves.toBeUndefined();
  });

  test("an outcome is one of those there are, with the error that belongs to it", async () => {
    const { queues } = await guarded(able);
    for (const kind of ["failed", "retry", "dead", "expired", "rescinded", "cancelled"] as const) {
      for (const wrong of [undefined, null, "no", {}, { ...error, code: "NONSENSE" }]) {
        const outcome = { kind, delayMs: 0, error: wrong as never };
        const refused = { ...invalid, details: { field: "error" } };
        await expect(queues.settle([{ ...claim, outcome }])).rejects.toMatchObject(refused);
      }
    }
    for (const outcome of [undefined, null, {}, { kind: "gone" }]) {
      const refused = { ...invalid, details: { field: "outcome" } };
      const settling = queues.settle([{ ...claim, outcome: outcome as never }]);
      await expect(settling).rejects.toMatchObject(refused);
    }
  });

  test("a retry and a release have no effects", async () => {
    const { queues } = await guarded(able);
    const effects: Effect[] = [{ kind: "publish", topic: "t", frame }];
    const retry = { kind: "retry", delayMs: 0, error } as const;
    for (const outcome of [retry, { kind: "release" } as const]) {
      const settling = queues.settle([{ ...claim, outcome, effects }]);
      await expect(settling).rejects.toMatchObject({ ...invalid, details: { field: "effects" } });
    }
  });

  test("an aborted signal is CANCELLED before anything is looked at", async () => {
    const { queues } = await guarded();
    const cancelled = { code: "CANCELLED" };
    const signal = AbortSignal.abort();
    await expect(queues.enqueue("", [], signal)).rejects.toMatchObject(cancelled);
    await expect(queues.track("q", 1, { signal })).rejects.toMatchObject(cancelled);
  });
});

describe("what a broker says that it cannot do", () => {
  const refused = (field: string) => ({ code: "UNSUPPORTED", details: { field } });
  const requests: readonly (readonly [string, Partial<QueuedMessage>, keyof typeof able])[] = [
    ["lane", { lane: 1 }, "priorities"],
    ["notBeforeMs", { notBeforeMs: 1 }, "delay"],
    ["key", { key: "k" }, "keyOrder"],
    ["guarantee", { guarantee: "exactly-once" }, "exactlyOnce"],
  ];
  for (const [field, fields, capability] of requests) {
    test(`is refused: ${field}`, async () => {
      const message = { ...sound, ...fields };
      const unable = await guarded({ ...able, [capability]: false });
      await expect(unable.queues.enqueue("q", [message])).rejects.toMatchObject(refused(field));
      const capable = await guarded(able);
      await expect(capable.queues.enqueue("q", [message])).resolves.toHaveLength(1);
    });
  }

  test("is refused: delayed retries, effects on a store and on a log", async () => {
    const { queues } = await guarded();
    const retry = (delayMs: number) =>
      queues.settle([{ ...claim, outcome: { kind: "retry", delayMs, error } }]);
    await expect(retry(1)).rejects.toMatchObject(refused("delayMs"));
    await expect(retry(0)).resolves.toEqual([{ kind: "stale" }]);
    const done = (effect: Effect) =>
      queues.settle([{ ...claim, outcome: { kind: "done" }, effects: [effect] }]);
    await expect(done({ kind: "put", key: "k" })).rejects.toMatchObject(refused("effects"));
    const append: Effect = { kind: "append", stream: "s", entries: [] };
    await expect(done(append)).rejects.toMatchObject(refused("effects"));
    const unknown = { kind: "explode" } as never;
    await expect(done(unknown)).rejects.toMatchObject({ code: "INVALID_OPTION" });
  });

  test("has no store and no log, and says which broker has none", async () => {
    const broker = await guarded();
    expect(broker.store).toBeUndefined();
    expect(broker.log).toBeUndefined();
    expect(() => storeOf(broker)).toThrow("the broker limited null has no store");
    expect(() => logOf(broker)).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
  });
});

describe("calls in flight", () => {
  test("are counted and bounded, and make room when they end, well or badly", async () => {
    const inner = new NullBroker();
    const answers: Deferred<never[]>[] = [];
    const slow: Broker = limitedBroker(inner, {});
    const queues = {
      ...inner.queues,
      mailboxes: () => {
        const answer = new Deferred<never[]>();
        answers.push(answer);
        return answer.promise;
      },
    };
    const broker = await withRuntime(async () => Object.assign(slow, { queues }), {
      callsInFlightMax: 2,
    }).open();
    const first = broker.queues.mailboxes();
    const second = broker.queues.mailboxes();
    expect(broker.callsInFlight).toBe(2);
    const details = { field: "callsInFlightMax", limit: 2 };
    const full = { code: "QUEUE_FULL", retryable: true, details };
    await expect(broker.queues.mailboxes()).rejects.toMatchObject(full);
    answers[0]?.resolve([]);
    answers[1]?.reject(new Error("planted"));
    await first;
    await expect(second).rejects.toThrow("planted");
    expect(broker.callsInFlight).toBe(0);
    await expect(broker.queues.track("q", -1)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(broker.callsInFlight).toBe(0);
    void broker.queues.mailboxes();
    expect(answers).toHaveLength(3);
  });

  test("a limit below one is refused before anything is opened", () => {
    const open = () => expect.unreachable();
    expect(() => withRuntime(open, { callsInFlightMax: 0 })).toThrow("callsInFlightMax: 0");
  });
});

test("the status of the broker is passed on, and signalled", async () => {
  const told: unknown[] = [];
  const stop = brokerStatus.listen((fact) => told.push(fact));
  try {
    const broker = await guarded();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { kind } of broker.statuses(never)) seen.push(kind);
    })();
    await broker.close();
    await following;
    expect(seen.at(-1)).toBe("closed");
    expect(told).toContainEqual({ broker: "limited null", status: "closed" });
  } finally {
    stop();
  }
});
