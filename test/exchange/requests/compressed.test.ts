/** Large payloads between processes, over a real socket: compressed with what everybody reads. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathOf } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { join, type Network } from "colloquy";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import { openHubBroker } from "../../../src/broker/hub.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Listener } from "../../../src/link/link.ts";
import { connectUnix, listenUnix } from "../../../src/link/unix.ts";
import type { Envelope } from "../../../src/message/envelope.ts";
import { decodeMessage, encodeMessage } from "../../../src/message/envelope-codec.ts";
import { compressions, type Message } from "../../../src/message/message.ts";
import { decodePayload } from "../../../src/message/payload.ts";
import { systemClock as clock } from "../../../src/runtime/clock.ts";
import { Deferred } from "../../../src/runtime/deferred.ts";
import { systemRandom as random } from "../../../src/runtime/random.ts";

const directory = mkdtempSync(pathOf(tmpdir(), "colloquy-compressed-"));
const url = `unix:${directory}/hub.sock`;
const store = openMemoryBroker();
const hub = new Hub({ broker: store, clock, id: "hub" });
let listener: Listener;
let net: Network;
/** A client without agents, which says what it likes and sees every byte. */
let raw: Broker;

beforeAll(async () => {
  listener = await listenUnix(`${directory}/hub.sock`, (link) => hub.accept(link));
  net = await join(url, { drainOnSignals: false });
  raw = await openHubBroker({
    connect: connectUnix(`${directory}/hub.sock`),
    clock,
    random,
    name: "raw",
  });
});

afterAll(async () => {
  await raw.close();
  await net.close();
  await hub.close();
  await listener.close();
  await store.close();
  rmSync(directory, { recursive: true });
});

/** The next message that is published to `topic`. */
async function nextAt(topic: string): Promise<{ readonly next: Promise<Message> }> {
  const next = new Deferred<Message>();
  const over = new AbortController();
  await raw.topics.subscribe(
    topic,
    (_topic, frame) => {
      over.abort();
      next.resolve(decodeMessage(Uint8Array.from(frame)));
    },
    over.signal,
  );
  return { next: next.promise };
}

test("a payload of 8 KiB or more is gzip on the wire, unless zstd was chosen", async () => {
  const lines = Array.from({ length: 1_000 }, (_none, index) => `line ${index}`);
  await using chosen = await join(url, {
    drainOnSignals: false,
    compression: { algorithm: "zstd" },
  });
  for (const [each, number] of [
    [net, compressions.gzip],
    [chosen, compressions.zstd],
  ] as const) {
    const heard = await nextAt("lines");
    const agent = await each.agent(`writer-${number}`);
    await agent.publish("lines", lines);
    const { payload } = await heard.next;
    expect(payload.compression).toBe(number);
    expect(decodePayload(payload)).toEqual(lines);
  }
});

test("a request that is a bomb is refused by its agent's process, which goes on", async () => {
  const worker = await net.agent("worker");
  const inputs: unknown[] = [];
  worker.handle("take", (input) => {
    inputs.push(input);
    return "taken";
  });
  const instance = net.agents().find(({ id }) => id === "worker")?.instance as string;
  const zeros = new Uint8Array(2 ** 24);
  const bombs = { gzip: gzipSync(zeros), zstd: zstdCompressSync(zeros) };
  for (const name of ["gzip", "zstd"] as const) {
    const envelope: Envelope = {
      id: `bomb-${name}`,
      version: "1.0.0",
      kind: "request",
      name: "take",
      from: { agent: "stranger", type: "stranger", instance: "stranger" },
      to: ["agent:worker"],
      createdMs: clock.nowMs(),
      priority: "normal",
      replyTo: "_inbox.stranger",
    };
    const answered = await nextAt("_inbox.stranger");
    const payload = { codec: 2, compression: compressions[name], bytes: bombs[name] } as const;
    const frame = encodeMessage(envelope, payload);
    raw.topics.publish([{ topic: `_inbox.${instance}`, frame }]);
    const answer = await answered.next;
    expect(answer.envelope.kind).toBe("error");
    expect(decodePayload(answer.payload)).toMatchObject({
      code: "MESSAGE_TOO_LARGE",
      details: { field: "payload", limit: 2 ** 20 },
    });
  }
  await using others = await join(url, { drainOnSignals: false });
  const asker = await others.agent("asker");
  await others.waitFor({ id: "worker" });
  expect(await asker.request("agent:worker", "take", "a little")).toBe("taken");
  expect(inputs).toEqual(["a little"]);
});
