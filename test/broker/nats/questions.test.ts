/** Questions that the handler of a message asks, and what connections that break do to their answers. */
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import type { Answer, Broker, Delivery, Notice } from "../../../src/broker/broker.ts";
import { type NatsBrokerOptions, openNatsBroker } from "../../../src/broker/nats/index.ts";
import { peerMs } from "../../../src/broker/nats/queues/hub.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing, type Published } from "../support/losing-client.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());

const queue = "work";
const question = { kind: "waiting-input", number: 1, question: Uint8Array.of(7) } as const;
const answer: Answer = { number: 1, data: Uint8Array.of(8) };

interface BehindProxy {
  readonly broker: Broker;
  readonly proxy: FaultProxy;
}

async function openProxy() {
  const target = { port: server?.port ?? 0 };
  const proxy = await FaultProxy.open({ target, random: new SeededRandom(1) });
  onTestFinished(() => proxy.close());
  return { proxy, servers: `nats://127.0.0.1:${proxy.port}` };
}

/** Clients of one space, and all that passes the server. */
class Space {
  readonly heard: string[] = [];
  readonly notices: Notice[] = [];
  readonly #prefix: string;
  readonly #ending = new AbortController();

  private constructor(prefix: string) {
    this.#prefix = prefix;
    onTestFinished(() => this.#ending.abort());
  }

  static async open(prefix: string): Promise<Space> {
    const space = new Space(prefix);
    const listener = await connect({ servers: server?.url ?? "" });
    onTestFinished(() => listener.close());
    listener.subscribe(">", {
      callback: (_error, { data }) => {
        space.heard.push(Buffer.from(data).toString());
      },
    });
    await listener.flush();
    return space;
  }

  async hears(part: string): Promise<void> {
    await expect.poll(() => this.heard.some((text) => text.includes(part))).toBe(true);
  }

  async client(options: NatsBrokerOptions = { servers: server?.url ?? "" }): Promise<Broker> {
    const broker = await openNatsBroker({ ...options, prefix: this.#prefix, leaseMs: 3_000 });
    onTestFinished(() => broker.close());
    return broker;
  }

  async clientBehindProxy(): Promise<BehindProxy> {
    const { proxy, servers } = await openProxy();
    return { proxy, broker: await this.client({ servers }) };
  }

  /** One that hears nothing from the moment in which it first stores an answer. */
  async clientThatIsCutOff(): Promise<BehindProxy> {
    const { proxy, servers } = await openProxy();
    const client = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    onTestFinished(() => client.close());
    let isCutOff = false;
    const cutsOff = ({ payload }: Published) => {
      if (!isCutOff && Buffer.from(payload).includes('"answer"')) {
        isCutOff = true;
        proxy.set("to-client", { blackHole: true });
      }
      return false;
    };
    return { proxy, broker: await this.client({ client: losing(client, cutsOff) }) };
  }

  /** Goes on receiving. */
  async receive({ queues }: Broker): Promise<Delivery> {
    const options = {
      credit: 1,
      consumer: "worker",
      onNotice: (notice: Notice) => void this.notices.push(notice),
    };
    const deliveries = queues.receive(queue, options, this.#ending.signal);
    const { value } = await deliveries[Symbol.asyncIterator]().next();
    return value[0];
  }

  /** A message whose handler waits for an answer. */
  async asked(): Promise<{ readonly holder: Broker; readonly delivery: Delivery }> {
    const holder = await this.client();
    await holder.queues.declare([queue]);
    const message = { frame: Uint8Array.of(1), lane: 2, guarantee: "at-least-once", id: "1" };
    await holder.queues.enqueue(queue, [message as never]);
    const delivery = await this.receive(holder);
    const reports = await holder.queues.report([{ ...delivery, ...question }]);
    expect(reports).toEqual([{ kind: "taken" }]);
    return { holder, delivery };
  }
}

test("a question is not told again that was answered while receivers were asked about it", async () => {
  const space = await Space.open("questions-told");
  const { holder, delivery } = await space.asked();
  // Receives too, and answers nobody: so long they wait who ask all.
  const silent = await space.clientBehindProxy();
  space.heard.length = 0;
  space.receive(silent.broker).catch(() => {});
  await space.hears('"began"');
  silent.proxy.set("to-client", { blackHole: true });

  const follower = await space.clientBehindProxy();
  const seen: string[] = [];
  const ended = follower.broker.queues.track(queue, delivery.position, {
    wait: true,
    onChange: ({ state }) => seen.push(state),
  });
  await expect.poll(() => seen).toEqual(["waiting-input"]);
  space.heard.length = 0;
  follower.proxy.cut();
  // Asked again, the holder says that the handler waits for the answer.
  await space.hears('{"state":{"state":"waiting-input"');
  expect(await holder.queues.answer(queue, delivery.position, answer)).toBe("accepted");
  await expect.poll(() => seen).toEqual(["waiting-input", "started"]);
  await pause(peerMs + 200);
  expect(seen).toEqual(["waiting-input", "started"]);
  await holder.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
  expect(await ended).toEqual({ state: "done" });
});

test("an answer is not called too late that may have been taken before the connection broke", async () => {
  const space = await Space.open("questions-lost");
  const { holder, delivery } = await space.asked();
  const { broker, proxy } = await space.clientThatIsCutOff();
  const answering = broker.queues.answer(queue, delivery.position, answer);
  const unclear = expect(answering).rejects.toMatchObject({ code: "INDETERMINATE" });
  await space.hears('"answer"');
  const settlement = { ...delivery, outcome: { kind: "done" } } as const;
  expect(await holder.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  proxy.cut();
  proxy.set("to-client", {});
  await unclear;
});

test("an answer reaches its handler where who gave it dies as soon as it is stored", async () => {
  const space = await Space.open("questions-dead");
  const { delivery } = await space.asked();
  const { broker, proxy } = await space.clientThatIsCutOff();
  broker.queues.answer(queue, delivery.position, answer).catch(() => {});
  await space.hears('"answer"');
  await proxy.close();
  await expect
    .poll(() => space.notices)
    .toMatchObject([{ kind: "input", answer: { number: 1, data: Buffer.from(answer.data) } }]);
});
