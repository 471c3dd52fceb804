import { describe, expect, test } from "vitest";
import type { Broker, QueuedMessage } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { brokerCases } from "../../src/testing/conformance/broker-cases.ts";
import { casesFor } from "../../src/testing/conformance/case.ts";
import {
  type FaultRates,
  type FaultyBrokerOptions,
  faultyBroker,
} from "../../src/testing/faulty-broker.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

const bytes = new Uint8Array(1);
let serial = 0;

function message(): QueuedMessage {
  return { frame: bytes, lane: 2, guarantee: "at-least-once", id: `${++serial}` };
}

interface Setup {
  readonly clock: VirtualClock;
  readonly real: Broker;
  readonly faulty: Broker;
}

async function setUp(rates: FaultRates, more: Partial<FaultyBrokerOptions> = {}): Promise<Setup> {
  const clock = new VirtualClock();
  const real = openMemoryBroker({ clock });
  const random = new SeededRandom(1);
  const faulty = faultyBroker(real, { clock, random, rates: () => rates, ...more });
  await clock.until(real.queues.declare(["q"]));
  return { clock, real, faulty };
}

async function stored({ clock, real }: Setup): Promise<number> {
  const [mailbox] = await clock.until(real.queues.mailboxes());
  return mailbox?.waiting ?? Number.NaN;
}

async function enqueueMany(setup: Setup, count: number): Promise<Record<string, number>> {
  const { clock, faulty } = setup;
  const messages = Array.from({ length: count }, message);
  const outcomes = await clock.until(faulty.queues.enqueue("q", messages));
  expect(outcomes).toHaveLength(count);
  const kinds: Record<string, number> = {};
  for (const { kind } of outcomes) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

describe("without faults", () => {
  const open = async (clock: VirtualClock) => {
    const real = openMemoryBroker({ clock });
    const random = new SeededRandom(1);
    const client = (broker: Broker) => faultyBroker(broker, { clock, random, rates: () => ({}) });
    const clients = [client(real)];
    const connect = async () => {
      const connected = client(real.connect());
      clients.push(connected);
      return connected;
    };
    const close = async () => void (await Promise.all(clients.map((each) => each.close())));
    return { clock, broker: await connect(), connect, close };
  };
  const { capabilities } = openMemoryBroker();
  for (const { name, run } of casesFor(capabilities, brokerCases, { unheard: true })) {
    test(name, async () => {
      const clock = new VirtualClock();
      await clock.until(run(() => open(clock)));
    });
  }
});

describe("messages", () => {
  test("that are rejected are not stored, and may be sent again", async () => {
    const setup = await setUp({ rejection: 0.3 });
    const kinds = await enqueueMany(setup, 200);
    expect(kinds["rejected"]).toBeGreaterThan(30);
    expect(kinds["rejected"]).toBeLessThan(90);
    expect(await stored(setup)).toBe(kinds["stored"]);
    const certain = await setUp({ rejection: 1 });
    const [outcome] = await certain.clock.until(certain.faulty.queues.enqueue("q", [message()]));
    expect(outcome).toMatchObject({ error: { code: "QUEUE_FULL", retryable: true } });
  });

  test("whose answer is lost are stored, and those whose call is lost are not", async () => {
    const answers = await setUp({ lostAnswer: 0.3 });
    const lostAnswers = await enqueueMany(answers, 200);
    expect(lostAnswers["indeterminate"]).toBeGreaterThan(30);
    expect(await stored(answers)).toBe(200);
    const calls = await setUp({ lostCall: 0.3 });
    const lostCalls = await enqueueMany(calls, 200);
    expect(lostCalls["indeterminate"]).toBeGreaterThan(30);
    expect(await stored(calls)).toBe(lostCalls["stored"]);
  });

  test("have their outcomes in order whatever happens to their neighbours", async () => {
    const { clock, faulty, real } = await setUp({ rejection: 0.2, lostCall: 0.2 });
    const messages = Array.from({ length: 100 }, message);
    const outcomes = await clock.until(faulty.queues.enqueue("q", messages));
    const positions = outcomes.flatMap((outcome) =>
      outcome.kind === "stored" ? [outcome.position] : [],
    );
    const signal = new AbortController().signal;
    const browsed: number[] = [];
    for await (const batch of real.queues.browse("q", {}, signal)) {
      browsed.push(...batch.map(({ position }) => position));
    }
    expect(positions).toEqual(browsed);
  });
});

test("settlements, puts and appends are lost as messages are, and refusals stay refusals", async () => {
  const rates: FaultRates = { lostAnswer: 1 };
  const setup = await setUp(rates);
  const { clock, faulty, real } = setup;
  const put = await clock.until(faulty.store?.put([{ key: "k", value: bytes }]) as Promise<object>);
  expect(put).toMatchObject({ kind: "indeterminate" });
  expect((await clock.until(real.store?.get(["k"]) as Promise<unknown[]>))[0]).toBeDefined();
  const append = await clock.until(faulty.log?.append("s", [bytes]) as Promise<object>);
  expect(append).toMatchObject({ kind: "indeterminate" });
  await clock.until(real.queues.enqueue("q", [message()]));
  const deliveries = faulty.queues.receive(
    "q",
    { credit: 1, consumer: "c" },
    new AbortController().signal,
  );
  const next = await clock.until(deliveries[Symbol.asyncIterator]().next());
  const [delivery] = next.value;
  const settling = faulty.queues.settle([{ ...delivery, outcome: { kind: "done" } }]);
  expect(await clock.until(settling)).toMatchObject([{ kind: "indeterminate" }]);
  expect(await stored(setup)).toBe(0);
});

test("other calls fail without having been made", async () => {
  const { clock, faulty, real } = await setUp({ failure: 1 });
  const failed = { code: "STORE_FAILED" };
  await expect(clock.until(faulty.queues.declare(["new"]))).rejects.toMatchObject(failed);
  const mailboxes = await clock.until(real.queues.mailboxes());
  expect(mailboxes.map(({ queue }) => queue)).toEqual(["q"]);
});

test("publications are lost without a word", async () => {
  const { clock, faulty, real } = await setUp({ lostPublication: 0.5 });
  let heard = 0;
  const listener = openListener(real);
  await clock.until(listener.topics.subscribe("t", () => heard++, new AbortController().signal));
  for (let sent = 0; sent < 200; sent++) faulty.topics.publish([{ topic: "t", frame: bytes }]);
  await clock.settle();
  expect(heard).toBeGreaterThan(60);
  expect(heard).toBeLessThan(140);
});

test("calls take their time, and one seed replays", async () => {
  const run = async () => {
    const latencyMs = { min: 5, max: 50 };
    const setup = await setUp({ rejection: 0.5 }, { latencyMs });
    const kinds: string[] = [];
    for (let sent = 0; sent < 20; sent++) {
      const [outcome] = await setup.clock.until(setup.faulty.queues.enqueue("q", [message()]));
      kinds.push(`${setup.clock.monotonicMs()} ${outcome?.kind}`);
    }
    return kinds;
  };
  const first = await run();
  expect(await run()).toEqual(first);
  expect(new Set(first).size).toBe(20);
});

function openListener(real: Broker): Broker {
  return (real as ReturnType<typeof openMemoryBroker>).connect("listener");
}
