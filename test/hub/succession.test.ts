/** Sessions that take another's place, and sessions that end: on a virtual clock. */
import { expect, test } from "vitest";
import type { Broker, Delivery } from "../../src/broker/broker.ts";
import { writeCall } from "../../src/broker/hub/operations/call.ts";
import { writeEnqueue, writeEnqueued } from "../../src/broker/hub/operations/enqueue.ts";
import {
  writeGoodbye,
  writeResumed,
  writeWelcome,
} from "../../src/broker/hub/operations/greeting.ts";
import { writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { writePublish } from "../../src/broker/hub/operations/topics.ts";
import { openHubBroker } from "../../src/broker/hub.ts";
import type { ColloquyError } from "../../src/errors.ts";
import type { Link } from "../../src/link/link.ts";
import { frameTypes } from "../../src/message/frame.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import { AsyncQueue } from "../../src/runtime/async-queue.ts";
import { Deferred } from "../../src/runtime/deferred.ts";
import { sleep } from "../../src/runtime/sleep.ts";
import { deliveriesOf, inWorld, message, never, receiveOn, takeOne } from "./support/hub-world.ts";
import { RawClient } from "./support/raw-client.ts";

const one = Uint8Array.of(1);
const mishap = { code: "INDETERMINATE", message: "nobody knows", retryable: false } as const;

test(
  "a client that came back within the grace keeps what it holds, however long its claims take",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const first = await world.raw("first");
    await first.greet();
    receiveOn(first, []);
    await first.until(frameTypes.DELIVER);
    const [held] = deliveriesOf(first) as [Delivery];
    first.link.destroy();
    await sleep(world.clock, 950);
    const second = await world.raw("second");
    await second.greet();
    let taken = false;
    void takeOne(producer).then(() => {
      taken = true;
    });
    await sleep(world.clock, 100);
    receiveOn(second, [held], 1);
    second.write(writeResumed);
    await sleep(world.clock, 100);
    expect(taken).toBe(false);
    const settlement = { ...held, outcome: { kind: "done" } } as const;
    expect(await producer.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  }),
);

test(
  "a successor that says goodbye before its claims gives back what its client held",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const first = await world.raw("first");
    await first.greet();
    receiveOn(first, []);
    await first.until(frameTypes.DELIVER);
    const second = await world.raw("second");
    await second.greet();
    const begunMs = world.clock.monotonicMs();
    second.write(writeGoodbye);
    expect((await takeOne(producer)).attempts).toEqual({ failures: 0, pickups: 1, crashes: 0 });
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
  }),
);

test(
  "a successor that is lost before its claims does not keep for ever what its client held",
  inWorld({}, async (world) => {
    const producer = await world.client("producer");
    await producer.queues.enqueue("jobs", [message]);
    const first = await world.raw("first");
    await first.greet();
    receiveOn(first, []);
    await first.until(frameTypes.DELIVER);
    first.link.destroy();
    await sleep(world.clock, 500);
    const second = await world.raw("second");
    await second.greet();
    second.link.destroy();
    expect((await takeOne(producer)).attempts.crashes).toBe(1);
  }),
);

test("what still comes over a link that has a successor is nobody's any more", async () => {
  const held = new Deferred();
  const alter = ({ queues }: Broker): Partial<Broker> => ({
    queues: {
      ...queues,
      enqueue: async (queue, messages) => {
        await held.promise;
        return queues.enqueue(queue, messages);
      },
    },
  });
  const run = inWorld({ alter, limits: { inProgressBytesMax: 2 } }, async (world) => {
    const listener = await world.client("listener");
    const heard: string[] = [];
    await listener.topics.subscribe("*", (topic) => heard.push(topic), never);
    await world.network.listen("ahead", (link) => world.hub.accept(readingAhead(link)));
    const first = new RawClient(await world.network.connect("ahead", "first")(never));
    await first.greet();
    // As much is in progress as may: what comes behind it is not read.
    first.write((writer) => writeEnqueue(writer, 1, 1, "jobs", message));
    await sleep(world.clock, 10);
    first.write((writer) => writePublish(writer, 0, "late", one, false));
    await sleep(world.clock, 10);
    expect(heard).toEqual([]);
    const second = await world.raw("second");
    await second.greet();
    second.write((writer) => writePublish(writer, 0, "next", one, false));
    await sleep(world.clock, 10);
    held.resolve();
    await sleep(world.clock, 10);
    expect(heard).toEqual(["next"]);
  });
  await run();
});

test(
  "a client behind a network has five seconds to come back",
  inWorld({}, async (world) => {
    await world.network.listen("far", (link) => world.hub.accept(distant(link)));
    await world.broker.queues.enqueue("jobs", [message]);
    const first = new RawClient(await world.network.connect("far", "first")(never));
    await first.greet();
    receiveOn(first, []);
    await first.until(frameTypes.DELIVER);
    first.link.destroy();
    const begunMs = world.clock.monotonicMs();
    const other = await world.client("other");
    expect((await takeOne(other)).attempts.crashes).toBe(1);
    expect(world.clock.monotonicMs() - begunMs).toBeGreaterThanOrEqual(5_000);
  }),
);

test("what was allowed and is not when the client comes back is told to whoever subscribed or watched", async () => {
  let allowed = true;
  const run = inWorld({ authorise: () => allowed }, async (world) => {
    const client = await world.client("client");
    const ended: string[] = [];
    const onEnded = ({ code }: ColloquyError) => ended.push(code);
    await client.topics.subscribe("news", () => {}, never, { onEnded });
    await client.store?.watch("p/", () => {}, never, onEnded);
    allowed = false;
    world.network.cut("client");
    await sleep(world.clock, 1_000);
    expect(ended).toEqual(["FORBIDDEN", "FORBIDDEN"]);
  });
  await run();
});

test("what has been settled is not claimed again", async () => {
  const claims: number[] = [];
  const alter = ({ queues }: Broker): Partial<Broker> => ({
    queues: {
      ...queues,
      receive: (queue, options, signal) => {
        claims.push(options.claims?.length ?? 0);
        return queues.receive(queue, options, signal);
      },
    },
  });
  const run = inWorld({ alter }, async (world) => {
    const client = await world.client("client");
    await client.queues.enqueue("jobs", [message, message]);
    const options = { credit: 2, consumer: "client" };
    const batches = client.queues.receive("jobs", options, never)[Symbol.asyncIterator]();
    const [first] = (await batches.next()).value ?? [];
    await client.queues.settle([{ ...(first as Delivery), outcome: { kind: "done" } }]);
    world.network.cut("client");
    await sleep(world.clock, 1_000);
    expect(claims).toEqual([0, 1]);
  });
  await run();
});

test(
  "subscriptions are in force again though there would be no room for them twice",
  inWorld({ limits: { subscriptionsMax: 3 } }, async (world) => {
    const client = await world.client("client");
    const heard: string[] = [];
    const ended: unknown[] = [];
    const events = { onEnded: (error: unknown) => ended.push(error) };
    for (const topic of ["a", "b"]) {
      await client.topics.subscribe(topic, () => heard.push(topic), never, events);
    }
    world.network.cut("client");
    await client.queues.mailboxes();
    await sleep(world.clock, 2_000);
    const other = await world.client("other");
    other.topics.publish(["a", "b"].map((topic) => ({ topic, frame: one })));
    await sleep(world.clock, 10);
    expect(ended).toEqual([]);
    expect(heard).toEqual(["a", "b"]);
    // Those of the old session have been given back once: there is room for one more, and not for two.
    await other.topics.subscribe("c", () => {}, never);
    await expect(other.topics.subscribe("d", () => {}, never)).rejects.toMatchObject({
      code: "QUEUE_FULL",
    });
  }),
);

test.for([
  ["stored", false],
  ["not stored", true],
] as const)(
  "where a broker does not know whether a message is there, and it is %s, the client sends it again and is told",
  async ([, lost]) => {
    let unknown = true;
    const alter = ({ queues }: Broker): Partial<Broker> => ({
      queues: {
        ...queues,
        enqueue: async (queue, messages) => {
          if (!unknown) return queues.enqueue(queue, messages);
          unknown = false;
          if (!lost) await queues.enqueue(queue, messages);
          return messages.map(() => ({ kind: "indeterminate", error: mishap }));
        },
      },
    });
    const run = inWorld({ alter }, async (world) => {
      const client = await world.client("client");
      const told = await client.queues.enqueue("jobs", [message]);
      expect(told).toEqual([{ kind: "stored", position: 1, duplicate: !lost }]);
      expect(await world.broker.queues.mailboxes()).toMatchObject([{ waiting: 1 }]);
    });
    await run();
  },
);

test("where a broker does not know whether a message is settled, the client settles it again", async () => {
  let unknown = true;
  const alter = ({ queues }: Broker): Partial<Broker> => ({
    queues: {
      ...queues,
      settle: async (settlements) => {
        if (!unknown) return queues.settle(settlements);
        unknown = false;
        return settlements.map(() => ({ kind: "indeterminate", error: mishap }));
      },
    },
  });
  const run = inWorld({ alter }, async (world) => {
    const client = await world.client("client");
    await client.queues.enqueue("jobs", [message]);
    const delivery = await takeOne(client);
    const settlement = { ...delivery, outcome: { kind: "done" } } as const;
    expect(await client.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  });
  await run();
});

test(
  "calls that came before a goodbye are made",
  inWorld({}, async (world) => {
    const leaving = await world.raw("leaving");
    await leaving.greet();
    leaving.write((writer) => {
      for (let number = 1; number <= 100; number++) {
        writeCall(writer, number, "store.put", { writes: [{ key: `k/${number}`, value: one }] });
      }
      writeGoodbye(writer);
    });
    await leaving.ended;
    let found = 0;
    for await (const batch of world.store.list("k/", never)) found += batch.length;
    expect(found).toBe(100);
  }),
);

test(
  "a goodbye does not wait for a holder that is asked, who may be the one that leaves",
  inWorld({}, async (world) => {
    await world.broker.queues.enqueue("jobs", [message]);
    const leaving = await world.raw("leaving");
    await leaving.greet();
    receiveOn(leaving, [], 1, true);
    await leaving.until(frameTypes.DELIVER);
    const begunMs = world.clock.monotonicMs();
    leaving.write((writer) => {
      writeCall(writer, 1, "queues.cancel", { queue: "jobs", position: 1, ifUnstarted: true });
      writeGoodbye(writer);
    });
    await leaving.ended;
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
  }),
);

test(
  "a bound entry outlives its link, and ends with its client",
  inWorld({}, async (world) => {
    const client = await world.client("client");
    await client.store?.put([{ key: "p", value: one, volatile: true, bound: true }]);
    world.network.cut("client");
    await client.queues.mailboxes();
    await sleep(world.clock, 60_000);
    expect(await world.store.get(["p"])).toMatchObject([{ key: "p" }]);
    await client.close();
    await sleep(world.clock, 100);
    expect(await world.store.get(["p"])).toEqual([undefined]);
  }),
);

test.for([
  ["that leaves", (client: RawClient) => client.write(writeGoodbye)],
  ["that hangs up first", (client: RawClient) => hangUpAndLeave(client)],
] as const)(
  "a bound entry of a client %s ends with it, though it was just being put",
  async ([, leave]) => {
    const run = inWorld({}, async (world) => {
      const leaving = await world.raw("leaving");
      await leaving.greet();
      const write = { key: "p", value: one, volatile: true, bound: true };
      leaving.write((writer) => writeCall(writer, 1, "store.put", { writes: [write] }));
      leave(leaving);
      await leaving.ended;
      await sleep(world.clock, 100);
      expect(await world.store.get(["p"])).toEqual([undefined]);
    });
    await run();
  },
);

/** As a socket does, which takes what has come also when nobody asks for it. */
function readingAhead(link: Link): Link {
  const chunks = new AsyncQueue<Uint8Array>();
  void (async () => {
    for await (const chunk of link.receive()) chunks.push(chunk);
  })().then(
    () => chunks.end(),
    () => chunks.end(),
  );
  const destroy = () => {
    chunks.end();
    link.destroy();
  };
  return { ...delegating(link), receive: () => chunks, destroy };
}

/** The same, but not within one machine. */
function distant(link: Link): Link {
  return { ...delegating(link), local: false };
}

function delegating(link: Link): Link {
  return {
    peer: link.peer,
    send: (chunk) => link.send(chunk),
    drained: () => link.drained(),
    receive: () => link.receive(),
    close: () => link.close(),
    destroy: () => link.destroy(),
  };
}

function hangUpAndLeave(client: RawClient): void {
  client.write((writer) => writeNumbered(writer, frameTypes.HANGUP, 1));
  client.write(writeGoodbye);
}

test(
  "a client that leaves over a slow link says goodbye behind what it has sent",
  inWorld({}, async (world) => {
    const staying = await world.client("staying");
    await staying.queues.enqueue("jobs", [message]);
    const leaving = await world.client("leaving", { unacknowledgedMessagesMax: 100 });
    await takeOne(leaving);
    world.network.setConditions("leaving", "hub", { bytesPerMs: 10_000 });
    const frame = new Uint8Array(100_000);
    for (let count = 0; count < 10; count++) {
      leaving.topics.publish([{ topic: "news", frame }]);
      await sleep(world.clock, 1);
    }
    const begunMs = world.clock.monotonicMs();
    await leaving.close();
    const again = await takeOne(staying);
    expect(world.clock.monotonicMs() - begunMs).toBeLessThan(1_000);
    expect(again.attempts).toEqual({ failures: 0, pickups: 1, crashes: 0 });
  }),
);

test(
  "who waits for its turn to send is told when there will be none: the broker is closed in the turn before",
  inWorld({}, async (world) => {
    const client = await world.client("client", { unacknowledgedMessagesMax: 1 });
    const first = client.queues.enqueue("jobs", [message]);
    const second = client.queues.enqueue("jobs", [message]);
    void first.then(() => client.close());
    const told = second.then(
      ([outcome]) => outcome?.kind,
      (error: { readonly code: string }) => error.code,
    );
    const hangs = sleep(world.clock, 10_000).then(() => "hangs");
    expect(await Promise.race([told, hangs])).not.toBe("hangs");
  }),
);

test(
  "who waits for its turn to send is told when there will be none: the hub refuses the client with the answer before",
  inWorld({}, async ({ clock, random, network, broker }) => {
    await network.listen("strict", (link) => {
      const writer = new FrameWriter();
      const { capabilities } = broker;
      writeWelcome(writer, { hub: "h", broker: "b", capabilities, silenceMsMax: 30_000 });
      link.send(writer.take());
      void sleep(clock, 10).then(() => {
        writeEnqueued(writer, [1], [{ kind: "stored", position: 1, duplicate: false }]);
        writeGoodbye(writer, { code: "FORBIDDEN", message: "no more", retryable: false });
        link.send(writer.take());
      });
    });
    const client = await openHubBroker({
      connect: network.connect("strict", "client"),
      clock,
      random,
      name: "client",
      limits: { unacknowledgedMessagesMax: 1 },
    });
    const first = client.queues.enqueue("jobs", [message]);
    const second = client.queues.enqueue("jobs", [message]);
    const refused = expect(second).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await first).toMatchObject([{ kind: "stored" }]);
    const hangs = sleep(clock, 10_000).then(() => "hangs");
    expect(await Promise.race([refused, hangs])).not.toBe("hangs");
  }),
);
