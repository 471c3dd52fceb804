/**
 * A server has other clients too. Whatever they write where a fabric reads: no process ends of it, no
 * agent stops for it, and who asks is told in a typed way.
 */
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Claim, Delivery, QueuedMessage, Queues, Store } from "../../src/broker/broker.ts";
import { errorInfo, isColloquyError } from "../../src/errors.ts";
import type { Outcome, Receipt } from "../../src/exchange/commands/receipt.ts";
import { join } from "../../src/network/join.ts";
import type { Network } from "../../src/network/network.ts";
import { Draw } from "../support/fuzz/draw.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import { openAt } from "../support/servers/servers.ts";
import { openStranger } from "./support/strangers.ts";

const strikes = process.env["CI"] === undefined ? 40 : 200;

async function all(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of items);
}

/** What was stored may be damaged: then that is told, as an error of ours. */
async function isTyped(asked: Promise<unknown>): Promise<void> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error !== undefined && !isColloquyError(error)) throw error;
}

overEachServer((server, name) => {
  test("G19: agents go on beside a stranger who damages what they say to one another", async () => {
    const prefix = "strangers";
    const place = (await server()).placeUrl(prefix, 10_000);
    const stranger = await openStranger(name, await server(), prefix);
    const told: unknown[] = [];
    const options = {
      drainOnSignals: false,
      onError: (error: unknown) => void told.push(error),
    };
    const brokers = await Promise.all([openAt(place), openAt(place)]);
    const stop = new AbortController();
    const lost: unknown[] = [];
    for (const broker of brokers) {
      void (async () => {
        for await (const status of broker.statuses(stop.signal)) {
          if (status.kind === "lost") lost.push(status.cause);
        }
      })();
    }
    const networks = brokers.map((broker) => join({ broker, ...options }));
    const [left, right] = (await Promise.all(networks)) as [Network, Network];
    onTestFinished(async () => {
      await Promise.all([left.close(), right.close(), stranger.close()]);
    });
    const worker = await left.agent("worker");
    worker.handle("double", (value) => (value as number) * 2);
    worker.handle("keep", (value) => value, { retry: { attemptsMax: 1 } });
    worker.handle("fail", () => Promise.reject(new Error("always")), { retry: { attemptsMax: 1 } });
    await worker.ready();
    const asker = await right.agent("asker");
    onTestFinished(() => stop.abort());
    await left.store.watch("", () => {}, stop.signal);
    await asker.subscribe("news.*", () => {});

    const round = async (number: number): Promise<void> => {
      await worker.publish("news.today", number);
      const asked = await untilShown(() => asker.request("agent:worker", "double", number));
      await unlessForetold(
        () => asker.send("agent:worker", "keep", number, { key: "k" }),
        (it) => it.state === "done" && it.result === number,
      );
      await unlessForetold(
        () => asker.send("agent:worker", "fail", number),
        ({ state }) => state === "dead",
      );
      await left.store.put(`key/${number}`, number, { ttlMs: 60_000 });
      await left.log.append("story", number);
      expect(asked).toBe(2 * number);
      expect((await right.store.get(`key/${number}`))?.value).toBe(number);
    };
    await round(1);
    await round(2);
    expect(stranger.places).toBeGreaterThan(5);
    const draw = new Draw(7);
    for (let number = 3; number < 6; number++) {
      await stranger.strike(strikes, draw);
      await round(number);
      await isTyped(all(left.dead.list()));
      await isTyped(all(right.store.list("key/")));
      await isTyped(all(right.log.read("story")));
      await isTyped(left.mailboxes.list());
    }
    expect(lost).toEqual([]);
    for (const error of told) expect(error).toSatisfy((it) => isColloquyError(it));
  });

  test("G19: what a stranger has stored where a fabric keeps its own is passed over", async () => {
    const prefix = "damage";
    const broker = await openAt((await server()).placeUrl(prefix, 10_000));
    const stranger = await openStranger(name, await server(), prefix);
    const { signal } = new AbortController();
    onTestFinished(async () => {
      await Promise.all([broker.close(), stranger.close()]);
    });
    const { queues, store } = broker;
    const put = await store?.put([{ key: "a", value: bytes("1") }], signal);
    expect(put?.kind).toBe("stored");
    await queues.declare(["shop"], signal);
    const sent = ["one", "two"].map(
      (id): QueuedMessage => ({ frame: bytes(id), lane: 2, guarantee: "at-least-once", id }),
    );
    const [first] = await queues.enqueue("shop", sent, signal);
    if (first?.kind !== "stored") throw new Error("not stored");
    const damage = async (place: string, fields?: Readonly<Record<string, string>>) =>
      stranger.write(`${prefix}.${place}`, bytes("{ damage"), fields);
    if (name === "nats") {
      await damage("m.d.shop.7");
      await damage("m.d.shop.8", { "Colloquy-Letter": "%zz" });
      await damage(`m.q.shop.${first.position}`);
      await damage("w.m.other");
      await damage("s.%zz", { "Colloquy-Ttl-Ms": "soon" });
    } else {
      await stranger.command(["XADD", `{${prefix}}:q:dead`, "0-5", "queue", "shop"]);
    }

    const held = await taken(queues, "shop", 2);
    const error = errorInfo(new Error("no"));
    const outcomes = await queues.settle([
      { ...(held[0] as Claim), outcome: { kind: "dead", error } },
      { ...(held[1] as Claim), outcome: { kind: "done" } },
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["settled", "settled"]);
    const letters = await flat(queues.deadLetters({}, signal));
    expect(letters.map(({ queue }) => queue)).toEqual(["shop"]);
    expect((await queues.mailboxes(signal)).map(({ queue }) => queue)).toEqual(["shop"]);
    const entries = await flat((store as Store).list("", signal));
    expect(entries.map(({ key }) => key)).toContain("a");
    expect(await queues.replay([letters[0]?.number as number], signal)).toBe(1);
  });
});

/** Damage that happens to foretell the end of the next message is believed, of that one, and of no other. */
async function unlessForetold(
  send: () => Promise<Receipt>,
  isRight: (outcome: Outcome) => boolean,
): Promise<void> {
  const foretold: unknown[] = [];
  while (foretold.length < 3) {
    const receipt = await send();
    const outcome = await receipt.settled().catch((error: unknown) => {
      if (!isColloquyError(error)) throw error;
      return { state: "failed", error } as const;
    });
    if (isRight(outcome)) return;
    foretold.push(outcome);
  }
  expect.fail(JSON.stringify(foretold));
}

/** Whose entry was overwritten is shown again with its next sign of life. */
async function untilShown<Value>(ask: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isColloquyError(error, "AGENT_UNREACHABLE")) throw error;
      await setTimeout(100);
    }
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function flat<Item>(batches: AsyncIterable<readonly Item[]>): Promise<readonly Item[]> {
  const all: Item[] = [];
  for await (const batch of batches) all.push(...batch);
  return all;
}

async function taken(queues: Queues, queue: string, count: number): Promise<readonly Delivery[]> {
  const found: Delivery[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const batches = queues.receive(queue, { credit: count, consumer: "test" }, stop.signal);
  const reader = batches[Symbol.asyncIterator]();
  while (found.length < count) found.push(...((await reader.next()).value ?? []));
  return found;
}
