/**
 * A process of its own on an embedded broker, told by its parent what to do. What must be known after
 * it was killed it writes to its journal first, a line at a time:
 *
 *   acknowledged ID    the message is stored, the broker says
 *   started ID         a handler was started with it
 */
import { appendFileSync, existsSync } from "node:fs";
import type { Delivery, QueuedMessage } from "../../../src/broker/broker.ts";
import { openEmbedded } from "../../../src/hub/embedded.ts";
import { type ActorOrder, type ActorReport, patience } from "./actors.ts";

const [directory = "", journal = ""] = process.argv.slice(2);
const fated = process.env["COLLOQUY_TEST_FATE"] !== undefined;
const grace = process.env["COLLOQUY_TEST_GRACE"];
const never = new AbortController().signal;
const producing = new AbortController();
let producers = 0;
let letGo: () => void = () => {};
const released = new Promise<void>((resolve) => {
  letGo = resolve;
});
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const broker = await openEmbedded(directory, {
  ...patience(grace === undefined ? undefined : Number(grace)),
  ...(fated ? { probeModule: new URL("./probe.ts", import.meta.url).href } : {}),
});
process.on("message", (order: ActorOrder) => void obey(order));
report({ kind: "open", owner: broker.owner });

async function obey(order: ActorOrder): Promise<void> {
  switch (order.kind) {
    case "produce":
      return produce(order.queue, order.inFlight, order.prefix);
    case "declare":
      await broker.queues.declare([order.queue]);
      report({ kind: "declared" });
      return;
    case "stop":
      producing.abort();
      return;
    case "enqueue": {
      await enqueue(order.queue, order.id);
      report({ kind: "enqueued", id: order.id });
      return;
    }
    case "consume":
      return consume(order.queue, order.ledger, order.manner);
    case "let-go":
      letGo();
      return;
    case "echo":
      return echo(order.topic);
    case "exchange":
      await exchange(order.topic, order.rounds, order.queue);
      report({ kind: "exchanged" });
      return;
    case "block":
      report({ kind: "blocking" });
      setImmediate(() => {
        const nobody = new Int32Array(new SharedArrayBuffer(4));
        while (!existsSync(order.until)) Atomics.wait(nobody, 0, 0, 20);
        report({ kind: "unblocked" });
      });
      return;
    case "close":
      await broker.close();
      report({ kind: "closed" });
      process.disconnect();
      return;
  }
}

/** Sends until told to stop, so many at a time. Where several do, the last one reports the end. */
async function produce(queue: string, inFlight: number, prefix: string): Promise<void> {
  producers++;
  let sent = 0;
  const line = async (): Promise<void> => {
    while (!producing.signal.aborted) await enqueue(queue, `${prefix}-${++sent}`);
  };
  await Promise.all(Array.from({ length: inFlight }, line));
  if (--producers === 0) report({ kind: "stopped" });
}

async function enqueue(queue: string, id: string): Promise<void> {
  const message: QueuedMessage = {
    frame: encoder.encode(id),
    lane: 2,
    guarantee: "exactly-once",
    id,
  };
  const [outcome] = await broker.queues.enqueue(queue, [message]);
  if (outcome?.kind !== "stored") throw new Error(`${id}: ${JSON.stringify(outcome)}`);
  write(`acknowledged ${id}`);
}

/** Handles each message by an effect that commits with its settlement: an entry in the ledger. */
async function consume(
  queue: string,
  ledger: string,
  manner: "settle" | "hold" | "die",
): Promise<void> {
  const handle = async (delivery: Delivery): Promise<void> => {
    write(`started ${decoder.decode(delivery.frame)}`);
    if (manner === "die") process.kill(process.pid, "SIGKILL");
    if (manner === "hold") await released;
    await broker.queues.settle([
      {
        queue,
        position: delivery.position,
        fence: delivery.fence,
        outcome: { kind: "done" },
        effects: [{ kind: "append", stream: ledger, entries: [delivery.frame] }],
      },
    ]);
  };
  const options = { credit: manner === "hold" ? 1 : 32, consumer: journal };
  for await (const batch of broker.queues.receive(queue, options, never)) {
    for (const delivery of batch) void handle(delivery);
  }
}

/** Answers on the topic behind the one it is asked on. */
async function echo(topic: string): Promise<void> {
  const answer = (_: string, frame: Uint8Array) =>
    broker.topics.publish([{ topic: `${topic}.back`, frame }]);
  await broker.topics.subscribe(topic, answer, never);
  report({ kind: "echoing" });
}

/** One after the other: a question and its answer, and a message stored, received and settled. */
async function exchange(topic: string, rounds: number, queue: string): Promise<void> {
  let answered: () => void = () => {};
  await broker.topics.subscribe(`${topic}.back`, () => answered(), never);
  await broker.queues.declare([queue]);
  const stop = new AbortController();
  const options = { credit: 1, consumer: journal };
  const batches = broker.queues.receive(queue, options, stop.signal)[Symbol.asyncIterator]();
  for (let round = 0; round < rounds; round++) {
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    broker.topics.publish([{ topic, frame: encoder.encode(`${round}`) }]);
    await answer;
    await enqueue(queue, `${topic}-${round}`);
    const { value } = await batches.next();
    const deliveries: readonly Delivery[] = value ?? [];
    await broker.queues.settle(
      deliveries.map((delivery) => ({ ...delivery, outcome: { kind: "done" } })),
    );
  }
  stop.abort();
}

function write(line: string): void {
  appendFileSync(journal, `${line}\n`);
}

function report(message: ActorReport): void {
  process.send?.(message);
}
