/** An engine on a clock moved by hand, over a storage that outlives it. */
import type {
  Broker,
  Delivery,
  EnqueueOutcome,
  Outcome,
  QueuedMessage,
  Settlement,
} from "../../../src/broker/broker.ts";
import { type Engine, openEngine } from "../../../src/broker/engine/engine.ts";
import type { EngineLimits } from "../../../src/broker/engine/limits.ts";
import { MemoryStorage } from "../../../src/broker/engine/memory-storage.ts";
import { SeededRandom } from "../../../src/runtime/random.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { FaultStorage } from "./fault-storage.ts";

export class Rig {
  readonly clock: VirtualClock = new VirtualClock();
  readonly memory: MemoryStorage = new MemoryStorage();
  readonly #limits: Partial<EngineLimits>;
  storage!: FaultStorage;
  engine!: Engine;
  broker!: Broker;

  constructor(limits: Partial<EngineLimits> = {}) {
    this.#limits = limits;
    this.#open();
  }

  /** An engine with these queues. */
  static async with(queues: readonly string[], limits?: Partial<EngineLimits>): Promise<Rig> {
    const rig = new Rig(limits);
    await rig.run(rig.broker.queues.declare(queues));
    return rig;
  }

  /** What the promise comes to, at this instant of the clock. */
  async run<Value>(promise: Promise<Value>): Promise<Value> {
    promise.catch(() => {});
    await this.clock.settle();
    return promise;
  }

  /** Ends the engine as a killed process does, and opens another over what was committed. */
  crash(): void {
    this.storage.lose();
    this.memory.reopen();
    this.#open();
  }

  /** Closes the engine in order, and opens another. */
  async restart(): Promise<void> {
    await this.run(this.engine.close());
    this.memory.reopen();
    this.#open();
  }

  async enqueue(
    queue: string,
    ...messages: readonly QueuedMessage[]
  ): Promise<readonly EnqueueOutcome[]> {
    return this.run(this.broker.queues.enqueue(queue, messages));
  }

  receive(queue: string, options: Partial<ReaderOptions> = {}): Reader {
    return new Reader(this, queue, { credit: 1_000, ...options });
  }

  #open(): void {
    const { clock } = this;
    this.storage = new FaultStorage(this.memory);
    const random = new SeededRandom(1);
    const limits = this.#limits;
    this.engine = openEngine({ storage: this.storage, clock, random, name: "engine", limits });
    this.broker = this.engine.connect();
  }
}

export interface ReaderOptions {
  readonly credit: number;
  readonly claims: readonly Pick<Delivery, "queue" | "position" | "fence">[];
}

/** A receiver with what it was given. */
export class Reader {
  readonly deliveries: Delivery[] = [];
  /** Set when the iteration has ended; with the error it threw. */
  end: { readonly error?: unknown } | undefined;
  readonly #rig: Rig;
  readonly #controller = new AbortController();

  constructor(rig: Rig, queue: string, { credit, claims }: Partial<ReaderOptions>) {
    this.#rig = rig;
    const options = {
      credit: credit ?? 1,
      consumer: "reader",
      ...(claims === undefined ? {} : { claims }),
    };
    void this.#read(rig.broker.queues.receive(queue, options, this.#controller.signal));
  }

  /** What was given since the last time, as text. */
  async texts(): Promise<readonly string[]> {
    return (await this.take()).map(({ frame }) => text(frame));
  }

  async take(): Promise<readonly Delivery[]> {
    await this.#rig.clock.settle();
    return this.deliveries.splice(0);
  }

  async settle(outcome: Outcome = { kind: "done" }): Promise<readonly Delivery[]> {
    const taken = await this.take();
    const settlements = taken.map((delivery) => settlement(delivery, outcome));
    await this.#rig.run(this.#rig.broker.queues.settle(settlements));
    return taken;
  }

  /** Ends it; with a reason, as it vanished. */
  async stop(reason?: unknown): Promise<void> {
    this.#controller.abort(reason);
    await this.#rig.clock.settle();
  }

  async #read(batches: AsyncIterable<readonly Delivery[]>): Promise<void> {
    try {
      for await (const batch of batches) this.deliveries.push(...batch);
      this.end = {};
    } catch (error) {
      this.end = { error };
    }
  }
}

let ids = 0;

export function message(content: string, more: Partial<QueuedMessage> = {}): QueuedMessage {
  const frame = new TextEncoder().encode(content);
  return { frame, lane: 2, guarantee: "at-least-once", id: `id-${++ids}`, ...more };
}

export function settlement(
  { queue, position, fence }: Pick<Delivery, "queue" | "position" | "fence">,
  outcome: Outcome = { kind: "done" },
  more: Partial<Settlement> = {},
): Settlement {
  return { queue, position, fence, outcome, ...more };
}

export function text(frame: Uint8Array): string {
  return new TextDecoder().decode(frame);
}

export function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

/** Everything an iteration yields, batches joined. */
export async function collect<Item>(batches: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const batch of batches) items.push(...batch);
  return items;
}
