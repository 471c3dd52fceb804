/** How messages are put into streams: alone while few wait, together when many do, each of them once. */
import { connect, type MsgHdrs } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished, vi } from "vitest";
import { NatsLink } from "../../../src/broker/nats/connection.ts";
import { readPage, type StoredMessage } from "../../../src/broker/nats/jetstream.ts";
import { type NatsBrokerOptions, natsSettings } from "../../../src/broker/nats/options.ts";
import { Publisher } from "../../../src/broker/nats/queues/publisher.ts";
import { systemRandom } from "../../../src/runtime/random.ts";
import { FaultProxy } from "../../../src/testing/fault-proxy.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing } from "../support/losing-client.ts";
import { standingClock } from "../support/standing-clock.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());
let prefixes = 0;
/** After which an answer that was lost is given up. */
const requestTimeoutMs = 300;

async function open(options: NatsBrokerOptions = {}) {
  const prefix = `publisher-${++prefixes}`;
  const settings = natsSettings({ servers: server?.url ?? "", prefix, ...options });
  // Where it is short for the sake of what breaks, the time to connect may be too short now and then.
  const link = await vi.waitFor(() => NatsLink.open(settings), { timeout: 30_000 });
  onTestFinished(() => link.close());
  const publisher = new Publisher(link);
  const messageOf = (id: string) => ({
    subject: `${link.names.prefix}.w.q.test`,
    payload: new TextEncoder().encode(id),
    headers: { "Nats-Msg-Id": id },
  });
  const publish = (id: string) => publisher.publish(messageOf(id), "test");
  const publishInOrder = (id: string) => publisher.publish(messageOf(id), "test", true);
  const publishWithKey = (key: string, id: string) => {
    const message = messageOf(`${key}.${id}`);
    return publisher.publish({ ...message, subject: `${message.subject}.${key}` }, "test", true);
  };
  return { link, publish, publishInOrder, publishWithKey };
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

test("a batch that is refused for one of its messages is not overtaken by the next", async () => {
  const { link, publishInOrder } = await open();
  await publishInOrder("m500");
  const many = ids(1_500);
  await Promise.all(many.map(publishInOrder));
  const found = (await stored(link)).map(text);
  expect(found).toEqual(["m500", ...many.filter((id) => id !== "m500")]);
});

test.each([
  ["alone", 7],
  ["with others, and was refused with them", 100],
])("one whose answer is lost is not overtaken: it went %s", async (_, count) => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  let isLost = false;
  const { clock, skip } = standingClock();
  const client = losing(raw, ({ payload, isOfBatch }) => {
    if (isLost || isOfBatch || new TextDecoder().decode(payload) !== "m5") return false;
    isLost = true;
    skip(requestTimeoutMs);
    return true;
  });
  const { link, publishInOrder } = await open({ client, clock, requestTimeoutMs });
  // Known already: a batch with it is refused.
  if (count > 50) await publishInOrder("m50");
  const many = ids(count);
  await Promise.all(many.map(publishInOrder));
  expect(isLost).toBe(true);
  const found = (await stored(link)).map(text).filter((id) => id !== "m50");
  expect(found).toEqual(many.filter((id) => id !== "m50"));
});

test("what may have been stored and is refused later is not said to be refused", async () => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  let tries = 0;
  const client = losing(raw, ({ subject, payload }) => {
    if (!subject.endsWith(".w.q.test") || ++tries > 1) return false;
    // It is stored, and the answer is lost.
    raw.publish(subject, payload);
    return true;
  });
  const { clock, skip } = standingClock();
  const { link, publish } = await open({ client, clock, requestTimeoutMs });
  const outcome = publish("m").catch(({ code }: { readonly code: string }) => code);
  await expect.poll(async () => (await stored(link)).length).toBe(1);
  // From now on nobody answers to the subject.
  await link.api(`STREAM.DELETE.${link.names.streams.work}`);
  skip(requestTimeoutMs);
  await expect.poll(() => tries).toBeGreaterThan(2);
  skip(120_000);
  expect(await outcome).toBe("INDETERMINATE");
});

test("many of one key hold up nothing else, and are stored in their order", async () => {
  const { link, publish, publishInOrder, publishWithKey } = await open();
  const many = ids(8_000);
  let answered = 0;
  const count = () => {
    answered++;
  };
  const all = many.map(async (id) => publishInOrder(id).then(count));
  await Promise.all([publish("other"), publishWithKey("k", "other")]);
  expect(answered).toBeLessThan(3_000);
  // Not one by one, and the next of the key behind those before it.
  await Promise.all([...all, publishInOrder("last")]);
  const found = (await stored(link)).filter((message) => !text(message).endsWith("other"));
  expect(found.map(text)).toEqual([...many, "last"]);
  expect(new Set(found.map(batchOf)).size).toBeLessThan(20);
});

test("others come in between, however many of two keys fill all batches", async () => {
  const { publish, publishWithKey } = await open();
  let answered = 0;
  const keyed = ["a", "b"].flatMap((key) =>
    ids(6_000).map(async (id) => {
      await publishWithKey(key, id);
      answered++;
    }),
  );
  await Promise.all(ids(200).map(publish));
  expect(answered).toBeLessThan(9_000);
  await Promise.all(keyed);
});

test("few that come behind one of their key go as one batch", async () => {
  const { link, publishInOrder } = await open();
  await Promise.all(ids(11).map(publishInOrder));
  const found = await stored(link);
  expect(found.map(text)).toEqual(ids(11));
  expect(new Set(found.map(batchOf)).size).toBe(2);
});

test("those that wait for one of their key are rejected when the broker closes", async () => {
  const { link, publishInOrder, publishWithKey } = await open();
  const [first, ...others] = ids(10_000).map(publishInOrder);
  const settled = Promise.allSettled([...others, publishWithKey("k", "m")]);
  await first;
  await link.close();
  expect((await settled).at(-2)).toMatchObject({ reason: { code: "CLOSED" } });
});

test("those that wait for one of their key are stored in order, whatever breaks", async () => {
  const proxy = await FaultProxy.open({
    target: { port: server?.port ?? 0 },
    random: systemRandom,
  });
  onTestFinished(() => proxy.close());
  const servers = `nats://127.0.0.1:${proxy.port}`;
  const { link, publish, publishWithKey } = await open({
    servers,
    backoffMaxMs: 20,
    connectTimeoutMs: 1_000,
  });
  const outcomes: Promise<{ readonly seq: number }>[] = [];
  const names: string[] = [];
  for (let round = 0; round < 10; round++) {
    for (let index = 0; index < 120; index++) {
      const id = `${round}-${index}`;
      names.push(id);
      outcomes.push(publishWithKey("a", id), publishWithKey(`b${index % 10}`, id), publish(id));
    }
    await new Promise((resolve) => setTimeout(resolve, 15 * Math.random()));
    proxy.cut("reset");
  }
  const positions = (await Promise.all(outcomes)).map(({ seq }) => seq);
  expect(new Set(positions).size).toBe(3_600);
  const found = await stored(link);
  expect(found).toHaveLength(3_600);
  const ofKey = (key: string) =>
    found.map(text).flatMap((id) => (id.startsWith(`${key}.`) ? [id.slice(key.length + 1)] : []));
  expect(ofKey("a")).toEqual(names);
  for (let key = 0; key < 10; key++) {
    expect(ofKey(`b${key}`)).toEqual(names.filter((id) => Number(id.split("-")[1]) % 10 === key));
  }
});

test.each([
  ["its answer", true],
  ["its end", false],
])("a batch of one key that loses %s costs a few round trips", async (_, isStored) => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  let sent = 0;
  let isLost = false;
  const { clock, skip } = standingClock();
  const client = losing(raw, ({ subject, payload, headers }) => {
    if (subject.endsWith(".w.q.test")) sent++;
    if (isLost || headers?.get("Nats-Batch-Commit") !== "1") return false;
    isLost = true;
    skip(requestTimeoutMs);
    if (isStored) raw.publish(subject, payload, { headers: headers as MsgHdrs });
    return true;
  });
  const { link, publishInOrder } = await open({ client, clock, requestTimeoutMs });
  const many = ids(500);
  const outcomes = many.map(publishInOrder);
  await outcomes[1];
  // All others were sent together, not each when the one before it was answered.
  expect(isLost).toBe(true);
  expect(sent).toBe(1_000);
  const positions = (await Promise.all(outcomes)).map(({ seq }) => seq);
  const found = await stored(link);
  expect(found.map(text)).toEqual(many);
  expect(positions).toEqual(found.map(({ seq }) => seq));
});

test("one that was stored by itself says nothing of the batch in which it was lost", async () => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  const tries = new Map<string, number>();
  let isEndLost = false;
  const { clock, skip } = standingClock();
  const client = losing(raw, ({ subject, payload, isOfBatch, headers }) => {
    if (!subject.endsWith(".w.q.test")) return false;
    if (isOfBatch) {
      if (isEndLost || headers?.get("Nats-Batch-Commit") !== "1") return false;
      isEndLost = true;
      skip(requestTimeoutMs);
      return true;
    }
    const id = new TextDecoder().decode(payload);
    tries.set(id, (tries.get(id) ?? 0) + 1);
    // By itself the first is stored, and its answer is lost; the second is lost. The third tells.
    if ((id !== "m0" && id !== "m1") || tries.get(id) !== 1) return false;
    if (id === "m0") raw.publish(subject, payload, { headers: headers as MsgHdrs });
    skip(requestTimeoutMs);
    return true;
  });
  const { link, publishInOrder } = await open({ client, clock, requestTimeoutMs });
  const many = ids(30);
  await Promise.all(many.map(publishInOrder));
  expect((await stored(link)).map(text)).toEqual(many);
  expect(tries).toEqual(new Map(Object.entries({ m0: 2, m1: 2, m2: 1 })));
});

test("a message is tried as long as any other, however long it waited for one of its key", async () => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  const { clock, skip } = standingClock();
  const tries = new Map<string, number>();
  const client = losing(raw, ({ subject, payload }) => {
    if (!subject.endsWith(".w.q.test")) return false;
    const id = new TextDecoder().decode(payload);
    tries.set(id, (tries.get(id) ?? 0) + 1);
    if (id !== "m0" && tries.get(id) !== 1) return false;
    // No time is left for m0, and the first try of m1 is lost.
    skip(id === "m0" ? 120_000 : requestTimeoutMs);
    return true;
  });
  const { publishInOrder } = await open({ client, clock, requestTimeoutMs });
  const [first, second] = await Promise.allSettled(ids(2).map(publishInOrder));
  expect(first).toMatchObject({ reason: { code: "INDETERMINATE" } });
  expect(second).toMatchObject({ status: "fulfilled" });
  expect(tries.get("m1")).toBe(2);
});

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
