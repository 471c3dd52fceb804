/**
 * What settlements send: stored with them, each under a subject of its own, and then brought into its
 * queue by whoever has settled, or by others where that one is gone. Ids see to it that nothing is there
 * twice. Of one key nothing is brought before what was sent earlier.
 */
import { isColloquyError } from "../../../errors.ts";
import type { NatsLink } from "../connection.ts";
import { jsHeaders, readPage, type StoredMessage, type StreamMessage } from "../jetstream.ts";
import { decodeToken, encodeToken } from "../names.ts";
import type { Enqueue, Parcel } from "./enqueue.ts";
import type { QueueSubjects } from "./subjects.ts";
import { copiedHeaders } from "./work-message.ts";

const outboxHeaders = {
  queue: "Colloquy-Queue",
  subject: "Colloquy-Subject",
  messageId: "Colloquy-Message-Id",
} as const;

/** What is older was left by somebody who did not come to bring it to its queue. */
export const leftBehindMs = 5_000;
/** Of those that may be brought in any order. */
const noOrder = "-";

/** What settlements that are stored together send. */
export interface Posted {
  readonly id: string;
  readonly parcels: readonly Parcel[];
}

export class Outbox {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #enqueue: Enqueue;
  /** Of each order the last that this client brings. */
  readonly #bringing = new Map<string, Promise<unknown>>();

  constructor(link: NatsLink, subjects: QueueSubjects, enqueue: Enqueue) {
    this.#link = link;
    this.#subjects = subjects;
    this.#enqueue = enqueue;
  }

  /** To be stored with the settlements. @param from - how many of the id there are besides. */
  messages({ id, parcels }: Posted, from: number): readonly StreamMessage[] {
    return parcels.map((parcel, index) => {
      const { [jsHeaders.messageId]: messageId = "", ...headers } = parcel.headers;
      return {
        subject: this.#subjects.outbox(this.#orderOf(parcel), id, from + index),
        payload: parcel.frame,
        headers: {
          ...headers,
          [outboxHeaders.queue]: encodeToken(parcel.queue),
          [outboxHeaders.subject]: parcel.subject,
          [outboxHeaders.messageId]: messageId,
        },
      };
    });
  }

  /** Once they are stored: resolves when they are in their queues, or have to be left for later. */
  async bring({ id, parcels }: Posted): Promise<void> {
    const groups = Map.groupBy(parcels, (parcel) => this.#orderOf(parcel));
    await Promise.all(
      [...groups].map(async ([order, group]) => {
        const bring = async () => {
          if (order !== noOrder && !(await this.#bringEarlier(order, id))) return;
          if (await this.#send(group)) await this.#forget(this.#subjects.outbox(order, id, "*"));
        };
        await (order === noOrder ? bring() : this.#inTurn(order, bring));
      }),
    );
  }

  /**
   * Brings what others have left. What cannot be brought now holds up what is behind it in its order, or for
   * its queue, and nothing else.
   *
   * @throws CLOSED; what reading throws.
   */
  async bringLeft(): Promise<void> {
    const beforeMs = this.#link.serverNowMs() - leftBehindMs;
    const stuck = new Set<string>();
    for await (const message of this.#all()) {
      const order = message.subject.split(".").at(-3) ?? noOrder;
      const line = order === noOrder ? `for ${message.header(outboxHeaders.queue)}` : order;
      if (message.atMs > beforeMs || stuck.has(line)) continue;
      const isBrought = await this.#bringStored(message).catch((error: unknown) => {
        if (isColloquyError(error, "CLOSED")) throw error;
        return false;
      });
      if (!isBrought) stuck.add(line);
    }
  }

  /** How many messages there are, by the queue that they are for. */
  async onTheirWay(signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for await (const { header } of this.#all(signal)) {
      const queue = decodeToken(header(outboxHeaders.queue));
      counts.set(queue, (counts.get(queue) ?? 0) + 1);
    }
    return counts;
  }

  async *#all(signal?: AbortSignal): AsyncGenerator<StoredMessage, void, undefined> {
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await readPage(this.#link, "state", this.#subjects.outboxes, from, signal);
      yield* page.messages;
      from = (page.messages.at(-1)?.seq ?? 0) + 1;
      pending = page.messages.length === 0 ? 0 : page.pending;
    }
  }

  #orderOf({ subject }: Parcel): string {
    return this.#subjects.order(subject) ?? noOrder;
  }

  /** What this client brings itself is no reason to bring it once more. */
  async #inTurn(order: string, bring: () => Promise<void>): Promise<void> {
    const turn = (this.#bringing.get(order) ?? Promise.resolve()).then(bring);
    const ended = turn.catch(() => {});
    this.#bringing.set(order, ended);
    try {
      await turn;
    } finally {
      if (this.#bringing.get(order) === ended) this.#bringing.delete(order);
    }
  }

  /** What was left of one order before those of `id`. @returns false where it has to stay. */
  async #bringEarlier(order: string, id: string): Promise<boolean> {
    const filter = this.#subjects.outbox(order, "*", "*");
    for (let from = 1; ; ) {
      const { messages } = await readPage(this.#link, "state", filter, from, undefined, 1);
      const [first] = messages;
      if (first === undefined || first.subject.split(".").at(-2) === id) return true;
      if (!(await this.#bringStored(first))) return false;
      from = first.seq + 1;
    }
  }

  async #bringStored({ header, data: frame, subject }: StoredMessage): Promise<boolean> {
    const parcel = {
      queue: decodeToken(header(outboxHeaders.queue)),
      subject: header(outboxHeaders.subject),
      frame,
      headers: {
        ...copiedHeaders(header),
        [jsHeaders.messageId]: header(outboxHeaders.messageId),
      },
    };
    const isSent = await this.#send([parcel]);
    if (isSent) await this.#forget(subject);
    return isSent;
  }

  /** @returns whether nothing is left to do: what is for a mailbox that was removed is gone with it. */
  async #send(parcels: readonly Parcel[]): Promise<boolean> {
    const queues = [...Map.groupBy(parcels, ({ queue }) => queue)];
    const sent = queues.map(([queue, group]) => this.#enqueue.store(queue, group));
    const outcomes = (await Promise.all(sent)).flat();
    return outcomes.every(
      (outcome) =>
        outcome.kind === "stored" ||
        (outcome.kind === "rejected" && outcome.error.code === "NO_ELIGIBLE_AGENT"),
    );
  }

  async #forget(filter: string): Promise<void> {
    await this.#link.api(`STREAM.PURGE.${this.#link.names.streams.state}`, { filter });
  }
}
