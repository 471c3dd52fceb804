/** Collects what a queue delivers, so that a case can ask for it piece by piece. */
import assert from "node:assert/strict";
import type { Broker, Delivery, ReceiveOptions } from "../../broker/broker.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";

type Within = <Value>(what: string, promise: Promise<Value>) => Promise<Value>;

export class Receiver {
  /** Every delivery so far, in order of arrival. */
  readonly all: Delivery[] = [];
  /** Deliveries in the longest batch so far. */
  longestBatch = 0;
  readonly #queue: string;
  readonly #within: Within;
  readonly #controller = new AbortController();
  readonly #untaken = new AsyncQueue<Delivery>();
  readonly #ended: Promise<void>;

  constructor(broker: Broker, queue: string, options: ReceiveOptions, within: Within) {
    this.#queue = queue;
    this.#within = within;
    this.#ended = this.#read(broker.queues.receive(queue, options, this.#controller.signal));
    // A failure is shown to whoever asks for the next delivery or for the end.
    this.#ended.catch((error: unknown) => this.#untaken.fail(error));
  }

  /** The oldest delivery that was not taken yet. */
  async next(): Promise<Delivery> {
    const what = `a delivery of ${this.#queue}`;
    const { value } = await this.#within(what, this.#untaken.next());
    assert.ok(value, `receiving from ${this.#queue} ended`);
    return value;
  }

  async take(count: number): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = [];
    while (deliveries.length < count) deliveries.push(await this.next());
    return deliveries;
  }

  /** Deliveries that have come and were not taken. */
  get waiting(): number {
    return this.#untaken.size;
  }

  /** Aborts, and resolves once the loop has ended as it should: without throwing. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#within(`the end of receiving from ${this.#queue}`, this.#ended);
  }

  /** Resolves or rejects as the loop did. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** As `stop`, for the end of a case: whatever comes of it is not of interest any more. */
  abandon(): void {
    this.#controller.abort();
  }

  async #read(batches: AsyncIterable<readonly Delivery[]>): Promise<void> {
    for await (const batch of batches) {
      this.longestBatch = Math.max(this.longestBatch, batch.length);
      for (const delivery of batch) {
        this.all.push(delivery);
        this.#untaken.push(delivery);
      }
    }
    this.#untaken.end();
  }
}
