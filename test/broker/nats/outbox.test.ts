/** What a settlement sends comes into its queue, also when whoever settled died before bringing it there. */
import { connect, headers, type Msg } from "@nats-io/transport-node";
import { test as anyTest, expect, onTestFinished } from "vitest";
import type { QueuedMessage } from "../../../src/broker/broker.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const test = anyTest.skipIf(missingServer("nats"));
const prefix = "outbox";
const timeout = 60_000;
/** The client itself waits for a second. */
const patient = { timeout: 10_000 };
const message = { frame: Uint8Array.of(1), lane: 2, guarantee: "at-least-once" } as const;

type Sent = Omit<QueuedMessage, "frame" | "lane" | "guarantee"> & Partial<QueuedMessage>;

/** A fabric in which handlers of "jobs" send to "next", and one who sees what is stored for that. */
async function open() {
  const server = await NatsServer.start();
  onTestFinished(() => server.remove());
  const { queues, capabilities } = await connected(openNatsBroker({ servers: server.url, prefix }));
  await queues.declare(["jobs", "next"]);
  const raw = await connected(connect({ servers: server.url }));
  const outbox: Msg[] = [];
  const callback = (_: Error | null, message: Msg) => void outbox.push(message);
  raw.subscribe(`${prefix}.m.o.>`, { callback });
  await raw.flush();
  /** A job is done, and what it sends is committed. */
  const settle = async (
    sent: Sent,
    before = async (): Promise<void> => {},
    outcome: object = { kind: "settled" },
  ) => {
    await queues.enqueue("jobs", [{ ...message, id: "job" }]);
    const ends = new AbortController();
    const options = { credit: 1, consumer: "c" };
    for await (const [delivery] of queues.receive("jobs", options, ends.signal)) {
      if (delivery === undefined) continue;
      await before();
      const effects = [
        { kind: "enqueue", queue: "next", message: { ...message, ...sent } },
      ] as const;
      const settlement = { ...delivery, outcome: { kind: "done" }, effects } as const;
      expect(await queues.settle([settlement])).toMatchObject([outcome]);
      ends.abort();
    }
    // All that was stored for it has been seen.
    await raw.flush();
  };
  /** Stores what was stored before once more, as a process leaves it that is killed once it has settled. */
  const leave = async ({ subject, data, headers: given }: Msg, messageId: string, id: string) => {
    const as = headers();
    for (const [name, [value = ""]] of given ?? []) {
      if (!name.startsWith("Nats-")) as.set(name, value);
    }
    as.set("Colloquy-Message-Id", messageId);
    as.set("Colloquy-Id", id);
    const place = subject.split(".").with(-2, "left").join(".");
    const stored = await raw.request(place, data, { ...patient, headers: as });
    expect(stored.json()).toMatchObject({ stream: expect.any(String) });
  };
  const waiting = async () => {
    const mailboxes = await queues.mailboxes();
    return mailboxes.find(({ queue }) => queue === "next")?.waiting;
  };
  const browsed = async () => {
    const found: number[] = [];
    for await (const batch of queues.browse("next", {}, new AbortController().signal)) {
      found.push(...batch.map(({ position }) => position));
    }
    return found;
  };
  return { queues, capabilities, raw, outbox, settle, leave, waiting, browsed };
}

async function connected<Client extends { close(): Promise<void> }>(opening: Promise<Client>) {
  const client = await opening;
  onTestFinished(() => client.close());
  return client;
}

test("those who are connected bring it, and nobody has to start for it", { timeout }, async () => {
  const { outbox, settle, leave, waiting, browsed } = await open();
  await settle({ id: "sent" });
  await expect.poll(waiting).toBe(1);
  await leave(outbox[0] as Msg, "another", "left");
  // It has been sent, and waits.
  expect(await waiting()).toBe(2);
  await expect.poll(async () => (await browsed()).length, { timeout, interval: 200 }).toBe(2);
  await expect.poll(waiting).toBe(2);
});

test("what is too long is refused with its settlement", { timeout }, async () => {
  const { capabilities, settle, waiting } = await open();
  const frame = new Uint8Array(capabilities.frameBytesMax + 1);
  const refused = { kind: "refused", error: { code: "MESSAGE_TOO_LARGE" } };
  await settle({ id: "sent", frame }, undefined, refused);
  expect(await waiting()).toBe(0);
});

test("what cannot be brought keeps nothing else back", { timeout }, async () => {
  const { capabilities, outbox, settle, leave, browsed } = await open();
  await settle({ id: "sent", key: "k" });
  await settle({ id: "more" });
  const [{ subject, headers }, free] = outbox as [Msg, Msg];
  const data = new Uint8Array(capabilities.frameBytesMax + 1);
  await leave({ subject, headers, data } as Msg, "long", "long");
  await leave(free, "another", "left");
  await expect.poll(async () => (await browsed()).length, { timeout, interval: 200 }).toBe(3);
});

test("what was left is not overtaken by what is sent later with its key", { timeout }, async () => {
  const { raw, outbox, settle, leave } = await open();
  const ids: string[] = [];
  raw.subscribe(`${prefix}.w.q.next.>`, {
    callback: (_, { headers }) => void ids.push(headers?.get("Colloquy-Id") ?? ""),
  });
  await raw.flush();
  await settle({ id: "first", key: "k" });
  await leave(outbox[0] as Msg, "another", "left");
  await settle({ id: "last", key: "k" });
  await settle({ id: "more", key: "other" });
  expect([...new Set(ids)]).toEqual(["first", "left", "last", "more"]);
});

test("what has no room is kept until there is", { timeout }, async () => {
  const { raw, settle, browsed, waiting } = await open();
  const limit = async (max_msgs: number) => {
    const info = await raw.request(`$JS.API.STREAM.INFO.${prefix}_work`, "", patient);
    const config = { ...info.json<{ readonly config: object }>().config, max_msgs };
    const name = `$JS.API.STREAM.UPDATE.${prefix}_work`;
    const answer = await raw.request(name, JSON.stringify(config), patient);
    expect(answer.json()).not.toHaveProperty("error");
  };
  // Less than the mailboxes are, so there is none, also once the job is gone.
  await settle({ id: "sent" }, () => limit(1));
  expect(await browsed()).toEqual([]);
  expect(await waiting()).toBe(1);
  await limit(-1);
  await expect.poll(async () => (await browsed()).length, { timeout, interval: 200 }).toBe(1);
});
