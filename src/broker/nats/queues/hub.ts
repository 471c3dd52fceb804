/** All queues of this client: who receives, what is in hand, and what others ask about it. */
import type { ColloquyError } from "../../../errors.ts";
import type { Timer } from "../../../runtime/clock.ts";
import type { Notice, ReceiveOptions } from "../../broker.ts";
import { hearing } from "../client.ts";
import type { LinkPart, NatsLink } from "../connection.ts";
import { clientError } from "../errors.ts";
import { jsonObject } from "../json-object.ts";
import type { NatsTopics } from "../topics.ts";
import type { QueueContext } from "./context.ts";
import { Endings } from "./endings.ts";
import type { Item } from "./item.ts";
import { LocalQueue } from "./local-queue.ts";
import { Mailboxes } from "./mailboxes.ts";
import { type PeerAnswer, type PeerQuestion, Peers } from "./peers.ts";
import { Publisher } from "./publisher.ts";
import { QueueReceiver } from "./receiver.ts";
import { Records } from "./records.ts";
import { Registry } from "./registry.ts";
import { QueueSubjects } from "./subjects.ts";

/** How long another client may take to answer a question that it can answer at once. */
export const peerMs = 1_500;

/** Errors after which a queue can be begun all the same, soon. */
const passing: ReadonlySet<string> = new Set(["INDETERMINATE", "AGENT_UNREACHABLE", "QUEUE_FULL"]);
const retryMs = 500;

/** What the hub does not know how to do itself. */
export interface HubParts {
  /** The receiver of the item has left: it goes back. */
  abandon(item: Item): Promise<void>;
  answer(question: PeerQuestion): Promise<PeerAnswer> | PeerAnswer;
  offered(item: Item): void;
  changed(queue: string, position: number): void;
  heard(queue: string, notice: QueueNotice): void;
  /** The leases of all that is in hand were extended. */
  extended(): void;
}

/** To everybody who receives from a queue, or looks at it. */
export type QueueNotice =
  | { readonly op: "moved"; readonly name: string }
  /** `client`: who receives from now on. */
  | { readonly op: "began"; readonly client: string }
  | { readonly op: "removed" };

export interface AskOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Who receives from the queue, where that is being looked up already. */
  readonly clients?: Promise<readonly string[]> | undefined;
}

const encoder = new TextEncoder();

export class QueueHub implements QueueContext, LinkPart {
  readonly link: NatsLink;
  readonly subjects: QueueSubjects;
  readonly publisher: Publisher;
  readonly records: Records;
  readonly endings: Endings;
  readonly mailboxes: Mailboxes;
  readonly registry: Registry;
  readonly peers: Peers;
  readonly clientId: string;
  readonly queues: Map<string, LocalQueue> = new Map();
  readonly #parts: HubParts;
  readonly #noticed = new Map<string, { count: number; stop: () => void }>();
  readonly #retries = new Set<Timer>();
  #renewal: Timer | undefined;
  #isClosing = false;

  constructor(link: NatsLink, topics: NatsTopics, parts: HubParts) {
    this.link = link;
    this.#parts = parts;
    this.clientId = link.newId();
    this.subjects = new QueueSubjects(link.names);
    this.publisher = new Publisher(link);
    this.records = new Records(link, this.subjects, this.publisher);
    this.endings = new Endings(link, this.subjects, this.records, topics);
    this.mailboxes = new Mailboxes(link, this.subjects);
    this.registry = new Registry(link, this.subjects, this.clientId);
    this.peers = new Peers(link, this.subjects, this.clientId, parts.answer);
    link.add(this);
  }

  get serverSinceMs(): number {
    return Date.parse(this.link.facts.streams.volatile.created);
  }

  /** The message in this client's hands. */
  held(queue: string, position: number): Item | undefined {
    return this.queues.get(queue)?.held(position);
  }

  /** A new receiver; what it is given comes in `batches`. */
  receive(queue: string, options: ReceiveOptions): QueueReceiver {
    const receiver = new QueueReceiver(options);
    let local = this.queues.get(queue);
    if (local === undefined) {
      local = new LocalQueue(this, queue);
      this.queues.set(queue, local);
      this.listen(queue);
    }
    local.receivers.add(receiver);
    void this.#start(local);
    return receiver;
  }

  /** Safe to repeat. Resolves when what it had has been given back. */
  async leave(queue: string, receiver: QueueReceiver): Promise<void> {
    const local = this.queues.get(queue);
    if (local?.receivers.delete(receiver) !== true) return;
    receiver.end();
    const items = [...receiver.items];
    const ending = Promise.all(items.map((item) => this.#parts.abandon(item)));
    if (local.receivers.size > 0) {
      void this.registry.put(queue, local.receivers.size).catch(() => {});
      await ending;
      local.pump();
      return;
    }
    const closing = local.close();
    await Promise.all([ending, closing]).catch(() => {});
    if (local.receivers.size > 0) return;
    this.queues.delete(queue);
    this.unlisten(queue);
    await this.registry.put(queue, 0).catch(() => {});
  }

  /** Hears what is told of a queue. */
  listen(queue: string): void {
    const noticed = this.#noticed.get(queue);
    if (noticed !== undefined) {
      noticed.count++;
      return;
    }
    const subscription = this.link.client.subscribe(
      this.subjects.queueNotices(queue),
      hearing((error, { data }) => {
        if (error !== null) return;
        const notice = jsonObject(data) as QueueNotice | undefined;
        if (notice !== undefined) this.#parts.heard(queue, notice);
      }),
    );
    this.#noticed.set(queue, { count: 1, stop: () => subscription.unsubscribe() });
  }

  unlisten(queue: string): void {
    const noticed = this.#noticed.get(queue);
    if (noticed === undefined || --noticed.count > 0) return;
    this.#noticed.delete(queue);
    if (this.link.failure === undefined) noticed.stop();
  }

  tellQueue(queue: string, notice: QueueNotice): void {
    if (!this.link.isReady) return;
    const payload = encoder.encode(JSON.stringify(notice));
    this.link.publish(this.subjects.queueNotices(queue), payload);
  }

  tellKeyMoved(queue: string, name: string): void {
    this.tellQueue(queue, { op: "moved", name });
  }

  offered(item: Item): void {
    this.#parts.offered(item);
  }

  changed(queue: string, position: number): void {
    this.#parts.changed(queue, position);
  }

  /** Answers of all other clients that receive from the queue. */
  async askOthers(
    queue: string,
    question: PeerQuestion,
    options: AskOptions = {},
  ): Promise<readonly PeerAnswer[]> {
    const { timeoutMs = peerMs, signal } = options;
    const clients = await (options.clients ?? this.registry.clients(queue, signal));
    const others = clients.filter((client) => client !== this.clientId);
    const answers = await Promise.all(
      others.map((client) => this.peers.ask(client, question, timeoutMs, signal)),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  async heldElsewhere(queue: string, items: readonly Item[]): Promise<ReadonlySet<number>> {
    const positions = items.map(({ position }) => position);
    const answers = await this.askOthers(queue, { op: "held", queue, positions });
    return new Set(answers.flatMap((answer) => answer.positions ?? []));
  }

  async keyHeldElsewhere(queue: string, name: string): Promise<boolean> {
    const answers = await this.askOthers(queue, { op: "key", queue, name });
    return answers.some(({ held }) => held === true);
  }

  begun(): void {
    for (const local of this.queues.values()) void this.#start(local, true);
  }

  lost(): void {
    this.#forgetRetries();
    for (const local of this.queues.values()) local.lost();
  }

  async closing(): Promise<void> {
    this.#isClosing = true;
    const receivers = [...this.queues].flatMap(([queue, { receivers }]) =>
      [...receivers].map((receiver) => ({ queue, receiver })),
    );
    await Promise.allSettled(receivers.map(({ queue, receiver }) => this.leave(queue, receiver)));
  }

  closed(error: ColloquyError): void {
    this.#renewal?.cancel();
    this.#forgetRetries();
    for (const { receivers } of this.queues.values()) {
      for (const receiver of receivers) receiver.fail(error);
    }
    this.queues.clear();
  }

  /** As `#begin`, again and again while there is this connection. What is for good its receivers are told. */
  async #start(local: LocalQueue, again: boolean = false): Promise<void> {
    try {
      await this.#begin(local, again);
    } catch (thrown) {
      const error = clientError(thrown, "queues.receive");
      if (!this.link.isReady || this.queues.get(local.name) !== local) return;
      if (passing.has(error.code)) {
        const retry = this.link.clock.setTimer(retryMs, () => {
          this.#retries.delete(retry);
          void this.#start(local, again);
        });
        this.#retries.add(retry);
        return;
      }
      for (const receiver of [...local.receivers]) {
        receiver.fail(error);
        void this.leave(local.name, receiver).catch(() => {});
      }
    }
  }

  #forgetRetries(): void {
    for (const retry of this.#retries) retry.cancel();
    this.#retries.clear();
  }

  /** @param again - after a lost connection. */
  async #begin(local: LocalQueue, again: boolean = false): Promise<void> {
    if (this.#isClosing) return;
    this.#renewal ??= this.#renew();
    if (!this.link.isReady) return;
    await this.registry.put(local.name, local.receivers.size);
    this.tellQueue(local.name, { op: "began", client: this.clientId });
    if (again) await local.begun();
    else await local.open();
  }

  /** Signs of life, three times in a lease. */
  #renew(): Timer {
    return this.link.clock.setTimer(this.link.settings.leaseMs / 3, () => {
      this.#renewal = this.#renew();
      if (!this.link.isReady) return;
      for (const local of this.queues.values()) {
        local.extendLeases();
        void this.registry.put(local.name, local.receivers.size).catch(() => {});
      }
      this.#parts.extended();
    });
  }
}

/** Whether the holder has been told; what it does with it is its own. */
export function notifyHolder(item: Item, notice: Notice): boolean {
  const { receiver } = item;
  if (receiver?.hearsNotices !== true) return false;
  receiver.notify(notice);
  return true;
}
