/**
 * Where the queues lie on the server.
 *
 *   PREFIX.w.m.QUEUE                     stream work: the mailbox; its payload is the queue's name
 *   PREFIX.w.q.QUEUE.LANE.u              stream work: messages without a key
 *   PREFIX.w.q.QUEUE.LANE.k.KEY          stream work: messages of one key
 *   PREFIX.w.q.QUEUE.LANE.d.KEY          stream work: those of them that were sent for later
 *   PREFIX.m.q.QUEUE.POSITION            stream state: what has become of a message, see record.ts
 *   PREFIX.m.f.QUEUE                     stream state: how far its messages may have been offered
 *   PREFIX.m.d.QUEUE.POSITION            stream state: a dead letter
 *   PREFIX.m.x.QUEUE.ID                  stream state: the position of an exactly-once message, see once.ts
 *   PREFIX.m.o.ORDER.ID.NUMBER           stream state: what a settlement sends, until it is in its queue
 *   PREFIX.r.QUEUE.CLIENT                stream volatile: a client that receives from the queue
 *   PREFIX.n.c.CLIENT                    questions and notices to one client
 *   PREFIX.n.q.QUEUE                     notices to all that receive from a queue, or look at it
 *   PREFIX.n.r.QUEUE.POSITION            the server tells each record, once it is stored: see streams.ts
 */
import { createHash } from "node:crypto";
import type { Lane } from "../../broker.ts";
import { boundedToken, type Names } from "../names.ts";

export interface MessagePlace {
  readonly lane: Lane;
  /** Undefined: it has none. */
  readonly keyToken: string | undefined;
  /** Sent for later, and with a key. */
  readonly isDelayed: boolean;
}

export const lanes: readonly Lane[] = [0, 1, 2, 3];

const madeUp = ".0.0.0";

export class QueueSubjects {
  readonly #prefix: string;
  readonly workStream: string;

  constructor({ prefix, streams }: Names) {
    this.#prefix = prefix;
    this.workStream = streams.work;
  }

  get mailboxes(): string {
    return `${this.#prefix}.w.m.*`;
  }

  mailbox(queue: string): string {
    return `${this.#prefix}.w.m.${boundedToken(queue)}`;
  }

  /** Everything that waits in the queue, in one lane or in all. */
  waiting(queue: string, lane?: Lane): string {
    const begin = `${this.#prefix}.w.q.${boundedToken(queue)}`;
    return lane === undefined ? `${begin}.>` : `${begin}.${lane}.>`;
  }

  /** Everything that waits in any queue. */
  get allWaiting(): string {
    return `${this.#prefix}.w.q.>`;
  }

  /** The token of the queue in the subject of one of its messages. */
  queueToken(subject: string): string {
    return subject.slice(this.#prefix.length + 5).split(".", 1)[0] ?? "";
  }

  message(queue: string, lane: Lane, key: string | undefined, isDelayed: boolean): string {
    const begin = `${this.#prefix}.w.q.${boundedToken(queue)}.${lane}`;
    if (key === undefined) return `${begin}.u`;
    return `${begin}.${isDelayed ? "d" : "k"}.${boundedToken(key)}`;
  }

  /** All messages of one key; `isDelayed`: of those that were sent for later. */
  key(queue: string, lane: Lane, keyToken: string, isDelayed: boolean): string {
    const begin = `${this.#prefix}.w.q.${boundedToken(queue)}.${lane}`;
    return `${begin}.${isDelayed ? "d" : "k"}.${keyToken}`;
  }

  /** What the subject of a message tells. */
  place(subject: string): MessagePlace {
    const [, lane = "2", kind, keyToken] = subject.slice(this.#prefix.length + 5).split(".");
    return {
      lane: Number(lane) as Lane,
      keyToken: kind === "u" ? undefined : keyToken,
      isDelayed: kind === "d",
    };
  }

  record(queue: string, position: number): string {
    return `${this.#prefix}.m.q.${boundedToken(queue)}.${position}`;
  }

  records(queue: string): string {
    return `${this.#prefix}.m.q.${boundedToken(queue)}.*`;
  }

  /** Where they are told once they are stored. */
  heardRecords(queue: string): string {
    return `${this.#prefix}.n.r.${boundedToken(queue)}.*`;
  }

  positionOf(recordSubject: string): number {
    return Number(recordSubject.slice(recordSubject.lastIndexOf(".") + 1));
  }

  offered(queue: string): string {
    return `${this.#prefix}.m.f.${boundedToken(queue)}`;
  }

  letter(queue: string, position: number): string {
    return `${this.#prefix}.m.d.${boundedToken(queue)}.${position}`;
  }

  letters(queue?: string): string {
    return queue === undefined
      ? `${this.#prefix}.m.d.>`
      : `${this.#prefix}.m.d.${boundedToken(queue)}.*`;
  }

  onceId(queue: string, storageId: string): string {
    return `${this.#prefix}.m.x.${boundedToken(queue)}.${boundedToken(storageId)}`;
  }

  onceIds(queue: string): string {
    return `${this.#prefix}.m.x.${boundedToken(queue)}.*`;
  }

  /** @param order - see `order`, or "*", as the others may be. */
  outbox(order: string, id: string, number: number | "*"): string {
    return `${this.#prefix}.m.o.${order}.${id}.${number}`;
  }

  /** What messages have in common that must not overtake one another; undefined: this one may. */
  order(subject: string): string | undefined {
    if (this.place(subject).keyToken === undefined) return undefined;
    return createHash("sha256").update(subject).digest("hex").slice(0, 32);
  }

  get outboxes(): string {
    return `${this.#prefix}.m.o.>`;
  }

  receiver(queue: string, client: string): string {
    return `${this.#prefix}.r.${boundedToken(queue)}.${client}`;
  }

  receivers(queue: string): string {
    return `${this.#prefix}.r.${boundedToken(queue)}.*`;
  }

  get allReceivers(): string {
    return `${this.#prefix}.r.>`;
  }

  client(client: string): string {
    return `${this.#prefix}.n.c.${client}`;
  }

  queueNotices(queue: string): string {
    return `${this.#prefix}.n.q.${boundedToken(queue)}`;
  }

  /** Of the consumer of one lane: names of consumers are short and know few characters. */
  consumer(queue: string, lane: Lane): string {
    const readable = queue.replaceAll(/[^A-Za-z0-9_-]+/g, "_").slice(0, 40);
    const digest = createHash("sha256").update(queue).digest("hex").slice(0, 16);
    return `${readable}-${digest}-${lane}`;
  }

  /**
   * Where acknowledgements of a message go that somebody else has, or nobody: only its lease can be
   * extended there, as the server demands the number of a delivery for all else.
   */
  acknowledgement(
    queue: string,
    { lane, position }: { readonly lane: Lane; readonly position: number },
  ): string {
    return `$JS.ACK.${this.workStream}.${this.consumer(queue, lane)}.1.${position}${madeUp}`;
  }

  /** What a subject made by `acknowledgement` is about; undefined for one that came with a delivery. */
  madeUp(reply: string): { readonly consumer: string; readonly position: string } | undefined {
    if (!reply.endsWith(madeUp)) return undefined;
    const [, , , consumer = "", , position = ""] = reply.split(".");
    return { consumer, position };
  }
}
