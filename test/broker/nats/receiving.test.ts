/** Receivers that cannot begin: what is for good they are told, all else is tried again. */
import { connect } from "@nats-io/transport-node";
import { test as anyTest, expect, onTestFinished } from "vitest";
import type { Broker } from "../../../src/broker/broker.ts";
import type { NatsClient } from "../../../src/broker/nats/client.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import type { Clock } from "../../../src/runtime/clock.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing, type Published } from "../support/losing-client.ts";
import { standingClock } from "../support/standing-clock.ts";

const test = anyTest.skipIf(missingServer("nats"));
const message = { frame: Uint8Array.of(1), lane: 2, guarantee: "at-least-once", id: "m" } as const;
const requestTimeoutMs = 300;
/** The client itself waits for a second. */
const patient = { timeout: 10_000 };
const consumerCreation = "$JS.API.CONSUMER.DURABLE.CREATE.";

/** Resolves with how many came first. */
async function receive({ queues }: Broker): Promise<number> {
  const { signal } = new AbortController();
  for await (const batch of queues.receive("q", { credit: 1, consumer: "c" }, signal)) {
    return batch.length;
  }
  return 0;
}

test("who may not receive is told", { timeout: 60_000 }, async () => {
  const denied = `permissions: { publish: { deny: "$JS.API.CONSUMER.DURABLE.CREATE.>" } }`;
  const more = `authorization { users: [{ user: "u", password: "p", ${denied} }] }`;
  const server = await NatsServer.start({ more });
  onTestFinished(() => server.remove());
  const broker = await openNatsBroker({ servers: server.url, user: "u", pass: "p" });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["q"]);
  await expect(receive(broker)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("a receiver that the server did not answer begins when it does", {
  timeout: 60_000,
}, async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const client = await connect({ servers: server.url });
  onTestFinished(() => client.close());
  let asked = 0;
  const { clock, skip } = standingClock();
  // Each of the four consumers is asked for twice before that is given up.
  const loses = ({ subject }: Published) => {
    if (!subject.startsWith(consumerCreation) || ++asked > 16) return false;
    skip(requestTimeoutMs);
    return true;
  };
  const broker = await openNatsBroker({
    client: losing(client as unknown as NatsClient, loses),
    clock,
    requestTimeoutMs,
  });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["q"]);
  await broker.queues.enqueue("q", [message]);
  expect(await receive(broker)).toBe(1);
  expect(asked).toBeGreaterThan(16);
});

test("a receiver whose second try was lost with the connection is tried again", {
  timeout: 60_000,
}, async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const client = await connect({ servers: server.url });
  onTestFinished(() => client.close());
  let asked = 0;
  let retries = 0;
  const { clock, skip } = standingClock();
  // The second try does not begin before the connection is lost.
  const setTimer: Clock["setTimer"] = (delayMs, run) => {
    const isSecond = delayMs === 500 && ++retries === 1;
    return clock.setTimer(isSecond ? 2 ** 30 : delayMs, run);
  };
  // Both times each of the four consumers is asked for twice.
  const loses = ({ subject }: Published) => {
    if (!subject.startsWith(consumerCreation) || ++asked > 16) return false;
    skip(requestTimeoutMs);
    return true;
  };
  const broker = await openNatsBroker({
    client: losing(client as unknown as NatsClient, loses),
    clock: { ...clock, setTimer },
    requestTimeoutMs,
  });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["q"]);
  await broker.queues.enqueue("q", [message]);
  const received = receive(broker);
  await expect.poll(() => retries).toBe(1);
  await client.reconnect();
  expect(await received).toBe(1);
  expect(asked).toBeGreaterThan(16);
});

test("a receiver whose consumers are deleted again and again listens no more than before", {
  timeout: 60_000,
}, async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const broker = await openNatsBroker({ servers: server.url, name: "receiver" });
  onTestFinished(() => broker.close());
  const { queues } = broker;
  await queues.declare(["q"]);
  let settled = 0;
  const ends = new AbortController();
  onTestFinished(() => ends.abort());
  void (async () => {
    for await (const batch of queues.receive("q", { credit: 9, consumer: "c" }, ends.signal)) {
      await queues.settle(batch.map((each) => ({ ...each, outcome: { kind: "done" } })));
      // Nothing of it is asked of its consumer any more.
      settled += batch.length;
    }
  })();
  const admin = await connect({ servers: server.url });
  onTestFinished(() => admin.close());
  const namesOf = async () => {
    const answer = await admin.request("$JS.API.CONSUMER.NAMES.colloquy_work", "", patient);
    return answer.json<{ readonly consumers: readonly string[] }>().consumers;
  };
  const subscriptions = async () => {
    const answer = await fetch(`${server.monitorUrl}/connz`);
    const { connections } = (await answer.json()) as {
      readonly connections: readonly { readonly name?: string; readonly subscriptions: number }[];
    };
    return connections.find(({ name }) => name === "receiver")?.subscriptions ?? 0;
  };
  /** Through every lane, so that each has its consumer. */
  const send = async (round: number) => {
    const lanes = ([0, 1, 2, 3] as const).map((lane) => ({ ...message, lane, id: `${round}` }));
    await queues.enqueue("q", lanes);
    await expect.poll(() => settled).toBe(4 * (round + 1));
  };
  await send(0);
  const before = await subscriptions();
  for (let round = 1; round < 4; round++) {
    for (const name of await namesOf()) {
      await admin.request(`$JS.API.CONSUMER.DELETE.colloquy_work.${name}`, "", patient);
    }
    await send(round);
  }
  await expect.poll(subscriptions).toBe(before);
});

test("nobody receives whom others cannot see", { timeout: 60_000 }, async () => {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const broker = await openNatsBroker({ servers: server.url });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["q"]);
  await broker.queues.enqueue("q", [message]);
  const admin = await connect({ servers: server.url });
  onTestFinished(() => admin.close());
  const limitEntries = async (max_msgs: number) => {
    const info = await admin.request("$JS.API.STREAM.INFO.colloquy_volatile", "", patient);
    const config = { ...info.json<{ readonly config: object }>().config, max_msgs };
    const name = "$JS.API.STREAM.UPDATE.colloquy_volatile";
    const answer = await admin.request(name, JSON.stringify(config), patient);
    expect(answer.json()).not.toHaveProperty("error");
  };
  // No room for the entry of a receiver.
  await broker.store?.put([
    { key: "a", value: message.frame, volatile: true },
    { key: "b", value: message.frame, volatile: true },
  ]);
  await limitEntries(2);
  let refusals = 0;
  admin.subscribe("colloquy.r.>", { callback: () => void refusals++ });
  await admin.flush();
  const received = receive(broker);
  await expect.poll(() => refusals).toBeGreaterThan(1);
  const consumers = await admin.request("$JS.API.CONSUMER.NAMES.colloquy_work", "", patient);
  expect(consumers.json()).toMatchObject({ total: 0 });
  await limitEntries(-1);
  expect(await received).toBe(1);
});
