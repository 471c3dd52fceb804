/**
 * Who receives from which queue: an entry for each client and queue in the volatile stream, which ends by
 * itself when the client shows no sign of life.
 */
import { parseAnswer } from "../api-answer.ts";
import type { NatsLink } from "../connection.ts";
import { jsHeaders, readPage } from "../jetstream.ts";
import type { QueueSubjects } from "./subjects.ts";

const encoder = new TextEncoder();
const nothing = new Uint8Array();

export class Registry {
  readonly #link: NatsLink;
  readonly #subjects: QueueSubjects;
  readonly #clientId: string;
  readonly #ttlSeconds: number;

  constructor(link: NatsLink, subjects: QueueSubjects, clientId: string) {
    this.#link = link;
    this.#subjects = subjects;
    this.#clientId = clientId;
    this.#ttlSeconds = Math.max(2, Math.ceil((2 * link.settings.leaseMs) / 1_000));
  }

  /** Begins or renews the entry; 0 receivers end it. Resolves when it is there. @throws what the server refuses. */
  async put(queue: string, receivers: number): Promise<void> {
    const subject = this.#subjects.receiver(queue, this.#clientId);
    const payload = receivers === 0 ? nothing : encoder.encode(`${receivers}`);
    const headers = { [jsHeaders.ttl]: `${receivers === 0 ? 1 : this.#ttlSeconds}s` };
    const what = "queues.receive";
    const options = { what, headers, repeatMs: 10_000 };
    parseAnswer(await this.#link.request(subject, payload, options), what);
  }

  /** Clients that receive from the queue, this one included. */
  async clients(queue: string, signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#read(this.#subjects.receivers(queue), signal)).map(({ client }) => client);
  }

  /** All clients that receive, by the token of the queue. */
  async all(signal?: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
    const byQueue = new Map<string, string[]>();
    for (const { queue, client } of await this.#read(this.#subjects.allReceivers, signal)) {
      byQueue.set(queue, [...(byQueue.get(queue) ?? []), client]);
    }
    return byQueue;
  }

  async #read(filter: string, signal: AbortSignal | undefined) {
    const entries: { readonly queue: string; readonly client: string }[] = [];
    for (let from = 1, pending = 1; pending > 0; ) {
      const page = await readPage(this.#link, "volatile", filter, from, signal);
      for (const { subject, seq, data } of page.messages) {
        const [client = "", queue = ""] = subject.split(".").reverse();
        if (data.length > 0) entries.push({ queue, client });
        from = seq + 1;
      }
      pending = page.messages.length === 0 ? 0 : page.pending;
    }
    return entries;
  }
}
