/** Exactly-once ids are known for longer than the server's duplicate window. */
import { connect } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished, vi } from "vitest";
import type { QueuedMessage } from "../../../src/broker/broker.ts";
import { openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());

async function openWithShortWindow(prefix: string) {
  const servers = server?.url ?? "";
  const broker = await openNatsBroker({ servers, prefix, duplicateWindowMs: 100 });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["jobs", "others"]);
  const send = async (queue: string, message: QueuedMessage) => {
    const [outcome] = await broker.queues.enqueue(queue, [message]);
    if (outcome?.kind !== "stored") throw new Error(JSON.stringify(outcome));
    return outcome;
  };
  /** Resolves when the server has forgotten an id that was sent after all others. */
  const windowOver = async () => {
    const origin = { incarnation: "probe", sequence: 1, repeatsFrom: 0 };
    const probe = { ...message("probe"), guarantee: "at-least-once", origin } as const;
    await send("others", probe);
    const again = async () => expect((await send("others", probe)).duplicate).toBe(false);
    await vi.waitFor(again, { timeout: 20_000, interval: 150 });
  };
  return { broker, send, windowOver };
}

/** The client itself waits for a second. */
const patient = { timeout: 10_000 };

function message(id: string): QueuedMessage {
  return { frame: Uint8Array.of(1), lane: 2, guarantee: "exactly-once", id };
}

test("a second message of an id is a duplicate, long after the first", async () => {
  const { send, windowOver } = await openWithShortWindow("once");
  const first = await send("jobs", message("a"));
  expect(first.duplicate).toBe(false);
  await windowOver();
  const { position } = first;
  expect(await send("jobs", message("a"))).toEqual({ kind: "stored", position, duplicate: true });
  // Each mailbox for itself, and each id.
  expect(await send("others", message("a"))).toMatchObject({ duplicate: false });
  expect(await send("jobs", message("b"))).toMatchObject({ duplicate: false });
});

test("what a settlement sends exactly once is known as long", async () => {
  const { broker, send, windowOver } = await openWithShortWindow("once-effects");
  await send("others", message("input"));
  const stop = new AbortController();
  const receiving = broker.queues.receive("others", { credit: 1, consumer: "" }, stop.signal);
  const { value } = await receiving[Symbol.asyncIterator]().next();
  const { queue, position, fence } = value?.[0] ?? expect.fail("nothing came");
  const effects = [{ kind: "enqueue", queue: "jobs", message: message("sent") }] as const;
  const settlement = { queue, position, fence, outcome: { kind: "done" }, effects } as const;
  expect(await broker.queues.settle([settlement])).toEqual([{ kind: "settled" }]);
  stop.abort();
  await windowOver();
  expect(await send("jobs", message("sent"))).toMatchObject({ duplicate: true });
});

test("ids, and what has become of messages, are kept for a day", async () => {
  const { broker, send } = await openWithShortWindow("kept");
  const { position } = await send("jobs", message("a"));
  expect(await broker.queues.cancel("jobs", position)).toBe("cancelled");
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  for (const filter of ["kept.m.x.>", "kept.m.q.>"]) {
    const question = JSON.stringify({ last_by_subj: filter });
    const answer = await raw.request("$JS.API.STREAM.MSG.GET.kept_state", question, patient);
    const { hdrs = "" } = answer.json<{ message: { hdrs?: string } }>().message;
    expect(Buffer.from(hdrs, "base64").toString()).toMatch(/^Nats-TTL: ?86400s\r$/m);
  }
});
