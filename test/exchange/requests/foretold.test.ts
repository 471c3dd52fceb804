/** Controls pass data that waits: what is said of a request that has not come yet must become true. */
import { type Agent, join, type Network } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import type { Envelope } from "../../../src/message/envelope.ts";
import { decodeMessage, encodeMessage } from "../../../src/message/envelope-codec.ts";
import { decodePayload, encodePayload } from "../../../src/message/payload.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

let clock: VirtualClock;
let net: Network;
let handler: Agent;
/** Another process, whose messages are made by hand. */
let raw: Broker;
let heard: { readonly name: string; readonly kind: string; readonly data: unknown }[];
let starts: number;

const self = { agent: "asker", type: "agent", instance: "raw" };

beforeEach(async () => {
  clock = new VirtualClock();
  const broker = openMemoryBroker({ clock });
  raw = broker.connect();
  net = await clock.until(join({ broker, clock, drainOnSignals: false, onError: () => {} }));
  handler = await clock.until(net.agent("handler"));
  [heard, starts] = [[], 0];
  handler.handle("work", () => ++starts);
  const hear = (_topic: string, frame: Uint8Array) => {
    const { envelope, payload } = decodeMessage(frame);
    const { name, kind } = envelope;
    heard.push({ name, kind, data: decodePayload(payload) });
  };
  const never = new AbortController().signal;
  await clock.until(raw.topics.subscribe("_inbox.raw", hear, never));
});

afterEach(async () => {
  await clock.until(net.close());
  await clock.until(raw.close());
});

async function send(envelope: Partial<Envelope>, data?: unknown): Promise<void> {
  const whole: Envelope = {
    id: "request-1",
    version: "1.0.0",
    kind: "request",
    name: "work",
    from: self,
    to: ["agent:handler"],
    createdMs: clock.nowMs(),
    priority: "normal",
    replyTo: "_inbox.raw",
    ...envelope,
  };
  const frame = encodeMessage(whole, encodePayload(data));
  raw.topics.publish([{ topic: `_inbox.${net.instance}`, frame }]);
  await clock.advance(10);
}

const control = (name: string) =>
  send(
    { id: `${name}-${heard.length}`, kind: "control", name, correlationId: "request-1" },
    {
      sentAgoMs: 5,
    },
  );

test("a request that was cancelled before it came is not started, and every cancel is told the same", async () => {
  await control("cancel");
  await send({});
  await control("cancel");
  expect(starts).toBe(0);
  const verdict = { name: "verdict", kind: "control" };
  const data = { ask: "cancel", outcome: "not-started" };
  expect(heard).toEqual([
    { ...verdict, data },
    { ...verdict, data },
  ]);
});

test("a request that was missing is started once, however often it comes then", async () => {
  await control("inquiry");
  await send({});
  await send({});
  expect(starts).toBe(1);
  await control("inquiry");
  expect(heard.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
    "control missing",
    "response work",
    "response work",
  ]);
  await control("cancel");
  expect(heard.at(-1)?.data).toEqual({ ask: "cancel", outcome: "done" });
});

test("what was given up because its asker seemed gone is not called missing when the asker asks", async () => {
  handler.handle("hold", () => new Promise<never>(() => {}));
  await send({ name: "hold" });
  await control("cancel");
  await control("inquiry");
  expect(heard.map(({ name }) => name)).toEqual(["verdict", "forgotten"]);
});

test("what was cancelled before it came is refused when the asker asks, and may go elsewhere", async () => {
  await control("cancel");
  await control("inquiry");
  expect(heard.map(({ name }) => name)).toEqual(["verdict", "refused"]);
});

test("what nobody can know any more is not called missing", async () => {
  await send({});
  await clock.advance(31_000);
  await send({ id: "request-2" });
  await send(
    { id: "late", kind: "control", name: "inquiry", correlationId: "request-1" },
    { sentAgoMs: 31_100 },
  );
  expect(heard.at(-1)?.name).toBe("forgotten");
  await send(
    { id: "later", kind: "control", name: "look", correlationId: "request-1" },
    { sentAgoMs: 31_100 },
  );
  expect(heard.at(-1)?.data).toEqual({ ask: "look", outcome: "unknown" });
});
