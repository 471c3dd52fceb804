/** How messages are put into streams: alone while few wait, together when many do, each of them once. */
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { readPage, type StoredMessage } from "../../../src/broker/nats/jetstream.ts";
import { type NatsBrokerOptions, natsSettings } from "../../../src/broker/nats/options.ts";
import { Publisher } from "../../../src/broker/nats/queues/publisher.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());
let prefixes = 0;

async function open(options: NatsBrokerOptions = {}) {
  const prefix = `publisher-${++prefixes}`;
  const settings = natsSettings({ servers: server?.url ?? "", prefix, ...options });
  const link = await NatsLink.open(settings);
  onTestFinished(() => link.close());
  const publisher = new Publisher(link);
  const publish = (id: string) =>
    publisher.publish(
      {
        subject: `${link.names.prefix}.w.q.test`,
        payload: new TextEncoder().encode(id),
        headers: { "Nats-Msg-Id": id },
      },
      "test",
    );
  return { link, publish };
}

async function stored(link: NatsLink): Promise<readonly StoredMessage[]> {
  const found: StoredMessage[] = [];
  for (let from = 1, pending = 1; pending > 0; ) {
    const page = await readPage(link, "work", `${link.names.prefix}.w.>`, from);
    found.push(...page.messages);
    from = (page.messages.at(-1)?.seq ?? 0) + 1;
    pending = page.messages.length === 0 ? 0 : page.pending;
  }
  return found;
}

const text = ({ data }: StoredMessage) => new TextDecoder().decode(data);
const batchOf = (message: StoredMessage) => message.header("Nats-Batch-Id");
const ids = (count: number) => Array.from({ length: count }, (_, index) => `m${index}`);

test("few messages go alone, many together, and all in their order", async () => {
  const { link, publish } = await open();
  await Promise.all(ids(5).map(publish));
  expect((await stored(link)).map(batchOf)).toEqual(["", "", "", "", ""]);
  const many = Array.from({ length: 2_500 }, (_, index) => `n${index}`);
  const outcomes = await Promise.all(many.map(publish));
  const found = (await stored(link)).slice(5);
  expect(found.map(text)).toEqual(many);
  expect(outcomes.map(({ seq }) => seq)).toEqual(found.map(({ seq }) => seq));
  expect(new Set(found.map(batchOf)).size).toBeLessThan(10);
});

test("a batch in which one was there before is sent again one by one", async () => {
  const { link, publish } = await open();
  const first = await publish("m50");
  const outcomes = await Promise.all(ids(100).map(publish));
  expect(outcomes[50]).toMatchObject({ seq: first.seq, duplicate: true });
  expect(outcomes.filter(({ duplicate }) => duplicate)).toHaveLength(1);
  const expected = ["m50", ...ids(100).filter((id) => id !== "m50")];
  expect((await stored(link)).map(text)).toEqual(expected);
});

test("whatever breaks on the way, each message is stored once", async () => {
  const proxy = await FaultProxy.open({
    target: { port: server?.port ?? 0 },
    random: systemRandom,
  });
  onTestFinished(() => proxy.close());
  const servers = `nats://127.0.0.1:${proxy.port}`;
  const { link, publish } = await open({ servers, backoffMaxMs: 20, connectTimeoutMs: 1_000 });
  const outcomes: Promise<{ readonly seq: number }>[] = [];
  for (let round = 0; round < 12; round++) {
    const names = Array.from({ length: 300 }, (_, index) => `r${round}.${index}`);
    outcomes.push(...names.map(publish));
    await new Promise((resolve) => setTimeout(resolve, 15 * Math.random()));
    proxy.cut("reset");
  }
  const positions = (await Promise.all(outcomes)).map(({ seq }) => seq);
  const found = await stored(link);
  expect(new Set(found.map(text)).size).toBe(3_600);
  expect(found).toHaveLength(3_600);
  expect(new Set(positions).size).toBe(3_600);
});
