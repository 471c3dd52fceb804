/** How far messages may have been offered is stored before they are, so that after a crash of the server the rest is known to be untouched. */
import { test as anyTest, expect, onTestFinished, vi } from "vitest";
import type { Broker, Delivery, Guarantee } from "../../../src/broker/broker.ts";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { lastOf, readPage } from "../../../src/broker/nats/jetstream.ts";
import { natsSettings } from "../../../src/broker/nats/options.ts";
import { endMarks, OfferedMarks } from "../../../src/broker/nats/queues/offered-marks.ts";
import { Publisher } from "../../../src/broker/nats/queues/publisher.ts";
import { QueueSubjects } from "../../../src/broker/nats/queues/subjects.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const test = anyTest.skipIf(missingServer("nats"));
const waiting = { timeout: 30_000, interval: 5 };
const queue = "jobs";

async function startServer(): Promise<NatsServer> {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  return server;
}

async function open(servers: string): Promise<Broker> {
  const broker = await openNatsBroker({ servers, leaseMs: 2_000 });
  onTestFinished(() => broker.close());
  return broker;
}

async function openLink(server: NatsServer) {
  const link = await NatsLink.open(natsSettings({ servers: server.url }));
  onTestFinished(() => link.close());
  return { link, subjects: new QueueSubjects(link.names), publisher: new Publisher(link) };
}

function receive(broker: Broker, credit: number) {
  const ends = new AbortController();
  onTestFinished(() => ends.abort());
  const deliveries: Delivery[] = [];
  const ended = (async () => {
    const options = { credit, consumer: "tester" };
    for await (const batch of broker.queues.receive(queue, options, ends.signal)) {
      deliveries.push(...batch);
    }
  })();
  ended.catch(() => {});
  return deliveries;
}

async function enqueue(broker: Broker, count: number, guarantee: Guarantee, key?: string) {
  const messages = Array.from({ length: count }, (_, index) => ({
    frame: Uint8Array.of(index % 256),
    lane: 2 as const,
    guarantee,
    id: `job ${index}`,
    ...(key === undefined ? {} : { key }),
  }));
  const outcomes = await broker.queues.enqueue(queue, messages);
  expect(outcomes.filter(({ kind }) => kind !== "stored")).toEqual([]);
}

/** A receiver that has five messages in hand and vanishes, and a server that is killed right after that. */
async function vanish(server: NatsServer, count: number, guarantee: Guarantee) {
  const proxy = await FaultProxy.open({
    target: { port: server.port },
    random: systemRandom,
  });
  onTestFinished(() => proxy.close());
  const vanishing = await open(`nats://127.0.0.1:${proxy.port}`);
  await vanishing.queues.declare([queue]);
  await enqueue(vanishing, count, guarantee);
  const held = receive(vanishing, 5);
  await vi.waitFor(() => expect(held).toHaveLength(5), waiting);
  await proxy.close();
  await server.kill();
  await server.start();
  return held;
}

const attemptOf = ({ position, fence }: Delivery) => fence - position * 4_096;

test("after a crash only what may have been offered begins with a record, and with a higher fence", async () => {
  const server = await startServer();
  const count = 4_000;
  const held = await vanish(server, count, "at-least-once");
  const received = receive(await open(server.url), count);
  await vi.waitFor(() => expect(received).toHaveLength(count), waiting);
  const byPosition = new Map(received.map((delivery) => [delivery.position, delivery]));
  expect(byPosition.size).toBe(count);
  for (const { position, fence } of held) {
    expect(byPosition.get(position)?.fence).toBeGreaterThan(fence);
  }
  const again = received.filter((delivery) => attemptOf(delivery) > 0);
  expect(again.length).toBeGreaterThanOrEqual(held.length);
  expect(again.length).toBeLessThan(count / 2 + 100);
  const { link, subjects } = await openLink(server);
  const { messages, pending } = await readPage(link, "state", subjects.records(queue), 1);
  // One more where one came that there was no room for, and went back in time.
  expect([0, 1]).toContain(messages.length + pending - again.length);
  for (const { attempts } of received) {
    expect(attempts).toMatchObject({ failures: 0, pickups: 0 });
    expect(attempts.crashes).toBeLessThanOrEqual(1);
  }
});

test("sent at most once: what was in somebody's hands is lost, what was in nobody's is not", async () => {
  const server = await startServer();
  const count = 4_000;
  const held = await vanish(server, count, "at-most-once");
  const broker = await open(server.url);
  const received = receive(broker, count);
  const isOver = async () => {
    const [mailbox] = await broker.queues.mailboxes();
    return mailbox?.waiting === received.length;
  };
  await expect.poll(isOver, { timeout: 30_000 }).toBe(true);
  const positions = new Set(received.map(({ position }) => position));
  expect(held.filter(({ position }) => positions.has(position))).toEqual([]);
  expect(received.length).toBeGreaterThan(count / 2 - 100);
});

test("what a client had parked is not offered by it and by another after a crash of the server", async () => {
  const server = await startServer();
  const count = 12;
  const one = await open(server.url);
  await one.queues.declare([queue]);
  await enqueue(one, count, "at-least-once", "key");
  const first = receive(one, 1);
  await vi.waitFor(() => expect(first).toHaveLength(1), waiting);
  await server.kill();
  await server.start();
  const second = receive(await open(server.url), count);
  const done: number[] = [];
  const take = async (from: Delivery[]) => {
    const [delivery] = from.splice(0, 1);
    if (delivery === undefined) return;
    // Nobody else has one of the key meanwhile.
    expect([...first, ...second]).toEqual([]);
    const outcome = { kind: "done" } as const;
    const [settled] = await one.queues.settle([{ ...delivery, outcome }]);
    if (settled?.kind === "settled") done.push(delivery.position);
  };
  while (done.length < count) {
    await vi.waitFor(() => expect(first.length + second.length).toBeGreaterThan(0), waiting);
    await take(first.length > 0 ? first : second);
  }
  expect(done).toEqual([...done].sort((a, b) => a - b));
  expect(new Set(done).size).toBe(count);
});

test("marks of several clients only rise, and cover what they are said to", async () => {
  const server = await startServer();
  const clients = await Promise.all([1, 2, 3].map(() => openLink(server)));
  const [{ link, subjects }] = clients as [(typeof clients)[0]];
  const storedMark = async () => {
    const [message] = await lastOf(link, "state", [subjects.offered(queue)]);
    return (JSON.parse(new TextDecoder().decode(message?.data)) as { marks: number[] }).marks;
  };
  await Promise.all(
    clients.map(async ({ link, subjects, publisher }, index) => {
      const marks = new OfferedMarks(link, subjects, publisher, queue);
      expect(marks.covers(1, 1)).toBe(false);
      for (let position = index + 1; position < 40_000; position += 777) {
        await marks.cover(1, position);
        expect(marks.covers(1, position)).toBe(true);
        expect((await storedMark())[1]).toBeGreaterThanOrEqual(position);
      }
    }),
  );
  const [zero, one] = await storedMark();
  expect(zero).toBe(0);
  expect(one).toBeLessThan(40_000 + 2 ** 18);
});

test("few messages among many of other queues cost few writings", async () => {
  const { link, subjects, publisher } = await openLink(await startServer());
  const marks = new OfferedMarks(link, subjects, publisher, queue);
  const first = (await lastOf(link, "state", [subjects.offered(queue)]))[0]?.seq ?? 0;
  const count = 2_000;
  for (let index = 0; index < count; index++) {
    const position = 1 + index * 1_000;
    if (!marks.covers(0, position)) await marks.cover(0, position);
  }
  const last = (await lastOf(link, "state", [subjects.offered(queue)]))[0]?.seq ?? 0;
  expect(last - first).toBeLessThan(40);
});

test("the marks of a mailbox that was removed end, unless it is received from again", async () => {
  const server = await startServer();
  const { link, subjects, publisher } = await openLink(server);
  const stored = async () => (await lastOf(link, "state", [subjects.offered(queue)]))[0];
  await endMarks(link, subjects, queue);
  expect(await stored()).toBeUndefined();
  const marks = new OfferedMarks(link, subjects, publisher, queue);
  await marks.cover(3, 50);
  const before = await marks.found();
  expect((await stored())?.header("Nats-TTL")).toBe("");
  await endMarks(link, subjects, queue);
  expect((await stored())?.header("Nats-TTL")).toBe("86400s");

  // Who looks at it until then sees it as it was.
  const other = new OfferedMarks(link, subjects, publisher, queue);
  expect((await other.found())[3]).toBeGreaterThanOrEqual(50);
  expect(other.covers(3, 50)).toBe(false);
  await other.cover(3, 50);
  expect((await stored())?.header("Nats-TTL")).toBe("");
  expect(before[3]).toBe(0);
  marks.removed();
  expect(marks.covers(3, 50)).toBe(false);
  await marks.cover(3, 50);
});

test("what somebody else has written there counts as everything so far, and is replaced", async () => {
  const server = await startServer();
  const broker = await open(server.url);
  await broker.queues.declare([queue]);
  await enqueue(broker, 30, "at-least-once");
  const { link, subjects, publisher } = await openLink(server);
  for (const text of [
    "",
    "{}",
    '{"marks":[1,2]}',
    '{"marks":[1,2,3,"x"]}',
    '{"marks":[1,2,3,-4]}',
  ]) {
    const payload = new TextEncoder().encode(text);
    await publisher.publish({ subject: subjects.offered(queue), payload }, "test");
    const marks = new OfferedMarks(link, subjects, publisher, queue);
    expect(await marks.found()).toEqual([31, 31, 31, 31]);
    await marks.cover(0, 32);
    const again = new OfferedMarks(link, subjects, publisher, queue);
    expect((await again.found())[0]).toBeGreaterThanOrEqual(32);
    expect((await again.found())[2]).toBe(31);
  }
});
