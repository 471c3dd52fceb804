/** What topics do over a real server beyond the cases of conformance. */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import type { NatsClient } from "../../../src/broker/nats/client.ts";
import { type NatsBrokerOptions, openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
// A reader that stands still for a moment is not cut off.
const server = isMissing ? undefined : await NatsServer.start({ more: "max_pending: 256MB" });
afterAll(() => server?.remove());

async function open(options: NatsBrokerOptions = {}) {
  const broker = await openNatsBroker({ servers: server?.url ?? "", prefix: "topics", ...options });
  onTestFinished(() => broker.close());
  return broker;
}

type Opened = Awaited<ReturnType<typeof open>>;

async function hear({ topics }: Opened, pattern: string) {
  const heard: [string, boolean | undefined][] = [];
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  await topics.subscribe(
    pattern,
    (topic, _, control) => void heard.push([topic, control]),
    controller.signal,
  );
  return heard;
}

const frame = new Uint8Array([1]);

test("no wildcard hears a token that begins with _", async () => {
  const [broker, publisher] = [await open(), await open()];
  const everything = await hear(broker, ">");
  const one = await hear(broker, "a.*");
  const inner = await hear(broker, "_inbox.*");
  for (const topic of ["_inbox.a", "a._b", "a.b._c", "a.b", "end"]) {
    publisher.topics.publish([{ topic, frame }]);
  }
  await expect.poll(() => everything.map(([topic]) => topic)).toEqual(["a.b", "end"]);
  expect(one.map(([topic]) => topic)).toEqual(["a.b"]);
  expect(inner.map(([topic]) => topic)).toEqual(["_inbox.a"]);
});

test("that a publication is urgent arrives with it", async () => {
  const [broker, publisher] = [await open(), await open()];
  const heard = await hear(broker, "t");
  const onUnheard = () => {};
  publisher.topics.publish([
    { topic: "t", frame },
    { topic: "t", frame, control: true },
    { topic: "t", frame, onUnheard },
    { topic: "t", frame, control: true, onUnheard },
  ]);
  await expect
    .poll(() => heard.map(([, control]) => control === true))
    .toEqual([false, true, false, true]);
});

test("a connection that is there already is used, hears nothing of its own, and is not closed", async () => {
  const client: NatsConnection = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => client.close());
  const own = await open({ client: client satisfies NatsClient });
  const other = await open();
  const heard = await hear(own, "t");
  const unheard: string[] = [];
  const onUnheard = () => void unheard.push("t");
  own.topics.publish([
    { topic: "t", frame },
    { topic: "t", frame, control: true },
  ]);
  own.topics.publish([{ topic: "nobody", frame, onUnheard }]);
  other.topics.publish([{ topic: "t", frame }]);
  await expect.poll(() => heard.length).toBe(1);
  await expect.poll(() => unheard).toEqual(["t"]);
  await own.close();
  expect(client.isClosed()).toBe(false);
  await client.flush();
});

test("a frame that is too long, or on no topic, is refused before any is published", async () => {
  const [broker, publisher] = [await open(), await open()];
  const heard = await hear(broker, "t");
  const long = new Uint8Array(publisher.capabilities.frameBytesMax + 1);
  expect(() =>
    publisher.topics.publish([
      { topic: "t", frame },
      { topic: "t", frame: long },
    ]),
  ).toThrow(expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }));
  expect(() =>
    publisher.topics.publish([
      { topic: "t", frame },
      { topic: "a b", frame },
    ]),
  ).toThrow(expect.objectContaining({ code: "INVALID_ADDRESS" }));
  publisher.topics.publish([{ topic: "t", frame, control: true }]);
  await expect.poll(() => heard).toEqual([["t", true]]);
});

test("there is no room while as much is on its way as may be, and then there is", async () => {
  const [broker, publisher] = [await open(), await open()];
  const long = new Uint8Array(publisher.capabilities.frameBytesMax);
  let lost = 0;
  const onUnheard = (noRoom: boolean) => {
    if (noRoom) lost++;
  };
  const heard = await hear(broker, "t");
  const publications = Array.from({ length: 80 }, () => ({ topic: "t", frame: long, onUnheard }));
  publisher.topics.publish(publications);
  expect(publisher.topics.hasRoom?.()).toBe(false);
  await expect.poll(() => lost + heard.length).toBe(80);
  expect(lost).toBeGreaterThan(0);
  await expect.poll(() => publisher.topics.hasRoom?.()).toBe(true);
});

test("a subscription that may not be is refused", async () => {
  const guarded = await NatsServer.start({
    more: `authorization { users: [ { user: a, password: x, permissions: {
      subscribe: { deny: ["topics.t.secret.>"] } } } ] }`,
  });
  onTestFinished(() => guarded.remove());
  const broker = await open({ servers: guarded.url.replace("//", "//a:x@") });
  const { signal } = new AbortController();
  await expect(broker.topics.subscribe("secret.>", () => {}, signal)).rejects.toMatchObject({
    code: "FORBIDDEN",
  });
  await broker.topics.subscribe("public.>", () => {}, signal);
});
