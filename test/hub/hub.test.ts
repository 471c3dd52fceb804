/** A hub and its sessions, in one thread on a virtual clock. */
import { expect, test } from "vitest";
import type { Delivery } from "../../src/broker/broker.ts";
import {
  readGoodbye,
  writeGoodbye,
  writeHello,
  writeResumed,
} from "../../src/broker/hub/operations/greeting.ts";
import { readNumbered, writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import {
  readDropped,
  writePublish,
  writeSubscribe,
} from "../../src/broker/hub/operations/topics.ts";
import { ColloquyError } from "../../src/errors.ts";
import { type FrameType, frameTypes } from "../../src/message/frame.ts";
import { processIdentity } from "../../src/runtime/process.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { sleep } from "../../src/runtime/sleep.ts";
import { deliveriesOf, inWorld, message, never, receiveOn, takeOne } from "./support/hub-world.ts";
import { RawClient, someone } from "./support/raw-client.ts";

test(
  "bytes that are no frames end that link alone, with the reason",
  inWorld({}, async (world) => {
    const fine = await world.client("fine");
    const hostile = await world.raw("hostile");
    await hostile.greet();
    hostile.link.send(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    const goodbye = await hostile.until(frameTypes.GOODBYE);
    expect(readGoodbye(goodbye)).toMatchObject({ code: "INVALID_VERSION" });
    await hostile.ended;
    expect(await fine.queues.mailboxes()).toMatchObject([{ queue: "jobs" }]);
  }),
);

test(
  "whatever frames a client makes up, the hub outlives them and serves others",
  inWorld({}, async (world) => {
    const fine = await world.client("fine");
    const random = new SeededRandom(19);
    const types = Object.values(frameTypes);
    for (let session = 0; session < 400; session++) {
      const hostile = await world.raw(`hostile ${session}`);
      await hostile.greet({ ...someone, incarnation: `hostile ${session}` });
      hostile.write((writer) => {
        for (let count = 0; count < 8; count++) {
          const frame = writer.begin(types[random.uint32() % types.length] as FrameType);
          for (let left = random.uint32() % 40; left > 0; left--) writer.uint8(random.uint32() % 4);
          writer.endHeader(frame);
          for (let left = random.uint32() % 40; left > 0; left--) writer.uint8(random.uint32());
          writer.end(frame);
        }
      });
      await sleep(world.clock, 1);
      hostile.link.destroy();
    }
    expect(await fine.queues.enqueue("jobs", [message])).toMatchObject([{ kind: "stored" }]);
  }),
);

test(
  "a frame that only a hub may send ends the link",
  inWorld({}, async (world) => {
    const hostile = await world.raw("hostile");
    await hostile.greet();
    hostile.write((writer) => {
      const frame = writer.begin(frameTypes.WELCOME);
      writer.endHeader(frame);
      writer.end(frame);
    });
    const goodbye = await hostile.until(frameTypes.GOODBYE);
    expect(readGoodbye(goodbye)).toMatchObject({ code: "INVALID_MESSAGE" });
  }),
);

test(
  "who says nothing of himself is not waited for",
  inWorld({ limits: { helloTimeoutMs: 1_000 } }, async (world) => {
    const silent = await world.raw("silent");
    await silent.ended;
    expect(world.clock.monotonicMs()).toBeLessThan(1_100);
  }),
);

test(
  "a client of another protocol version is told so",
  inWorld({}, async (world) => {
    const other = await world.raw("other");
    other.write((writer) => {
      const frame = writer.begin(frameTypes.HELLO);
      writer.text(JSON.stringify({ protocol: 99, ...someone }));
      writer.endHeader(frame);
      writer.end(frame);
    });
    const goodbye = await other.until(frameTypes.GOODBYE);
    expect(readGoodbye(goodbye)).toMatchObject({ code: "INVALID_VERSION" });
  }),
);

test(
  "who is refused learns why",
  inWorld(
    {
      authenticate: async ({ name }) => {
        if (name === "stranger") throw new ColloquyError("UNAUTHORIZED", "who are you?");
        return { name };
      },
    },
    async (world) => {
      await expect(world.client("stranger")).rejects.toMatchObject({
        code: "UNAUTHORIZED",
        message: "who are you?",
      });
      await world.client("friend");
    },
  ),
);

test(
  "links above the limit of strangers are not taken",
  inWorld({ limits: { strangersMax: 1 } }, async (world) => {
    await world.raw("first");
    await expect(world.client("second")).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
  }),
);

test(
  "sessions above the limit are refused",
  inWorld({ limits: { sessionsMax: 1 } }, async (world) => {
    await world.client("first");
    await expect(world.client("second")).rejects.toMatchObject({ code: "RATE_LIMITED" });
  }),
);

test(
  "a slow reader loses live publications and is told how many; others lose none",
  inWorld({ limits: { liveBacklogBytesMax: 100_000 } }, async (world) => {
    const publisher = await world.client("publisher");
    const attentive = await world.client("attentive");
    let heard = 0;
    await attentive.topics.subscribe("news", () => heard++, never);
    const slow = await world.raw("slow", false);
    slow.write((writer) => writeHello(writer, someone));
    await sleep(world.clock, 10);
    slow.write((writer) => writeSubscribe(writer, 1, "news"));
    await sleep(world.clock, 10);

    const frame = new Uint8Array(10_000);
    for (let count = 0; count < 200; count++) {
      publisher.topics.publish([{ topic: "news", frame }]);
      await sleep(world.clock, 1);
    }
    expect(heard).toBe(200);
    const reasons: boolean[] = [];
    const onUnheard = (noRoom: boolean) => reasons.push(noRoom);
    attentive.topics.publish(["news", "other"].map((topic) => ({ topic, frame, onUnheard })));
    await sleep(world.clock, 1);
    expect(reasons).toEqual([true, false]);

    const reading = new RawClient(slow.link);
    await sleep(world.clock, 1_000);
    const { count: dropped, subscription } = readDropped(await reading.until(frameTypes.DROPPED));
    expect(subscription).toBe(1);
    const received = reading.frames.filter(({ type }) => type === frameTypes.PUBLISH).length;
    expect(dropped).toBeGreaterThan(0);
    expect(received + dropped).toBe(201);
  }),
);

test(
  "control publications pass data that waits for a slow reader",
  inWorld({}, async (world) => {
    const publisher = await world.client("publisher");
    const slow = await world.raw("slow", false);
    slow.write((writer) => writeHello(writer, someone));
    await sleep(world.clock, 10);
    slow.write((writer) => writeSubscribe(writer, 1, "news"));
    await sleep(world.clock, 10);
    const frame = new Uint8Array(100_000);
    for (let count = 0; count < 30; count++) publisher.topics.publish([{ topic: "news", frame }]);
    await sleep(world.clock, 100);
    publisher.topics.publish([{ topic: "news", frame: Uint8Array.of(1), control: true }]);
    await sleep(world.clock, 100);
    const reading = new RawClient(slow.link);
    await sleep(world.clock, 1_000);
    const sizes = reading.frames
      .filter(({ type }) => type === frameTypes.PUBLISH)
      .map(({ payload }) => payload.length);
    expect(sizes).toHaveLength(31);
    expect(sizes.indexOf(1)).toBeLessThan(30);
  }),
);

test(
  "a control publication for which there is no room ends the link instead of being lost",
  inWorld({ limits: { backlogBytesMax: 200_000 } }, async (world) => {
    const publisher = await world.client("publisher");
    const slow = await world.raw("slow", false);
    slow.write((writer) => writeHello(writer, someone));
    await sleep(world.clock, 10);
    slow.write((writer) => writeSubscribe(writer, 1, "news"));
    await sleep(world.clock, 10);
    expect(world.hub.sessions).toBe(2);
    const frame = new Uint8Array(50_000);
    for (let count = 0; count < 30; count++) {
      publisher.topics.publish([{ topic: "news", frame, control: true }]);
      await sleep(world.clock, 1);
    }
    await sleep(world.clock, 1_500);
    expect(world.hub.sessions).toBe(1);
  }),
);

test(
  "a PONG comes behind what is said of publications before its PING",
  inWorld({}, async (world) => {
    const client = await world.raw("client");
    await client.greet();
    client.write((writer) => {
      writePublish(writer, 1, "unheard", Uint8Array.of(1), false);
      writeNumbered(writer, frameTypes.PING, 2);
    });
    await client.until(frameTypes.PONG);
    const types = client.frames.slice(1).map(({ type }) => type);
    expect(types).toEqual([frameTypes.UNHEARD, frameTypes.PONG]);
  }),
);

test(
  "durable deliveries to a slow reader wait; none is lost",
  inWorld({ limits: { deliveryBacklogBytesMax: 100_000 } }, async (world) => {
    const producer = await world.client("producer");
    const slow = await world.raw("slow", false);
    slow.write((writer) => writeHello(writer, someone));
    await sleep(world.clock, 10);
    receiveOn(slow, []);
    const frame = new Uint8Array(50_000);
    for (let count = 0; count < 40; count++) {
      await producer.queues.enqueue("jobs", [{ ...message, frame }]);
    }
    const reading = new RawClient(slow.link);
    await sleep(world.clock, 1_000);
    expect(deliveriesOf(reading)).toHaveLength(40);
  }),
);

test(
  "a link that breaks keeps what it holds for a grace, then it counts as a crash",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const doomed = await world.raw("doomed");
    await doomed.greet();
    receiveOn(doomed, []);
    await doomed.until(frameTypes.DELIVER);
    doomed.link.destroy();
    const begunMs = world.clock.monotonicMs();
    const again = await takeOne(producer);
    expect(world.clock.monotonicMs() - begunMs).toBeGreaterThanOrEqual(1_000);
    expect(again.attempts).toEqual({ failures: 0, pickups: 0, crashes: 1 });
  }),
);

test(
  "a goodbye gives back what was held at once, and it is no crash",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const leaving = await world.raw("leaving");
    await leaving.greet();
    receiveOn(leaving, []);
    await leaving.until(frameTypes.DELIVER);
    const begunMs = world.clock.monotonicMs();
    leaving.write((writer) => writeGoodbye(writer));
    const again = await takeOne(producer);
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
    expect(again.attempts).toEqual({ failures: 0, pickups: 1, crashes: 0 });
  }),
);

test(
  "the goodbye of a client that closes gets there, however long its way is",
  inWorld({}, async (world) => {
    world.network.setConditions("leaving", "hub", { latencyMs: 20 });
    const leaving = await world.client("leaving");
    await leaving.topics.subscribe("news", () => {}, never);
    const staying = await world.client("staying");
    const begunMs = world.clock.monotonicMs();
    await leaving.close();
    await sleep(world.clock, 25);
    await new Promise<void>((resolve) => {
      const onUnheard = (): void => resolve();
      staying.topics.publish([{ topic: "news", frame: Uint8Array.of(1), onUnheard }]);
    });
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
  }),
);

test(
  "what a process held that is dead is given back at once",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const dead = await world.raw("dead");
    // Above the largest id that Linux gives.
    await dead.greet({ ...someone, host: processIdentity().host, process: 2 ** 22 + 1 });
    receiveOn(dead, []);
    await dead.until(frameTypes.DELIVER);
    const begunMs = world.clock.monotonicMs();
    dead.link.destroy();
    const again = await takeOne(producer);
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
    expect(again.attempts).toEqual({ failures: 0, pickups: 0, crashes: 1 });
  }),
);

test(
  "a second session of one incarnation keeps what it claims, and the rest goes back",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message, message]);
    const first = await world.raw("first");
    await first.greet();
    receiveOn(first, []);
    await first.until(frameTypes.DELIVER);
    const [kept, given] = deliveriesOf(first) as [Delivery, Delivery];

    const second = await world.raw("second");
    await second.greet();
    await first.ended;
    receiveOn(second, [kept], 1);
    second.write(writeResumed);
    const again = await takeOne(producer);
    expect(again.position).toBe(given.position);
    expect(again.attempts).toEqual({ failures: 0, pickups: 1, crashes: 0 });
    const settlement = { ...kept, outcome: { kind: "done" } } as const;
    expect(await producer.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  }),
);

test(
  "a client that is silent too long loses what it holds",
  inWorld({ limits: { silenceMsMax: 6_000 } }, async (world) => {
    const producer = await world.client("producer");
    const holder = await world.client("holder");
    await producer.queues.enqueue("jobs", [message]);
    await takeOne(holder);
    world.network.block("holder", "hub");
    const begunMs = world.clock.monotonicMs();
    const again = await takeOne(producer);
    expect(world.clock.monotonicMs() - begunMs).toBeGreaterThanOrEqual(5_000);
    expect(again.attempts.crashes).toBe(1);
  }),
);

test(
  "a client that is silent too long, and whose link stands, loses what it holds",
  inWorld({ limits: { silenceMsMax: 6_000 } }, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const silent = await world.raw("silent");
    await silent.greet();
    receiveOn(silent, []);
    await silent.until(frameTypes.DELIVER);
    const begunMs = world.clock.monotonicMs();
    expect((await takeOne(producer)).attempts.crashes).toBe(1);
    expect(world.clock.monotonicMs() - begunMs).toBeGreaterThanOrEqual(5_000);
    await silent.ended;
  }),
);

test(
  "a client that only listens is not silent",
  inWorld({ limits: { silenceMsMax: 6_000 } }, async (world) => {
    const producer = await world.client("producer");
    const holder = await world.client("holder");
    await producer.queues.enqueue("jobs", [message]);
    const held = await takeOne(holder);
    await sleep(world.clock, 60_000);
    const settlement = { ...held, outcome: { kind: "done" } } as const;
    expect(await holder.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  }),
);

test(
  "a publication that nobody hears is told, and one that somebody hears is not",
  inWorld({}, async (world) => {
    const raw = await world.raw("raw");
    await raw.greet();
    const listener = await world.client("listener");
    await listener.topics.subscribe("heard", () => {}, never);
    raw.write((writer) => {
      writePublish(writer, 1, "heard", Uint8Array.of(1), false);
      writePublish(writer, 2, "unheard", Uint8Array.of(1), false);
    });
    expect(readNumbered(await raw.until(frameTypes.UNHEARD))).toBe(2);
    await sleep(world.clock, 100);
    expect(raw.frames.filter(({ type }) => type === frameTypes.UNHEARD)).toHaveLength(1);
  }),
);

test(
  "a hub that closes says goodbye, and its clients find the next one",
  inWorld({}, async (world) => {
    const client = await world.client("client");
    const statuses = client.statuses(never)[Symbol.asyncIterator]();
    await statuses.next();
    await world.hub.close();
    expect(await statuses.next()).toMatchObject({ value: { kind: "lost" } });
  }),
);
