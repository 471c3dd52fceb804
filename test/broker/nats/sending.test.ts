/** Messages of one key are stored in the order in which they were sent, whatever has to be found out before. */
import { connect } from "@nats-io/transport-node";
import { afterAll, test as anyTest, expect, onTestFinished } from "vitest";
import type { EnqueueOutcome, Guarantee, Queues } from "../../../src/broker/broker.ts";
import { type NatsBrokerOptions, openNatsBroker } from "../../../src/broker/nats/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { NatsServer } from "../../support/servers/nats.ts";
import { losing, type Published } from "../support/losing-client.ts";
import { standingClock } from "../support/standing-clock.ts";

const isMissing = missingServer("nats");
const test = anyTest.skipIf(isMissing);
const server = isMissing ? undefined : await NatsServer.start();
afterAll(() => server?.remove());
let prefixes = 0;

/** A client of a fabric in which somebody else has declared the mailbox "jobs". */
async function open(options: NatsBrokerOptions = {}): Promise<Queues> {
  const common = { servers: server?.url ?? "", prefix: `sending-${++prefixes}` };
  const other = await openNatsBroker(common);
  await other.queues.declare(["jobs"]);
  await other.close();
  const broker = await openNatsBroker({ ...common, ...options });
  onTestFinished(() => broker.close());
  return broker.queues;
}

const messageOf = (id: string, guarantee: Guarantee = "at-least-once") => ({
  frame: new TextEncoder().encode(id),
  lane: 2 as const,
  key: "k",
  guarantee,
  id,
});

async function expectInOrder(sent: readonly Promise<readonly EnqueueOutcome[]>[]): Promise<void> {
  const outcomes = (await Promise.all(sent)).flat();
  expect(outcomes.map(({ kind }) => kind)).toEqual(sent.map(() => "stored"));
  const positions = outcomes.map((outcome) => (outcome.kind === "stored" ? outcome.position : 0));
  expect(positions).toEqual(positions.toSorted((one, other) => one - other));
}

test("the one before is exactly-once, and its id is looked for", async () => {
  const queues = await open();
  await expectInOrder([
    queues.enqueue("jobs", [messageOf("a", "exactly-once")]),
    queues.enqueue("jobs", [messageOf("b")]),
    queues.enqueue("jobs", [messageOf("c", "exactly-once")]),
    queues.enqueue("jobs", [messageOf("d")]),
  ]);
});

test("the one before may be given up", async () => {
  const queues = await open();
  const { signal } = new AbortController();
  await queues.enqueue("jobs", [messageOf("first")]);
  await expectInOrder([
    queues.enqueue("jobs", [messageOf("a")], signal),
    queues.enqueue("jobs", [messageOf("b")]),
  ]);
});

test("the mailbox was looked for, and the answer to the one before was lost", async () => {
  const raw = await connect({ servers: server?.url ?? "" });
  onTestFinished(() => raw.close());
  const requestTimeoutMs = 300;
  const { clock, skip } = standingClock();
  let lost = 0;
  const loses = ({ subject }: Published) => {
    if (!/DIRECT\.GET.*_work$/.test(subject) || ++lost > 1) return false;
    skip(requestTimeoutMs);
    return true;
  };
  const queues = await open({ client: losing(raw, loses), clock, requestTimeoutMs });
  await expectInOrder([
    queues.enqueue("jobs", [messageOf("a")]),
    queues.enqueue("jobs", [messageOf("b")]),
  ]);
  expect(lost).toBeGreaterThan(1);
});

test("one that is given up before it is sent holds up nobody", async () => {
  const queues = await open();
  const given = new AbortController();
  const first = queues.enqueue("jobs", [messageOf("a")], given.signal);
  given.abort();
  const second = queues.enqueue("jobs", [messageOf("b")]);
  await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
  expect(await second).toMatchObject([{ kind: "stored" }]);
});

test("who may not send to a queue is told at once", async () => {
  const denied = `permissions: { publish: { deny: "colloquy.w.q.>" } }`;
  const more = `authorization { users: [{ user: "u", password: "p", ${denied} }] }`;
  const guarded = await NatsServer.start({ more });
  onTestFinished(() => guarded.remove());
  const broker = await openNatsBroker({ servers: guarded.url, user: "u", pass: "p" });
  onTestFinished(() => broker.close());
  await broker.queues.declare(["jobs"]);
  const outcomes = await broker.queues.enqueue("jobs", [messageOf("a"), messageOf("b")]);
  expect(outcomes).toMatchObject([
    { kind: "rejected", error: { code: "FORBIDDEN" } },
    { kind: "rejected", error: { code: "FORBIDDEN" } },
  ]);
}, 30_000);
