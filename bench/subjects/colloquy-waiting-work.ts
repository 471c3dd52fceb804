import { type Agent, join, type Network } from "../../src/index.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../harness/directory.ts";
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { type BenchProcess, startProcess } from "../harness/process.ts";
import type { Sample, Subject } from "../harness/subject.ts";

const fillInFlight = 1_024;

/** A mailbox in which `waiting` commands wait before somebody takes any. */
export async function openWaiting(waiting: number): Promise<Subject> {
  const backlog = await Backlog.open();
  await backlog.add(waiting);
  return {
    // The one round has to see some checkpoints.
    measure: (inFlight, durationMs) => backlog.work(inFlight, 3 * durationMs),
    close: () => backlog.close(),
  };
}

/** A mailbox, a process that fills it, and one that comes to take from it; a third owns the store. */
export class Backlog {
  readonly #directory: TemporaryDirectory;
  readonly #owner: BenchProcess;
  readonly #net: Network;
  readonly #producer: Agent;
  #waiting = 0;
  #memoryMiB = 0;

  private constructor(
    directory: TemporaryDirectory,
    owner: BenchProcess,
    net: Network,
    producer: Agent,
  ) {
    this.#directory = directory;
    this.#owner = owner;
    this.#net = net;
    this.#producer = producer;
  }

  static async open(): Promise<Backlog> {
    const directory = temporaryDirectory();
    const owner = await start("colloquy-owner", directory);
    const net = await join(`embedded:${directory.path}`);
    const producer = await net.agent("producer");
    await net.mailboxes.declare("type:pool");
    return new Backlog(directory, owner, net, producer);
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Sends so many, or none where that is below 0. */
  async add(count: number): Promise<void> {
    let begun = 0;
    const loop = async (): Promise<void> => {
      while (begun++ < count) await this.#send();
    };
    await Promise.all(Array.from({ length: fillInFlight }, loop));
    this.#waiting += Math.max(0, count);
    this.#memoryMiB = Number(await this.#owner.ask(undefined)) / 2 ** 20;
  }

  /** A consumer takes what waits while the producer goes on; one stored and one settled is one operation. */
  async work(inFlight: number, durationMs: number): Promise<Sample> {
    const consumer = await start("colloquy-handler", this.#directory);
    const startMs = performance.now();
    const sent = await keepInFlight(inFlight, durationMs, () => this.#send());
    const settled = Number(await consumer.ask(undefined));
    const elapsedMs = performance.now() - startMs;
    const value = (sent.value + (settled / elapsedMs) * 1_000) / 2;
    this.#waiting += Math.round((sent.value * elapsedMs) / 1_000) - settled;
    await consumer.stop();
    return { value, memoryMiB: this.#memoryMiB };
  }

  async close(): Promise<void> {
    await this.#net.close();
    await this.#owner.stop();
    this.#directory.remove();
  }

  #send(): Promise<unknown> {
    return this.#producer.send("type:pool", "orders.book", payload);
  }
}

function start(name: string, directory: TemporaryDirectory): Promise<BenchProcess> {
  return startProcess(new URL(`./${name}.ts`, import.meta.url), [directory.path]);
}
