/** Durable messages on their way into queues: what is sent in one go travels as one batch per queue. */
import type { EnqueueOutcome, QueuedMessage } from "../../broker/broker.ts";
import { assertDurability } from "../../broker/durability.ts";
import { type ColloquyError, errorFromInfo } from "../../errors.ts";
import type { Address } from "../../message/address.ts";
import type { Sender } from "../../message/envelope.ts";
import { throwIfAborted, withAbort } from "../../runtime/abort.ts";
import { deadlineOf } from "../causality/deadline.ts";
import type { Mandate } from "../causality/mandate.ts";
import { envelopeOf } from "../envelopes.ts";
import { isRefusal } from "../failures.ts";
import type { SendOptions } from "../options.ts";
import { encodeBody, type Site } from "../site.ts";
import { laneOf, type Work } from "../work.ts";
import { Receipt } from "./receipt.ts";

export interface SendInput {
  readonly from: Sender;
  /** One mailbox. */
  readonly to: Address;
  readonly name: string;
  readonly payload: unknown;
  readonly options: SendOptions;
  readonly cause: Work | undefined;
  readonly mandate: Mandate | undefined;
}

/** Who waits for a message to be stored. */
interface Waiting {
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly messages: QueuedMessage[];
  readonly senders: Waiting[];
}

type Draft = { -readonly [Field in keyof QueuedMessage]: QueuedMessage[Field] };

export class Sending {
  readonly #site: Site;
  /** Resolves once mailboxes being declared by this process are there. */
  readonly #declared: (queue: string) => Promise<void> | undefined;
  #batches = new Map<string, Batch>();

  constructor(site: Site, declared: (queue: string) => Promise<void> | undefined) {
    this.#site = site;
    this.#declared = declared;
  }

  /** Resolves once the message is stored. */
  send(input: SendInput): Promise<Receipt> {
    try {
      const { signal } = input.options;
      const message = this.prepare(input);
      const queue = this.#site.space.queue(input.to);
      const declaring = this.#declared(queue);
      const stored =
        declaring === undefined
          ? this.#enqueue(queue, message)
          : declaring.then(() => {
              throwIfAborted(signal);
              return this.#enqueue(queue, message);
            });
      return withAbort(stored, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The message as its queue takes it. @throws what makes it unfit to be sent. */
  prepare(input: SendInput): QueuedMessage {
    try {
      return this.#message(input);
    } catch (error) {
      input.mandate?.budget?.end();
      throw error;
    }
  }

  #message({ from, to, name, payload, options, cause, mandate }: SendInput): QueuedMessage {
    const site = this.#site;
    if (options.durability !== undefined) {
      assertDurability(site.broker.capabilities.durability, options.durability);
    }
    const deadlineAtMs = deadlineOf(site.clock, options, cause);
    const envelope = envelopeOf(site, {
      kind: "command",
      name,
      from,
      to: [to],
      options,
      cause,
      mandate,
      deadlineAtMs,
    });
    const { guarantee = "at-least-once", key, ttlMs, deliverAt } = options;
    const expiresAtMs = Math.min(
      deadlineAtMs,
      ttlMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(envelope.createdMs + ttlMs),
    );
    const message: Draft = {
      id: envelope.id,
      frame: encodeBody(site, envelope, payload),
      lane: laneOf[envelope.priority],
      guarantee,
    };
    if (key !== undefined) message.key = `${from.agent}~${key}`;
    if (deliverAt !== undefined) message.notBeforeMs = Math.ceil(Number(deliverAt));
    if (expiresAtMs !== Number.POSITIVE_INFINITY) message.expiresAtMs = expiresAtMs;
    return message;
  }

  close(error: ColloquyError): void {
    for (const { senders } of this.#batches.values()) rejectAll(senders, error);
    this.#batches.clear();
  }

  #enqueue(queue: string, message: QueuedMessage): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      if (this.#batches.size === 0) queueMicrotask(() => this.#flush());
      let batch = this.#batches.get(queue);
      if (batch === undefined) {
        batch = { messages: [], senders: [] };
        this.#batches.set(queue, batch);
      }
      batch.messages.push(message);
      batch.senders.push({ resolve, reject });
    });
  }

  #flush(): void {
    const batches = this.#batches;
    this.#batches = new Map();
    for (const [queue, batch] of batches) this.#send(queue, batch);
  }

  #send(queue: string, batch: Batch): void {
    const { messages, senders } = batch;
    this.#site.broker.queues.enqueue(queue, messages).then(
      (outcomes) => this.#tell(queue, batch, outcomes),
      (error: unknown) => {
        // What is wrong with one message is no reason to refuse its neighbours.
        if (messages.length > 1 && isRefusal(error)) this.#sendApart(queue, batch);
        else rejectAll(senders, error);
      },
    );
  }

  #tell(queue: string, { messages, senders }: Batch, outcomes: readonly EnqueueOutcome[]): void {
    for (let index = 0; index < outcomes.length; index++) {
      const outcome = outcomes[index] as EnqueueOutcome;
      const { resolve, reject } = senders[index] as Waiting;
      if (outcome.kind === "stored") {
        const { position, duplicate } = outcome;
        const messageId = (messages[index] as QueuedMessage).id;
        resolve(new Receipt(this.#site, { queue, position, messageId }, duplicate));
      } else reject(errorFromInfo(outcome.error));
    }
  }

  #sendApart(queue: string, { messages, senders }: Batch): void {
    for (const index of messages.keys()) {
      const alone = <Item>(items: readonly Item[]) => items.slice(index, index + 1);
      this.#send(queue, { messages: alone(messages), senders: alone(senders) });
    }
  }
}

function rejectAll(senders: readonly Waiting[], error: unknown): void {
  for (const { reject } of senders) reject(error);
}
