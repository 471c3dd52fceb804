/** Commands: enqueued by some, received and settled by others. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, Delivery } from "../../src/broker/broker.ts";
import { type Account, type Load, pauseMs } from "./load.ts";
import { Progress } from "./progress.ts";

export interface QueueLoadOptions {
  readonly queue: string;
  /** Each has one message on its way. */
  readonly senders: number;
  /** Nothing for so long in the end: what is missing then is lost. Milliseconds. */
  readonly silenceMs: number;
}

export class QueueLoad implements Load {
  readonly name = "commands";
  readonly sending: Progress = new Progress();
  readonly settling: Progress = new Progress();
  readonly progress: Readonly<Record<string, Progress>> = {
    enqueued: this.sending,
    settled: this.settling,
  };
  readonly #sender: Broker;
  readonly #receiver: Broker;
  readonly #options: QueueLoadOptions;
  readonly #acknowledged = new Set<string>();
  readonly #offers = new Map<string, number>();
  readonly #settled = new Map<string, number>();
  readonly #sendingEnds = new AbortController();
  readonly #receivingEnds = new AbortController();
  readonly #senders: readonly Promise<void>[];
  readonly #receiving: Promise<void>;

  private constructor(sender: Broker, receiver: Broker, options: QueueLoadOptions) {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#options = options;
    this.#senders = Array.from({ length: options.senders }, (_, index) =>
      this.#send(`sender-${index}`),
    );
    this.#receiving = this.#receive();
  }

  static async start(
    sender: Broker,
    receiver: Broker,
    options: QueueLoadOptions,
  ): Promise<QueueLoad> {
    await sender.queues.declare([options.queue]);
    return new QueueLoad(sender, receiver, options);
  }

  async finish(): Promise<Account> {
    this.#sendingEnds.abort();
    await Promise.all(this.#senders);
    let unsettled = await this.#waiting();
    let seen = -1;
    // Counted in looks: a process that stood still itself has seen nothing, and must not call it silence.
    for (let looks = 0; unsettled > 0; unsettled = await this.#waiting()) {
      looks = this.settling.count === seen ? looks + 1 : 0;
      seen = this.settling.count;
      if (looks * pauseMs > this.#options.silenceMs) break;
      await sleep(pauseMs);
    }
    this.#receivingEnds.abort();
    await this.#receiving;
    const lost = [...this.#acknowledged].filter((id) => !this.#offers.has(id)).length;
    return {
      acknowledged: this.#acknowledged.size,
      received: this.#acknowledged.size - lost,
      lost,
      doubled: [...this.#settled.values()].filter((times) => times > 1).length,
      redelivered: [...this.#offers.values()].reduce((sum, times) => sum + times - 1, 0),
      unsettled,
    };
  }

  /** Messages of the queue that are not final yet. */
  async #waiting(): Promise<number> {
    const mailboxes = await this.#receiver.queues.mailboxes();
    const own = mailboxes.find(({ queue }) => queue === this.#options.queue);
    if (own === undefined)
      throw new Error(`the queue ${this.#options.queue} is not there any more`);
    return own.waiting;
  }

  /** One message after the other; what nobody knows of is repeated under its origin. */
  async #send(incarnation: string): Promise<void> {
    const { signal } = this.#sendingEnds;
    for (let sequence = 1; !signal.aborted; ) {
      const id = `${incarnation}/${sequence}`;
      const message = {
        frame: new TextEncoder().encode(id),
        lane: 2,
        guarantee: "at-least-once",
        id,
        origin: { incarnation, sequence, repeatsFrom: sequence },
      } as const;
      try {
        const [outcome] = await this.#sender.queues.enqueue(this.#options.queue, [message]);
        if (outcome?.kind === "stored") {
          this.#acknowledged.add(id);
          this.sending.step();
        }
        if (outcome?.kind !== "indeterminate") sequence++;
        if (outcome?.kind === "stored") continue;
      } catch {
        // As indeterminate.
      }
      await sleep(pauseMs);
    }
  }

  async #receive(): Promise<void> {
    const { signal } = this.#receivingEnds;
    const options = { credit: 64, consumer: "load" };
    while (!signal.aborted) {
      try {
        for await (const batch of this.#receiver.queues.receive(
          this.#options.queue,
          options,
          signal,
        )) {
          for (const delivery of batch) count(this.#offers, idOf(delivery));
          void this.#settle(batch);
        }
      } catch {
        await sleep(pauseMs);
      }
    }
  }

  /** Until the outcome of each is known. */
  async #settle(batch: readonly Delivery[]): Promise<void> {
    for (let open = batch; open.length > 0; await sleep(pauseMs)) {
      try {
        const outcomes = await this.#receiver.queues.settle(
          open.map(({ queue, position, fence }) => ({ queue, position, fence, outcome: done })),
        );
        for (const [index, delivery] of open.entries()) {
          if (outcomes[index]?.kind !== "settled") continue;
          count(this.#settled, idOf(delivery));
          this.settling.step();
        }
        open = open.filter((_, index) => outcomes[index]?.kind === "indeterminate");
      } catch {
        if (this.#receivingEnds.signal.aborted) return;
      }
      if (open.length === 0) return;
    }
  }
}

const done = { kind: "done" } as const;

function idOf({ frame }: Delivery): string {
  return new TextDecoder().decode(frame);
}

function count(times: Map<string, number>, id: string): void {
  times.set(id, (times.get(id) ?? 0) + 1);
}
