/** What docs/protocol.md says of agents, by what two networks of agents say to each other. */
import { expect, test } from "vitest";
import type { Broker, Publication, QueuedMessage } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { join } from "../../src/index.ts";
import type { Envelope } from "../../src/message/envelope.ts";
import { decodeMessage } from "../../src/message/envelope-codec.ts";
import { decodePayload } from "../../src/message/payload.ts";

import { Deferred } from "../../src/runtime/deferred.ts";

interface Said {
  readonly topic: string;
  readonly control: boolean;
  /** Wants to know whether it was heard. */
  readonly numbered: boolean;
  readonly envelope: Envelope;
  readonly value: unknown;
}

interface Queued {
  readonly queue: string;
  readonly message: QueuedMessage;
}

/** The same broker, and what is handed to it. */
function overheard(broker: Broker): { broker: Broker; said: Said[]; queued: Queued[] } {
  const said: Said[] = [];
  const queued: Queued[] = [];
  const publish = (publications: readonly Publication[]): void => {
    for (const { topic, frame, control = false, onUnheard } of publications) {
      const { envelope, payload } = decodeMessage(frame);
      const value = decodePayload(payload);
      said.push({ topic, control, numbered: onUnheard !== undefined, envelope, value });
    }
    broker.topics.publish(publications);
  };
  const { topics, queues } = broker;
  return {
    broker: {
      ...broker,
      topics: instead(topics, { publish }),
      queues: instead(queues, {
        enqueue: (queue, messages, ...more) => {
          queued.push(...messages.map((message) => ({ queue, message })));
          return queues.enqueue(queue, messages, ...more);
        },
      }),
      statuses: (signal) => broker.statuses(signal),
      close: () => broker.close(),
    },
    said,
    queued,
  };
}

function instead<Port extends object>(port: Port, methods: Partial<Port>): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const value = Reflect.get(methods, name) ?? Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("requests, answers, failures, controls and commands are what the page says", async () => {
  const shared = openMemoryBroker();
  const asking = overheard(shared.connect());
  const working = overheard(shared.connect());
  const options = { drainOnSignals: false, space: "north" } as const;
  await using askers = await join({ ...options, broker: asking.broker });
  await using workers = await join({ ...options, broker: working.broker });
  const desk = await askers.agent("desk");
  const analyst = await workers.agent("analyst", { type: "analyst" });
  analyst.handle("score", (input: unknown) => ({ scored: input }));
  analyst.handle("fail", () => {
    throw new RangeError("no prices");
  });
  analyst.handle("wait", (_input, { signal, progress }) => {
    progress("waiting");
    return new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  analyst.handle("count", async function* () {
    yield 1;
    yield 2;
  });
  await analyst.ready();
  await askers.waitFor({ id: "analyst" });

  await desk.request("type:analyst", "score", [1]);
  await desk.request("agent:analyst", "fail", undefined).catch(() => {});
  const chunks: unknown[] = [];
  for await (const chunk of desk.stream("agent:analyst", "count", undefined)) chunks.push(chunk);
  expect(chunks).toEqual([1, 2]);
  const waits = new Deferred();
  const call = desk.call("agent:analyst", "wait", undefined, { onProgress: () => waits.resolve() });
  call.result.catch(() => {});
  await waits.promise;
  await call.cancel();

  const requests = asking.said.filter(({ envelope }) => envelope.kind === "request");
  const inboxOf = (instance: string): string => `north._inbox.${instance}`;
  for (const { topic, numbered, control, envelope } of requests) {
    expect(envelope).toMatchObject({ to: ["agent:analyst"] });
    expect(envelope.replyTo).toBe(inboxOf(envelope.from.instance));
    expect({ numbered, control }).toEqual({ numbered: true, control: false });
    const answers = working.said.filter(
      ({ envelope: { correlationId } }) => correlationId === envelope.id,
    );
    expect(new Set([topic])).toEqual(
      new Set(answers.map((each) => inboxOf(each.envelope.from.instance))),
    );
    expect(new Set(answers.map((each) => each.topic))).toEqual(new Set([envelope.replyTo]));
  }
  const [score, fail, count] = requests.map(({ envelope: { id } }) => {
    return working.said.filter(
      ({ envelope: { correlationId, kind } }) => correlationId === id && kind !== "control",
    );
  });
  const kinds = (said: readonly Said[] | undefined) =>
    said?.map(({ envelope: { kind, name, sequence, status } }) => ({
      kind,
      name,
      sequence,
      status,
    }));
  const none = { sequence: undefined, status: undefined };
  expect(kinds(score)).toEqual([{ kind: "response", name: "score", ...none }]);
  expect(score?.[0]?.envelope.id).toBe(requests[0]?.envelope.id);
  expect(kinds(fail)).toEqual([{ kind: "error", name: "fail", ...none }]);
  expect(fail?.[0]?.value).toMatchObject({
    code: "HANDLER_FAILED",
    message: "no prices",
    retryable: false,
    details: { name: "RangeError" },
  });
  expect(requests[2]?.envelope.credit).toBe(100);
  expect(kinds(count)).toEqual([
    { kind: "response", name: "count", sequence: 1, status: "partial" },
    { kind: "response", name: "count", sequence: 2, status: "partial" },
    { kind: "response", name: "count", sequence: 2, status: undefined },
  ]);
  const controls = [...asking.said, ...working.said].filter(
    ({ envelope: { kind } }) => kind === "control",
  );
  for (const { control, envelope } of controls) {
    expect(control).toBe(true);
    expect(envelope.priority).toBe("critical");
    expect(requests.map(({ envelope: { id } }) => id)).toContain(envelope.correlationId);
    const fromAsker = envelope.from.agent === "desk";
    expect(envelope.replyTo, envelope.name).toBe(
      fromAsker ? inboxOf(envelope.from.instance) : undefined,
    );
  }
  const names = controls.map(({ envelope: { name } }) => name);
  expect(names).toEqual(expect.arrayContaining(["progress", "cancel", "verdict"]));
  const cancel = controls.find(({ envelope: { name } }) => name === "cancel");
  expect(cancel?.value).toEqual({ sentAgoMs: expect.any(Number) });

  const deliverAt = new Date(Date.now() + 60_000);
  const receipt = await desk.send("type:analyst", "score", [2], {
    guarantee: "exactly-once",
    priority: "high",
    key: "cust-456",
    deliverAt,
    ttlMs: 120_000,
  });
  const [{ queue, message } = {}] = asking.queued;
  const envelope = decodeMessage(message?.frame as Uint8Array).envelope;
  expect(envelope).toMatchObject({ kind: "command", to: ["type:analyst"], name: "score" });
  expect({ queue, ...message }).toMatchObject({
    queue: "north~type:analyst",
    lane: 1,
    id: envelope.id,
    key: "desk~cust-456",
    notBeforeMs: deliverAt.getTime(),
    expiresAtMs: envelope.createdMs + 120_000,
  });
  const [position = "", id, ...address] = receipt.id.split(",");
  expect([position, id, address.join(",")]).toEqual(["1", envelope.id, queue]);
});
