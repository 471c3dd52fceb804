/** Settlements with effects that come together are stored together, and each ends as if it were alone. */
import { connect, headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Broker, Delivery, Effect, SettleOutcome } from "../../../src/broker/broker.ts";
import { deadLetterTopic } from "../../../src/broker/dead-letter-topic.ts";
import type { NatsClient } from "../../../src/broker/nats/client.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing, type Published } from "../support/losing-client.ts";

const prefix = "joint";
const timeout = 60_000;
const { signal } = new AbortController();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => new TextDecoder().decode(data);

function append(entry: string, at?: number, count = 1): Effect {
  const entries = new Array<Uint8Array>(count).fill(bytes(entry));
  return { kind: "append", stream: "ledger", entries, ...(at === undefined ? {} : { at }) };
}

function send(queue: string, id: string): Effect {
  const message = { frame: bytes(id), lane: 2, guarantee: "exactly-once", id } as const;
  return { kind: "enqueue", queue, message };
}

describe.skipIf(missingServer("nats"))("settlements with effects", { timeout }, () => {
  let server: NatsServer;
  let broker: Broker;
  /** Sees what the broker is about to publish. @returns whether it is lost. */
  let publishing: (published: Published, client: NatsConnection) => boolean;

  beforeEach(async () => {
    server = await NatsServer.start({ maxPayload: "1MB" });
    const client = await connect({ servers: server.url });
    publishing = () => false;
    const loses = (published: Published) => publishing(published, client);
    broker = await openNatsBroker({
      client: losing(client as unknown as NatsClient, loses),
      // Whoever waited for what is lost would wait for longer than a test may last.
      requestTimeoutMs: 600_000,
      prefix,
    });
    await broker.queues.declare(["jobs", "next"]);
    return async () => {
      publishing = () => false;
      await broker.close();
      await client.close();
      await server.remove();
    };
  });

  /** So many deliveries in hand, of messages that are named by their number. */
  async function inHand(count: number): Promise<readonly Delivery[]> {
    const messages = Array.from({ length: count }, (_, index) => {
      const id = `${index}`;
      return { frame: bytes(id), lane: 2, guarantee: "at-least-once", id } as const;
    });
    await broker.queues.enqueue("jobs", messages);
    const deliveries: Delivery[] = [];
    const receiving = new AbortController();
    onTestFinished(() => receiving.abort());
    const options = { credit: count, consumer: "c" };
    const receiver = broker.queues.receive("jobs", options, receiving.signal);
    void (async () => {
      for await (const batch of receiver) deliveries.push(...batch);
    })();
    await expect.poll(() => deliveries.length, { timeout }).toBe(count);
    return deliveries.toSorted((one, other) => one.position - other.position);
  }

  function settle(
    deliveries: readonly Delivery[],
    effects: readonly (readonly Effect[])[],
  ): Promise<readonly SettleOutcome[]> {
    const settlements = deliveries.map((delivery, index) => {
      return { ...delivery, outcome: { kind: "done" }, effects: effects[index] ?? [] } as const;
    });
    return broker.queues.settle(settlements);
  }

  /** What waits in the queue that is sent to. */
  async function sent(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const batch of broker.queues.browse("next", {}, signal)) {
      found.push(...batch.map(({ frame }) => text(frame)));
    }
    return found;
  }

  async function ledger(): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const entries of broker.log?.read("ledger", 1, {}, signal) ?? []) {
      found.push(...entries.map(({ position, data }) => `${position} ${text(data)}`));
    }
    return found;
  }

  async function rawClient(): Promise<NatsConnection> {
    const raw = await connect({ servers: server.url });
    onTestFinished(() => raw.close());
    return raw;
  }

  /** Counts batches that end with a message of the outbox, and purges, from now on. */
  async function counting(): Promise<() => Promise<{ batches: number; purges: number }>> {
    const raw = await rawClient();
    const counts = { batches: 0, purges: 0 };
    raw.subscribe("$JS.API.STREAM.PURGE.>", { callback: () => void counts.purges++ });
    raw.subscribe(`${prefix}.m.o.>`, {
      callback: (_: Error | null, { headers }: Msg) => {
        if (headers?.get("Nats-Batch-Commit") === "1") counts.batches++;
      },
    });
    await raw.flush();
    return async () => {
      await raw.flush();
      return counts;
    };
  }

  test("take one batch of the server, however many they are", async () => {
    const count = 100;
    const deliveries = await inHand(count);
    const counted = await counting();
    const effects = deliveries.map((_, index) => [append(`${index}`), send("next", `${index}`)]);
    const outcomes = await settle(deliveries, effects);
    expect(outcomes).toEqual(deliveries.map(() => ({ kind: "settled" })));
    expect(await ledger()).toEqual(deliveries.map((_, index) => `${index + 1} ${index}`));
    expect((await sent()).toSorted()).toEqual(deliveries.map((_, index) => `${index}`).toSorted());
    expect(await counted()).toEqual({ batches: 1, purges: 1 });
    await expect
      .poll(async () => (await broker.queues.mailboxes()).map(({ waiting }) => waiting), {
        timeout,
      })
      .toEqual([0, count]);
  });

  test("are two batches where they are more than one takes", async () => {
    const deliveries = await inHand(300);
    const counted = await counting();
    const effects = deliveries.map((_, index) => {
      return [append(`${index}`), append("more"), send("next", `${index}`)];
    });
    const outcomes = await settle(deliveries, effects);
    expect(outcomes).toEqual(deliveries.map(() => ({ kind: "settled" })));
    expect(await ledger()).toEqual(
      deliveries.flatMap((_, index) => [`${2 * index + 1} ${index}`, `${2 * index + 2} more`]),
    );
    expect(await sent()).toHaveLength(300);
    expect(await counted()).toEqual({ batches: 2, purges: 2 });
  });

  test("leave no gap in the log where one of them is refused, or stale", async () => {
    const deliveries = await inHand(8);
    const [, , stale] = deliveries as readonly [Delivery, Delivery, Delivery];
    // Somebody else has ended it, and nobody here has heard of that.
    const as = headers();
    const record = { State: "failed", Attempt: "0", Client: "other", Record: "others" };
    for (const [name, value] of Object.entries(record)) as.set(`Colloquy-${name}`, value);
    const error = { code: "INTERNAL_ERROR", message: "planted", retryable: false, details: {} };
    const raw = await rawClient();
    const subject = `${prefix}.m.q.jobs.${stale.position}`;
    const payload = JSON.stringify({ error });
    const stored = await raw.request(subject, payload, { headers: as, timeout: 10_000 });
    expect(stored.json()).toMatchObject({ stream: expect.any(String) });
    const effects = deliveries.map((_, index): readonly Effect[] => [append(`${index}`)]);
    const outcomes = await settle(deliveries, [
      ...effects.slice(0, 4),
      [append("nowhere"), send("undeclared", "4")],
      [append("taken", 1)],
      [{ kind: "publish", topic: ">", frame: bytes("no topic") }, append("no topic")],
      ...effects.slice(7),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      ...["settled", "settled", "stale", "settled"],
      ...["refused", "refused", "refused", "settled"],
    ]);
    expect(await ledger()).toEqual(["1 0", "2 1", "3 3", "4 7"]);
  });

  test("that ask for what another of them writes come behind it", async () => {
    const deliveries = await inHand(5);
    const put = { kind: "put", key: "state", value: bytes("x"), ifRevision: 0 } as const;
    const outcomes = await settle(deliveries, [
      [append("first")],
      [append("second", 2)],
      [append("third", 3), put],
      [append("fourth", 3)],
      [append("fifth"), put],
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      ...["settled", "settled", "settled", "refused", "refused"],
    ]);
    expect(await ledger()).toEqual(["1 first", "2 second", "3 third"]);
  });

  test.for([
    ["more than a batch takes", Array.from({ length: 1_000 }, (_, index) => append(`${index}`))],
    ["far more than a batch takes", [append("x", undefined, 200_000)]],
    ["longer than the server takes", [append("x".repeat(1_500_000))]],
  ] as const)("that are %s are refused alone", async ([, effects]) => {
    const deliveries = await inHand(3);
    const outcomes = await settle(deliveries, [[append("one")], effects, [append("another")]]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["settled", "refused", "settled"]);
    expect(await ledger()).toEqual(["1 one", "2 another"]);
  });

  /** Somebody else is quicker to append to the ledger while `isContending`. */
  function contend(isContending: () => boolean): void {
    publishing = ({ subject, isOfBatch }, client) => {
      const isAppend = isOfBatch && subject.startsWith(`${prefix}.l.ledger.`);
      if (isAppend && isContending()) client.publish(subject, "another's");
      return false;
    };
  }

  test("of one claim that nobody here holds, twice at once, do not fail, nor do others with them", async () => {
    const [held, claim] = (await inHand(2)) as readonly [Delivery, Delivery];
    const other = await openNatsBroker({ servers: server.url, prefix });
    onTestFinished(() => other.close());
    const own = { frame: bytes("own"), lane: 2, guarantee: "at-least-once", id: "own" } as const;
    await other.queues.enqueue("next", [own]);
    const receiving = new AbortController();
    onTestFinished(() => receiving.abort());
    const options = { credit: 1, consumer: "c" };
    const receiver = other.queues.receive("next", options, receiving.signal);
    const { value } = await receiver[Symbol.asyncIterator]().next();
    const outcome = { kind: "done" } as const;
    const twin = { ...claim, outcome, effects: [append("once")] };
    const [mine] = value as readonly Delivery[];
    const unrelated = { ...(mine as Delivery), outcome, effects: [append("unrelated")] };
    const outcomes = await other.queues.settle([twin, twin, unrelated]);
    const [one, another, third] = outcomes.map(({ kind }) => kind);
    expect([one, another].toSorted()).toEqual(["settled", "stale"]);
    expect(third).toBe("settled");
    expect((await ledger()).map((entry) => entry.slice(2)).toSorted()).toEqual([
      "once",
      "unrelated",
    ]);
    expect(await settle([held], [[append("held")]])).toEqual([{ kind: "settled" }]);
  });

  test("try again together where somebody else has appended once", async () => {
    const count = 20;
    const deliveries = await inHand(count);
    const counted = await counting();
    let contended = 0;
    contend(() => contended++ === 0);
    const effects = deliveries.map((_, index) => [append(`${index}`), send("next", `${index}`)]);
    const outcomes = await settle(deliveries, effects);
    expect(outcomes).toEqual(deliveries.map(() => ({ kind: "settled" })));
    const appended = ["another's", ...deliveries.map((_, index) => `${index}`)];
    expect(await ledger()).toEqual(appended.map((entry, index) => `${index + 1} ${entry}`));
    // The refused one, and the one in its place.
    expect(await counted()).toMatchObject({ batches: 2 });
  });

  test("do not wait for one that others are always quicker than", async () => {
    const [slow, ...others] = (await inHand(6)) as readonly [Delivery, ...Delivery[]];
    let isContending = true;
    contend(() => isContending);
    const slowly = settle([slow], [[append("at last")]]);
    const puts = others.map(({ position }): readonly Effect[] => [
      { kind: "put", key: `${position}`, value: bytes("x") },
    ]);
    const outcomes = await settle(others, puts);
    expect(outcomes).toEqual(others.map(() => ({ kind: "settled" })));
    isContending = false;
    expect(await slowly).toEqual([{ kind: "settled" }]);
    const entries = (await ledger()).map((entry) => entry.split(" ").slice(1).join(" "));
    expect(entries.indexOf("at last")).toBe(entries.length - 1);
    expect(new Set(entries)).toEqual(new Set(["another's", "at last"]));
  });

  test("that write what another of them writes are looked up once each", async () => {
    const deliveries = await inHand(20);
    let lookups = 0;
    publishing = ({ subject, payload }) => {
      const isLookup = subject === `$JS.API.DIRECT.GET.${prefix}_state`;
      if (isLookup && text(payload).includes(`${prefix}.s.`)) lookups++;
      return false;
    };
    const puts = deliveries.map((_, index): readonly Effect[] => [
      { kind: "put", key: "same", value: bytes(`${index}`) },
    ]);
    const outcomes = await settle(deliveries, puts);
    expect(outcomes).toEqual(deliveries.map(() => ({ kind: "settled" })));
    expect(lookups).toBe(deliveries.length);
    const [entry] = (await broker.store?.get(["same"])) ?? [];
    expect(text(entry?.value)).toBe(`${deliveries.length - 1}`);
  });

  test("are told without waiting for what another of them sends", async () => {
    const [sender, other] = (await inHand(2)) as readonly [Delivery, Delivery];
    const counted = await counting();
    // Nothing reaches its queue.
    publishing = ({ subject }) => subject.startsWith(`${prefix}.w.`);
    void settle([sender], [[append("one"), send("next", "lost")]]).catch(() => {});
    const put: Effect = { kind: "put", key: "k", value: bytes("x") };
    const outcomes = await settle([other], [[put, append("two")]]);
    expect(outcomes).toEqual([{ kind: "settled" }]);
    expect(await ledger()).toEqual(["1 one", "2 two"]);
    expect(await counted()).toEqual({ batches: 0, purges: 0 });
  });

  test("publish at once, before their message is removed", async () => {
    const [delivery] = (await inHand(1)) as readonly [Delivery];
    const listener = await openNatsBroker({ servers: server.url, prefix });
    onTestFinished(() => listener.close());
    const heard: string[] = [];
    const ends = new AbortController();
    onTestFinished(() => ends.abort());
    const receive = (_: string, frame: Uint8Array) => void heard.push(text(frame));
    await listener.topics.subscribe("news", receive, ends.signal);
    publishing = ({ subject }) => subject.startsWith("$JS.ACK.");
    const publication: Effect = { kind: "publish", topic: "news", frame: bytes("done") };
    void settle([delivery], [[publication]]).catch(() => {});
    await expect.poll(() => heard, { timeout }).toEqual(["done"]);
  });

  test("are settled though somebody who hears of dead letters throws", async () => {
    const deliveries = await inHand(2);
    const ends = new AbortController();
    onTestFinished(() => ends.abort());
    const receive = () => {
      throw new Error("planted");
    };
    await broker.topics.subscribe(deadLetterTopic, receive, ends.signal);
    const error = { code: "INTERNAL_ERROR", message: "planted", retryable: false, details: {} };
    for (const delivery of deliveries) {
      const outcome = { kind: "dead", error } as const;
      const outcomes = await broker.queues.settle([{ ...delivery, outcome }] as never);
      expect(outcomes).toEqual([{ kind: "settled" }]);
    }
  });
});
