/** What one session may make a hub keep, and what it is told beyond that: on a virtual clock. */
import { expect, test } from "vitest";
import type { Broker, Log, StoreChange } from "../../src/broker/broker.ts";
import { writeAwait } from "../../src/broker/hub/operations/await.ts";
import { writeCall } from "../../src/broker/hub/operations/call.ts";
import { readGoodbye, writeHello } from "../../src/broker/hub/operations/greeting.ts";
import { writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { frameTypes } from "../../src/message/frame.ts";
import type { FrameWriter } from "../../src/message/frame-writer.ts";
import { sleep } from "../../src/runtime/sleep.ts";
import { inWorld, message, never, receiveOn, takeOne } from "./support/hub-world.ts";
import { someone } from "./support/raw-client.ts";

test(
  "a client that follows many logs without news is answered what it asks",
  inWorld({}, async (world) => {
    const client = await world.client("client");
    for (let count = 0; count < 100; count++) {
      const reading = client.log?.read(`s${count}`, 1, { follow: true }, never);
      void reading?.[Symbol.asyncIterator]().next();
    }
    const hangs = sleep(world.clock, 10_000).then(() => "hangs");
    const asked = client.queues.mailboxes();
    expect(await Promise.race([asked, hangs])).toMatchObject([{ queue: "jobs" }]);
  }),
);

test(
  "readings that are given up before their first piece are not open any more",
  inWorld({}, async (world) => {
    const client = await world.client("client");
    // One more than a session may have open.
    for (let count = 0; count <= 4_096; count++) {
      const stop = new AbortController();
      const reading = client.log?.read("s", 1, { follow: true }, stop.signal);
      const ended = reading?.[Symbol.asyncIterator]().next();
      await sleep(world.clock, 1);
      stop.abort();
      await ended;
    }
    const hangs = sleep(world.clock, 10_000).then(() => "hangs");
    const read = client.log?.read("empty", 1, {}, never)[Symbol.asyncIterator]().next();
    expect(await Promise.race([read, hangs])).toMatchObject({ done: true });
  }),
);

test(
  "the number of a reading is in use until it has ended",
  inWorld({}, async (world) => {
    await world.log.append("s", [Uint8Array.of(1)]);
    const client = await world.raw("client");
    await client.greet();
    const read = (writer: FrameWriter) =>
      writeCall(writer, 1, "log.read", { stream: "s", from: 1 });
    client.write(read);
    await client.until(frameTypes.REPLY);
    client.write((writer) => writeNumbered(writer, frameTypes.HANGUP, 1));
    client.write(read);
    await sleep(world.clock, 10);
    expect(client.frames.filter(({ type }) => type === frameTypes.REPLY)).toHaveLength(2);
    client.write(read);
    const goodbye = readGoodbye(await client.until(frameTypes.GOODBYE));
    expect(goodbye).toMatchObject({ code: "INVALID_MESSAGE" });
  }),
);

test(
  "of what a session may have open, what is too many is refused, and the rest goes on",
  inWorld({ limits: { openMax: 2 } }, async (world) => {
    const client = await world.client("client");
    await client.queues.enqueue("jobs", [message]);
    const states = [1, 1, 1].map((position) =>
      client.queues.track("jobs", position, { wait: true }),
    );
    await expect(states[2]).rejects.toMatchObject({ code: "QUEUE_FULL" });
    const watching = [1, 2, 3].map((number) => client.store?.watch(`p${number}`, () => {}, never));
    await expect(watching[2]).rejects.toMatchObject({ code: "QUEUE_FULL" });
    const options = { credit: 1, consumer: "client" };
    const receivers = ["a", "b", "c"].map((queue) =>
      client.queues.receive(queue, options, never)[Symbol.asyncIterator]().next(),
    );
    await expect(receivers[2]).rejects.toMatchObject({ code: "QUEUE_FULL" });
    const other = await world.client("other");
    const delivery = await takeOne(other);
    await other.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
    expect(await Promise.all(states.slice(0, 2))).toEqual([{ state: "done" }, { state: "done" }]);
  }),
);

test("no more is asked of a broker for a client that does not read than may wait for it", async () => {
  let asked = 0;
  const alter = ({ queues }: Broker): Partial<Broker> => ({
    queues: {
      ...queues,
      track: (...message) => {
        asked++;
        return queues.track(...message);
      },
    },
  });
  const run = inWorld({ alter, limits: { backlogBytesMax: 100_000 } }, async (world) => {
    const slow = await world.raw("slow");
    await slow.greet();
    world.network.stop("slow");
    const frames = 40;
    const inOne = 4_096;
    slow.write((writer) => {
      for (let frame = 0; frame < frames; frame++) {
        const awaited = Array.from({ length: inOne }, (_, index) => {
          return { number: 1 + frame * inOne + index, position: 1_000_000 + index };
        });
        writeAwait(writer, "jobs", awaited);
      }
    });
    await sleep(world.clock, 1_000);
    expect(asked).toBeGreaterThan(inOne);
    expect(asked).toBeLessThan((inOne * frames) / 2);
  });
  await run();
});

test("durable deliveries to a client that does not read are not taken from its mailbox", async () => {
  let taken = 0;
  const alter = ({ queues }: Broker): Partial<Broker> => ({
    queues: {
      ...queues,
      receive: async function* (...receive) {
        for await (const batch of queues.receive(...receive)) {
          taken += batch.length;
          yield batch;
        }
      },
    },
  });
  const limits = { deliveryBacklogBytesMax: 100_000 };
  const run = inWorld({ alter, limits }, async (world) => {
    const slow = await world.raw("slow");
    await slow.greet();
    receiveOn(slow, [], 1_000);
    await sleep(world.clock, 10);
    world.network.stop("slow");
    const large = { ...message, frame: new Uint8Array(50_000) };
    for (let count = 0; count < 100; count++) {
      await world.broker.queues.enqueue("jobs", [large]);
      await sleep(world.clock, 1);
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(50);
  });
  await run();
});

test(
  "what has been answered makes room: for messages, calls and subscriptions",
  inWorld({ limits: { subscriptionsMax: 1 } }, async (world) => {
    const limits = { unacknowledgedBytesMax: 10, callBytesMax: 300 };
    const client = await world.client("client", limits);
    for (let count = 0; count < 20; count++) {
      expect(await client.queues.enqueue("jobs", [message])).toMatchObject([{ kind: "stored" }]);
      expect(await client.store?.get(["a key of some length"])).toEqual([undefined]);
      const stop = new AbortController();
      const given = client.queues.track("jobs", 1, { wait: true, signal: stop.signal });
      const call = client.queues.mailboxes(stop.signal);
      await client.topics.subscribe("news", () => {}, stop.signal);
      stop.abort();
      await expect(given).rejects.toMatchObject({ code: "CANCELLED" });
      await call.catch(() => {});
      const put = client.store?.put([{ key: "another", value: new Uint8Array(100) }], stop.signal);
      await expect(put).rejects.toMatchObject({ code: "CANCELLED" });
      const hung = new AbortController();
      const reading = client.log?.read("s", 1, { follow: true }, hung.signal);
      const ended = reading?.[Symbol.asyncIterator]().next();
      hung.abort();
      await ended;
    }
  }),
);

test(
  "large messages are looked through, in pieces that one answer carries",
  inWorld({}, async (world) => {
    const large = { ...message, frame: new Uint8Array(2 ** 20) };
    for (let count = 0; count < 20; count++) await world.broker.queues.enqueue("jobs", [large]);
    const client = await world.client("client");
    let seen = 0;
    for await (const batch of client.queues.browse("jobs", {}, never)) seen += batch.length;
    expect(seen).toBe(20);
  }),
);

test(
  "large entries are watched, from the first, and by somebody who is slow to read of their changes",
  inWorld({ limits: { backlogBytesMax: 100_000 } }, async (world) => {
    const fill = async (byte: number): Promise<void> => {
      for (let count = 0; count < 40; count++) {
        const value = new Uint8Array(2 ** 20).fill(byte);
        await world.store.put([{ key: `large/${count}`, value }]);
      }
    };
    await fill(1);
    const client = await world.client("client");
    const seen = new Map<string, number | undefined>();
    const note = (changes: readonly StoreChange[]): void => {
      for (const change of changes) {
        if (change.kind === "put") seen.set(change.key, change.value[0]);
      }
    };
    await client.store?.watch("large/", note, never);
    expect([...seen.values()]).toEqual(new Array(40).fill(1));
    world.network.stop("client");
    await fill(2);
    world.network.go("client");
    await sleep(world.clock, 1_000);
    expect([...seen.values()]).toEqual(new Array(40).fill(2));
  }),
);

test(
  "a holder that does not read is not told of more than it may keep waiting, and is told again when it is back",
  inWorld({ limits: { backlogBytesMax: 50_000 } }, async (world) => {
    await world.broker.queues.enqueue("jobs", [message]);
    const slow = await world.raw("slow", false);
    slow.write((writer) => writeHello(writer, someone));
    await sleep(world.clock, 10);
    receiveOn(slow, [], 1, true);
    await sleep(world.clock, 10);
    const { sessions } = world.hub;
    for (let count = 0; count < 20_000; count++) {
      void world.broker.queues.cancel("jobs", 1, { ifUnstarted: true }).catch(() => {});
      if (count % 1_000 === 0) await sleep(world.clock, 1);
    }
    await sleep(world.clock, 2_000);
    expect(world.hub.sessions).toBe(sessions - 1);
  }),
);

test("of pieces that are asked for in one go, only so many are read as a client that does not read may keep waiting", async () => {
  let read = 0;
  const alter = ({ log }: Broker): Partial<Broker> => ({
    log: {
      ...(log as Log),
      read: async function* (...range) {
        for await (const batch of (log as Log).read(...range)) {
          read++;
          yield batch;
        }
      },
    },
  });
  const run = inWorld({ alter, limits: { backlogBytesMax: 2 ** 20 } }, async (world) => {
    const entries = Array.from({ length: 4 }, () => new Uint8Array(2 ** 19));
    for (const entry of entries) await world.log.append("s", [entry]);
    const slow = await world.raw("slow");
    await slow.greet();
    const cursors = 100;
    for (let number = 1; number <= cursors; number++) {
      slow.write((writer) => writeCall(writer, number, "log.read", { stream: "s", from: 1 }));
      await sleep(world.clock, 1);
    }
    expect(read).toBe(cursors);
    world.network.stop("slow");
    slow.write((writer) => {
      for (let cursor = 1; cursor <= cursors; cursor++) {
        writeCall(writer, cursors + cursor, "cursor.more", { cursor });
      }
    });
    await sleep(world.clock, 100);
    expect(read).toBeGreaterThan(cursors);
    expect(read).toBeLessThan(cursors * 1.5);
  });
  await run();
});
