/** Fills one queue with a backlog, and empties it. */
import type { Broker, Delivery, QueuedMessage } from "../../src/broker/broker.ts";

export interface BacklogOptions {
  readonly queue: string;
  readonly messages: number;
  /** Bytes of each message. */
  readonly frameBytes: number;
  /** Messages of one call, and calls on their way. */
  readonly batch: number;
  readonly inFlight: number;
  /** Told now and then how many are through. */
  readonly onProgress: (done: number) => void;
}

/**
 * Resolves when all are acknowledged.
 *
 * @throws Error where one was not stored.
 */
export async function fill(broker: Broker, options: BacklogOptions): Promise<void> {
  const { queue, messages, batch, inFlight, onProgress } = options;
  await broker.queues.declare([queue]);
  let next = 1;
  let stored = 0;
  const send = async (sender: number): Promise<void> => {
    for (let sequence = 1; next <= messages; ) {
      const first = next;
      next = Math.min(messages + 1, first + batch);
      const origin = { incarnation: `backlog-${sender}`, repeatsFrom: sequence };
      const sent = Array.from({ length: next - first }, (_, index) => ({
        ...messageOf(first + index, options),
        origin: { ...origin, sequence: sequence++ },
      }));
      for (const outcome of await broker.queues.enqueue(queue, sent)) {
        if (outcome.kind !== "stored") throw new Error(`${outcome.kind}: ${outcome.error.message}`);
        stored++;
      }
      onProgress(stored);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => send(index)));
}

export interface Drained {
  /** From the call to the first delivery. */
  readonly firstMs: number;
  readonly received: number;
  /** Received more than once. */
  readonly again: number;
}

/** Resolves when as many different messages as were put in are settled, each acknowledged. */
export async function drain(broker: Broker, options: BacklogOptions): Promise<Drained> {
  const { queue, messages, batch, inFlight, onProgress } = options;
  const ends = new AbortController();
  const seen = new Uint8Array(messages + 1);
  const begunMs = performance.now();
  let firstMs: number | undefined;
  let again = 0;
  let settled = 0;
  const settling = new Set<Promise<void>>();
  const settle = async (deliveries: readonly Delivery[]): Promise<void> => {
    const outcomes = await broker.queues.settle(
      deliveries.map((delivery) => settlementOf(delivery)),
    );
    for (const { kind } of outcomes) {
      if (kind !== "settled") throw new Error(`a settlement was ${kind}`);
      settled++;
    }
    onProgress(settled);
    if (settled >= messages) ends.abort();
  };
  const receiving = { credit: batch * inFlight, consumer: "backlog" };
  for await (const deliveries of broker.queues.receive(queue, receiving, ends.signal)) {
    firstMs ??= performance.now() - begunMs;
    for (const { frame } of deliveries) {
      const number = numberOf(frame);
      if (seen[number] === 1) again++;
      seen[number] = 1;
    }
    const done = settle(deliveries).finally(() => settling.delete(done));
    settling.add(done);
    done.catch(() => ends.abort());
  }
  await Promise.all(settling);
  const received = seen.reduce((sum, each) => sum + each, 0);
  return { firstMs: firstMs ?? 0, received, again };
}

/** Nothing that a server could make smaller. */
const noise = crypto.getRandomValues(new Uint8Array(65_536));

function messageOf(number: number, { frameBytes }: BacklogOptions): QueuedMessage {
  const frame = new Uint8Array(frameBytes);
  const from = (number * 251) % Math.max(1, noise.length - frameBytes);
  frame.set(noise.subarray(from, from + frameBytes));
  new DataView(frame.buffer).setUint32(0, number);
  return {
    frame,
    lane: 2,
    guarantee: "at-least-once",
    id: String(number),
  };
}

function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(0);
}

function settlementOf({ queue, position, fence }: Delivery) {
  return { queue, position, fence, outcome: { kind: "done" } } as const;
}
