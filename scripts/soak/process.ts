/**
 * One client of the soak: worker or driver. Told what to do over the channel to its parent, and
 * answers each `sample` with its memory and, for a driver, with what happened since the last.
 */
import { isColloquyError, join, type Network } from "colloquy";
import { LatencyHistogram } from "../../src/exchange/latency-histogram.ts";

export type Role = "worker" | "driver";

export type Order =
  | { readonly kind: "sample" }
  /** Operations a second; null keeps as many in flight as there may be. */
  | { readonly kind: "drive"; readonly rate: number | null }
  | { readonly kind: "stop" };

export interface Counts {
  operations: number;
  failed: number;
  /** Commands that were acknowledged, and those that are done. */
  sent: number;
  done: number;
  published: number;
  /** Turns of a pace that the fabric could not keep, because all that may be in flight was. */
  behind: number;
}

export type Report =
  | { readonly kind: "ready" }
  | {
      readonly kind: "sample";
      readonly heapUsed: number;
      readonly external: number;
      readonly counts: Counts;
      readonly handled: number;
      readonly heard: number;
      readonly p50: number;
      readonly p99: number;
      readonly failures: readonly string[];
    }
  | { readonly kind: "stopped" };

/** With a full window; at a steady pace more may be in flight, so that a pause is made up for. */
const windowMax = 128;
const pacedInFlightMax = 256;
const paceMs = 5;
/** More than can be in flight: what waits for a pause of the machine to end is not refused. */
const capacityOfWorker = 1_000;
/** Of a hundred operations: requests, then publications, then durable commands; the rest are streams. */
const shares = { request: 60, publish: 80, command: 95 };
const chunksOfStream = 10;
const payload = {
  symbol: "ACME",
  prices: Array.from({ length: 24 }, (_, at) => 100 + at),
  note: "soak",
};

const [role, url, name] = process.argv.slice(2) as [Role, string, string];
const latencies = new LatencyHistogram();
const nothing = new LatencyHistogram();
const failures: string[] = [];
const counts: Counts = { operations: 0, failed: 0, sent: 0, done: 0, published: 0, behind: 0 };
let handled = 0;
let heard = 0;
let rate = 0;
let stopping = false;

const net = await join(url, { name, drainOnSignals: false });
let driving: Promise<void> | undefined;
if (role === "worker") await work(net);
if (role === "driver") driving = drive(net);
process.on("message", (order: Order) => void obey(order));
tell({ kind: "ready" });

async function obey(order: Order): Promise<void> {
  if (order.kind === "drive") rate = order.rate ?? Infinity;
  else if (order.kind === "sample") sample();
  else {
    stopping = true;
    await driving;
    sample();
    await net.close();
    tell({ kind: "stopped" });
    process.disconnect();
  }
}

async function work(network: Network): Promise<void> {
  const agent = await network.agent(name, { type: "worker", capacity: capacityOfWorker });
  agent.handle("quote", (input) => input);
  agent.handle("ticks", async function* () {
    for (let chunk = 0; chunk < chunksOfStream; chunk++) yield chunk;
  });
  agent.handle("BOOK", () => {
    handled++;
  });
  await agent.subscribe("market.*", () => {
    heard++;
  });
  await agent.ready();
}

async function drive(network: Network): Promise<void> {
  const agent = await network.agent(name, { type: "driver" });
  const pending = new Set<Promise<void>>();
  let begunMs = performance.now();
  let pacedRate = 0;
  let due = 0;
  let turn = 0;
  while (!stopping) {
    if (pacedRate !== rate) {
      pacedRate = rate;
      begunMs = performance.now();
      due = 0;
    }
    const elapsed = (performance.now() - begunMs) / 1_000;
    const inFlightMax = pacedRate === Infinity ? windowMax : pacedInFlightMax;
    const wanted = pacedRate === Infinity ? due + inFlightMax : Math.floor(elapsed * pacedRate);
    for (; due < wanted; due++) {
      if (pending.size >= inFlightMax) {
        if (pacedRate !== Infinity) counts.behind += wanted - due;
        due = wanted;
        break;
      }
      const operation: Promise<void> = once(turn++).finally(() => pending.delete(operation));
      pending.add(operation);
    }
    if (pacedRate === Infinity && pending.size > 0) await Promise.race(pending);
    else await new Promise((resolve) => setTimeout(resolve, paceMs));
  }
  await Promise.all(pending);

  async function once(number: number): Promise<void> {
    const begin = performance.now();
    try {
      await operate(agent, (number * 37) % 100);
      latencies.add(performance.now() - begin);
    } catch (error) {
      counts.failed++;
      if (failures.length < 20) failures.push(described(error));
    }
    counts.operations++;
  }
}

async function operate(agent: Awaited<ReturnType<Network["agent"]>>, draw: number): Promise<void> {
  if (draw < shares.request) {
    const answer = (await agent.request("type:worker", "quote", payload)) as typeof payload;
    if (answer.prices.length !== payload.prices.length) throw new Error("a wrong answer");
  } else if (draw < shares.publish) {
    await agent.publish("market.updates", payload);
    counts.published++;
  } else if (draw < shares.command) {
    const receipt = await agent.send("type:worker", "BOOK", payload);
    counts.sent++;
    const { state } = await receipt.settled();
    if (state !== "done") throw new Error(`a command ended ${state}`);
    counts.done++;
  } else {
    let chunks = 0;
    for await (const _ of agent.stream("type:worker", "ticks")) chunks++;
    if (chunks !== chunksOfStream) throw new Error(`${chunks} chunks of ${chunksOfStream}`);
  }
}

function described(error: unknown): string {
  const details = isColloquyError(error) ? ` ${JSON.stringify(error.details)}` : "";
  return `${error}${details}`;
}

function sample(): void {
  const { heapUsed, external } = process.memoryUsage();
  const { p50Ms: p50 = 0, p99Ms: p99 = 0 } = latencies.with(nothing);
  latencies.cleared();
  const sampled = { counts: { ...counts }, handled, heard, p50, p99, failures: failures.splice(0) };
  tell({ kind: "sample", heapUsed, external, ...sampled });
}

function tell(report: Report): void {
  process.send?.(report);
}
