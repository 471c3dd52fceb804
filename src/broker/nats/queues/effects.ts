/**
 * What commits together with settlements. Their records, what they put and append, and one outbox message
 * for each message that they send are one atomic batch of the stream of state. From the outbox messages go
 * into their queues, under ids that the server recognises, whoever brings them there: see outbox.ts.
 */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../../errors.ts";
import type { Effect, Publication, Topics } from "../../broker.ts";
import type { NatsLink } from "../connection.ts";
import { batchMessagesMax, publishBatch, type StreamMessage } from "../jetstream.ts";
import { assertPublications } from "../topics.ts";
import { type Enqueue, type Parcel, undeclared } from "./enqueue.ts";
import type { QueueHub } from "./hub.ts";
import type { Outbox } from "./outbox.ts";

/** What the effects of one settlement come to. */
export interface EffectsPlan {
  readonly kind: "planned";
  /** To be stored with the record. */
  readonly messages: readonly StreamMessage[];
  /** Once they are: in memory only, so they need not be there together with the rest. */
  readonly volatile: readonly StreamMessage[];
  readonly publications: readonly Publication[];
  /** Also in the outbox, among the messages. */
  readonly parcels: readonly Parcel[];
}

export type Planned = EffectsPlan | { readonly kind: "refused"; readonly error: ErrorInfo };

export interface JointPlan {
  /** Names what they send in the outbox. */
  readonly id: string;
  /** Of as many settlements as can be stored at once, from the first one on. */
  readonly plans: readonly Planned[];
}

/** What puts and appends of one settlement come to. */
export type StoredPlan = Pick<EffectsPlan, "messages" | "volatile">;

/** Of settlements that are to be stored at once, see stored-effects.ts. */
export type PlanStored = (
  settlements: readonly (readonly Effect[])[],
) => Promise<readonly (StoredPlan | ColloquyError)[]>;

export class Effects {
  readonly #hub: QueueHub;
  readonly #enqueue: Enqueue;
  readonly #outbox: Outbox;
  readonly #topics: Topics;
  readonly #planStored: PlanStored;

  constructor(
    hub: QueueHub,
    enqueue: Enqueue,
    outbox: Outbox,
    topics: Topics,
    planStored: PlanStored,
  ) {
    this.#hub = hub;
    this.#enqueue = enqueue;
    this.#outbox = outbox;
    this.#topics = topics;
    this.#planStored = planStored;
  }

  /** @param settlements - the effects of each. @throws what the server says. */
  async plan(settlements: readonly (readonly Effect[])[]): Promise<JointPlan> {
    const { mailboxes, link } = this.#hub;
    const sends = settlements.flat().filter((effect) => effect.kind === "enqueue");
    const queues = [...new Set(sends.map(({ queue }) => queue))];
    const [declared, stored] = await Promise.all([
      queues.length === 0 ? new Map<string, number>() : mailboxes.look(queues),
      this.#planStored(settlements),
    ]);
    const id = link.newId();
    const plans: Planned[] = [];
    let posted = 0;
    for (const [index, each] of stored.entries()) {
      try {
        if (each instanceof ColloquyError) throw each;
        const effects = settlements[index] as readonly Effect[];
        const parcels = this.#parcels(effects, declared);
        const outbox = this.#outbox.messages({ id, parcels }, posted);
        plans.push(planned(link, effects, each, parcels, outbox));
        posted += parcels.length;
      } catch (error) {
        if (!(error instanceof ColloquyError)) throw error;
        plans.push({ kind: "refused", error: errorInfo(error) });
        // What comes behind it in the log was counted with what it would have appended.
        if (each !== error) break;
      }
    }
    return { id, plans };
  }

  /** Once what was planned under the id is stored: resolves when what was sent is in its queues. */
  async committed(id: string, plans: readonly EffectsPlan[]): Promise<void> {
    const publications = plans.flatMap((plan) => plan.publications);
    if (publications.length > 0) this.#topics.publish(publications);
    const volatile = plans.flatMap((plan) => plan.volatile);
    const parcels = plans.flatMap((plan) => plan.parcels);
    await Promise.all([this.#keep(volatile), this.#outbox.bring({ id, parcels })]);
  }

  /** What cannot be sent must not be stored to be sent. @throws NO_ELIGIBLE_AGENT; MESSAGE_TOO_LARGE. */
  #parcels(effects: readonly Effect[], declared: ReadonlyMap<string, number>): readonly Parcel[] {
    const sends = effects.filter((effect) => effect.kind === "enqueue");
    const missing = sends.find(({ queue }) => !declared.has(queue));
    if (missing !== undefined) throw undeclared(missing.queue);
    const parcels = sends.map(({ queue, message }) => this.#enqueue.parcel(queue, message));
    this.#enqueue.assertLengths(parcels);
    return parcels;
  }

  async #keep(volatile: readonly StreamMessage[]): Promise<void> {
    for (let from = 0; from < volatile.length; from += batchMessagesMax) {
      const messages = volatile.slice(from, from + batchMessagesMax);
      await publishBatch(this.#hub.link, messages, "queues.settle").catch(() => {});
    }
  }
}

/** @throws INVALID_ADDRESS; MESSAGE_TOO_LARGE. */
function planned(
  link: NatsLink,
  effects: readonly Effect[],
  { messages: kept, volatile }: StoredPlan,
  parcels: readonly Parcel[],
  outbox: readonly StreamMessage[],
): EffectsPlan {
  const publications = effects.filter((effect) => effect.kind === "publish");
  assertPublications(link, publications);
  const messages = [...kept, ...outbox];
  if (messages.length >= batchMessagesMax) {
    const text = `effects: ${messages.length}, the limit is ${batchMessagesMax - 1} at a time`;
    throw new ColloquyError("MESSAGE_TOO_LARGE", text);
  }
  return { kind: "planned", messages, volatile, publications, parcels };
}
