/** Durable intake of one session: the messages of a chunk go to each queue in one call. */
import type { Broker, QueuedMessage } from "../broker/broker.ts";
import { readEnqueue, writeEnqueued } from "../broker/hub/operations/enqueue.ts";
import { type Frame, frameTypes } from "../message/frame.ts";
import type { SessionContext, SessionPort } from "./session-port.ts";

interface Batch {
  readonly queue: string;
  readonly sequences: number[];
  readonly messages: QueuedMessage[];
  bytes: number;
}

export class SessionIntake implements SessionPort {
  readonly #session: SessionContext;
  readonly #broker: Broker;
  readonly #incarnation: string;
  readonly #batches = new Map<string, Batch>();
  /** Of the queue that the last message was for: mostly the next one is for it too. */
  #last: Batch | undefined;

  constructor(session: SessionContext, broker: Broker, incarnation: string) {
    this.#session = session;
    this.#broker = broker;
    this.#incarnation = incarnation;
    session.handle(frameTypes.ENQUEUE, (frame) => this.#collect(frame));
  }

  submit(): void {
    if (this.#last === undefined) return;
    for (const batch of this.#batches.values()) {
      this.#session.track(this.#enqueue(batch), batch.bytes);
    }
    this.#batches.clear();
    this.#last = undefined;
  }

  #collect(frame: Frame): void {
    const { sequence, queue, message } = readEnqueue(frame, this.#incarnation);
    let batch = this.#last;
    if (batch?.queue !== queue) {
      batch = this.#batches.get(queue) ?? this.#begin(queue);
      this.#last = batch;
    }
    batch.sequences.push(sequence);
    batch.messages.push(message);
    batch.bytes += message.frame.length;
  }

  #begin(queue: string): Batch {
    const batch = { queue, sequences: [], messages: [], bytes: 0 };
    this.#batches.set(queue, batch);
    return batch;
  }

  async #enqueue({ queue, sequences, messages }: Batch): Promise<void> {
    const outcomes = await this.#broker.queues.enqueue(queue, messages);
    const { output, probe } = this.#session;
    probe?.("enqueued");
    if (outcomes.some(({ kind }) => kind === "indeterminate")) {
      // The client repeats under the same numbers, here or at a successor, and then it is known.
      this.#session.destroy();
      return;
    }
    writeEnqueued(output.data, sequences, outcomes);
    output.written();
    if (probe === undefined) return;
    output.flush();
    probe("acknowledged");
  }
}
