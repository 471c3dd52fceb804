/** Whoever has sent a message hears how it ends. */
import { connect } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import type { Broker, QueuedMessage } from "../../../src/broker/broker.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());

async function open(prefix: string): Promise<{ sender: Broker; receiver: Broker }> {
  const servers = server?.url ?? "";
  const sender = await openNatsBroker({ servers, prefix });
  onTestFinished(() => sender.close());
  const receiver = await openNatsBroker({ servers, prefix });
  onTestFinished(() => receiver.close());
  await sender.queues.declare(["work"]);
  return { sender, receiver };
}

async function send(sender: Broker, more: Partial<QueuedMessage> = {}): Promise<number> {
  const message = {
    frame: Uint8Array.of(1),
    lane: 2,
    guarantee: "at-least-once",
    id: "1",
  } as const;
  const [outcome] = await sender.queues.enqueue("work", [{ ...message, ...more }]);
  if (outcome?.kind !== "stored") throw new Error(JSON.stringify(outcome));
  return outcome.position;
}

/** The result of each message is its frame. */
function work(receiver: Broker): void {
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const options = { credit: 16, consumer: "worker" };
  const receiving = async () => {
    for await (const batch of receiver.queues.receive("work", options, ending.signal)) {
      const settlements = batch.map((delivery) => {
        return { ...delivery, outcome: { kind: "done", result: delivery.frame } } as const;
      });
      await receiver.queues.settle(settlements);
    }
  };
  // Its broker is closed under it in the end.
  receiving().catch(() => {});
}

test("who waits for one message after the other asks the server for nothing after the first", async () => {
  const { sender, receiver } = await open("tracks-fresh");
  work(receiver);
  const final = async () => sender.queues.track("work", await send(sender), { wait: true });
  expect(await final()).toMatchObject({ state: "done" });
  // What receivers ask is about records.
  const asked: string[] = [];
  const listener = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => listener.close());
  listener.subscribe("$JS.API.DIRECT.GET.*", {
    callback: (_error, { subject }) => {
      if (!subject.endsWith("_state")) asked.push(subject);
    },
  });
  await listener.flush();
  for (let round = 1; round <= 20; round++) expect(await final()).toMatchObject({ state: "done" });
  await listener.flush();
  expect(asked).toEqual([]);
});

test("an end that comes before anybody waits for it is known", async () => {
  const { sender, receiver } = await open("tracks-early");
  work(receiver);
  const wait = (position: number) => sender.queues.track("work", position, { wait: true });
  await wait(await send(sender));
  for (const bytes of [1, 100_000]) {
    const position = await send(sender, { frame: new Uint8Array(bytes) });
    await expect
      .poll(async () => (await receiver.queues.track("work", position)).state)
      .toBe("done");
    expect(await wait(position)).toMatchObject({ state: "done", result: { length: bytes } });
  }
});

test("a message that nobody receives expires for who waits for it, at its time", async () => {
  const { sender, receiver } = await open("tracks-expiry");
  const stop = new AbortController();
  const first = sender.queues.track("work", await send(sender), { wait: true });
  const options = { credit: 1, consumer: "worker" };
  for await (const batch of receiver.queues.receive("work", options, stop.signal)) {
    await receiver.queues.settle(batch.map((one) => ({ ...one, outcome: { kind: "done" } })));
    stop.abort();
  }
  expect(await first).toEqual({ state: "done" });
  const position = await send(sender, { expiresAtMs: Date.now() + 300 });
  const state = await sender.queues.track("work", position, { wait: true });
  expect(state).toMatchObject({ state: "expired", error: { code: "EXPIRED" } });
});

test("what ends while the sender has no connection is known when it has one again", async () => {
  const own = await NatsServer.start();
  onTestFinished(() => own.remove());
  const sender = await openNatsBroker({ servers: own.url, prefix: "tracks-lost" });
  onTestFinished(() => sender.close());
  await sender.queues.declare(["work"]);
  work(sender);
  const wait = (position: number) => sender.queues.track("work", position, { wait: true });
  await wait(await send(sender));
  await own.stop();
  const sending = send(sender).then(wait);
  await own.start();
  expect(await sending).toMatchObject({ state: "done" });
});
