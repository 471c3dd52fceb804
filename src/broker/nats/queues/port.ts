/** The queues of a NATS broker, natively on JetStream: see docs/decisions/026-nats-queues.md. */
import { throwIfAborted } from "../../../runtime/abort.ts";
import type { Timer } from "../../../runtime/clock.ts";
import type {
  Answer,
  AnswerOutcome,
  BrowseRange,
  CancelOptions,
  CancelOutcome,
  Claim,
  DeadLetter,
  Delivery,
  EnqueueOutcome,
  MailboxInfo,
  MessageState,
  QueuedMessage,
  Queues,
  ReceiveOptions,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
  StoredMessage,
  TrackOptions,
} from "../../broker.ts";
import type { LinkPart, NatsLink } from "../connection.ts";
import type { NatsTopics } from "../topics.ts";
import { giveAnswer } from "./answer.ts";
import { browse, mailboxes } from "./browse.ts";
import { cancel, tellHolder } from "./cancel.ts";
import { catchUp, wasExtendedBefore } from "./catch-up.ts";
import { takeClaims } from "./claims.ts";
import { deadLetters, purge, replay } from "./dead-letters.ts";
import { Effects, type PlanStored } from "./effects.ts";
import { Enqueue } from "./enqueue.ts";
import { QueueHub } from "./hub.ts";
import { endedErrors } from "./judge.ts";
import { brief } from "./notices.ts";
import { leftBehindMs, Outbox } from "./outbox.ts";
import { answerPeer, tellFollowers } from "./peer-answers.ts";
import { report } from "./report.ts";
import { Settle } from "./settle.ts";
import { Tracks } from "./tracks.ts";

export class NatsQueues implements Queues, LinkPart {
  readonly #link: NatsLink;
  readonly #hub: QueueHub;
  readonly #enqueue: Enqueue;
  readonly #settle: Settle;
  readonly #outbox: Outbox;
  readonly #tracks: Tracks;
  #forwarding: Timer | undefined;
  #isBringing = false;

  /** @param planStored - what puts and appends of settlements come to. */
  constructor(link: NatsLink, topics: NatsTopics, planStored: PlanStored) {
    this.#link = link;
    this.#tracks = new Tracks(() => this.#hub);
    const tracks = this.#tracks;
    this.#hub = new QueueHub(link, topics, {
      abandon: (item) => this.#settle.abandon(item),
      answer: (question) => answerPeer(this.#hub, tracks, question),
      offered: (item) => brief(this.#hub, tracks, item),
      changed: (queue, position) => {
        tracks.changed(queue, position);
        tellFollowers(this.#hub, queue, position);
      },
      heard: (queue, notice) => {
        if (notice.op === "moved") this.#hub.queues.get(queue)?.keyMoved(notice.name);
        else if (notice.op === "began") tracks.receiverBegan(queue, [notice.client]);
        else if (notice.op === "removed") this.#removed(queue);
      },
      extended: () => void catchUp(this.#hub, wasExtendedBefore).catch(() => {}),
    });
    const { subjects, publisher } = this.#hub;
    this.#enqueue = new Enqueue(link, subjects, this.#hub.mailboxes, publisher);
    this.#outbox = new Outbox(link, subjects, this.#enqueue);
    const effects = new Effects(this.#hub, this.#enqueue, this.#outbox, topics, planStored);
    this.#settle = new Settle(this.#hub, effects);
    link.add(tracks);
    link.add(this);
  }

  async declare(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#enter(signal);
    await this.#hub.mailboxes.declare(queues, signal);
  }

  async remove(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#enter(signal);
    for (const queue of new Set(queues)) {
      await this.#hub.mailboxes.remove(queue, signal);
      for (const item of [...(this.#hub.queues.get(queue)?.items ?? [])]) {
        await tellHolder(this.#hub, item, endedErrors.removed);
      }
      await this.#hub.askOthers(queue, { op: "removed", queue });
      this.#hub.tellQueue(queue, { op: "removed" });
      this.#removed(queue);
    }
  }

  async mailboxes(signal?: AbortSignal): Promise<readonly MailboxInfo[]> {
    await this.#enter(signal);
    // Before they are counted in their queues: what leaves an outbox meanwhile is there.
    const onTheirWay = await this.#outbox.onTheirWay(signal);
    return await mailboxes(this.#hub, onTheirWay, signal);
  }

  async enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    if (messages.length === 0) return [];
    this.#link.assertOpen();
    const stored = this.#tracks.sending(queue, messages);
    const outcomes = await this.#enqueue.enqueue(queue, messages, signal);
    stored?.(outcomes);
    return outcomes;
  }

  async *receive(
    queue: string,
    options: ReceiveOptions,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Delivery[], void, undefined> {
    this.#link.assertOpen();
    if (signal.aborted) return;
    const receiver = this.#hub.receive(queue, options);
    const leave = () => void this.#hub.leave(queue, receiver).catch(() => {});
    signal.addEventListener("abort", leave, { once: true });
    if (options.claims !== undefined) void this.#claim(queue, receiver, options.claims);
    try {
      yield* receiver.batches();
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    if (settlements.length === 0) return [];
    this.#link.assertOpen();
    return await this.#settle.settle(settlements);
  }

  async report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    this.#link.assertOpen();
    return await report(this.#hub, reports);
  }

  async cancel(
    queue: string,
    position: number,
    options: CancelOptions = {},
  ): Promise<CancelOutcome> {
    await this.#enter(options.signal);
    return await cancel(this.#hub, queue, position, options);
  }

  async answer(
    queue: string,
    position: number,
    answer: Answer,
    signal?: AbortSignal,
  ): Promise<AnswerOutcome> {
    await this.#enter(signal);
    return await giveAnswer(this.#hub, queue, position, answer, signal);
  }

  async track(queue: string, position: number, options: TrackOptions = {}): Promise<MessageState> {
    await this.#enter(options.signal);
    return await this.#tracks.track(queue, position, options);
  }

  async *browse(
    queue: string,
    range: BrowseRange,
    signal: AbortSignal,
  ): AsyncGenerator<readonly StoredMessage[], void, undefined> {
    await this.#enter(signal);
    yield* browse(this.#hub, queue, range, signal);
  }

  async *deadLetters(
    range: BrowseRange,
    signal: AbortSignal,
  ): AsyncGenerator<readonly DeadLetter[], void, undefined> {
    await this.#enter(signal);
    yield* deadLetters(this.#hub, range, signal);
  }

  async replay(letters: readonly number[], signal?: AbortSignal): Promise<number> {
    await this.#enter(signal);
    return await replay(this.#hub, this.#enqueue, letters, signal);
  }

  async purge(letters: readonly number[], signal?: AbortSignal): Promise<number> {
    await this.#enter(signal);
    return await purge(this.#hub, letters, signal);
  }

  begun(): void {
    this.#forward();
    void catchUp(this.#hub, () => true).catch(() => {});
  }

  lost(): void {
    this.#forwarding?.cancel();
  }

  closed(): void {
    this.#forwarding?.cancel();
  }

  /** Whoever is killed after a settlement leaves what it sends, and the others need not begin again to see it. */
  #forward(): void {
    this.#forwarding?.cancel();
    this.#forwarding = this.#link.clock.setTimer(leftBehindMs, () => this.#forward());
    if (this.#isBringing) return;
    this.#isBringing = true;
    const ended = (): void => {
      this.#isBringing = false;
    };
    this.#outbox.bringLeft().then(ended, ended);
  }

  async #claim(
    queue: string,
    receiver: ReturnType<QueueHub["receive"]>,
    claims: readonly Claim[],
  ): Promise<void> {
    await takeClaims(this.#hub, queue, receiver, claims).catch(() => {});
  }

  #removed(queue: string): void {
    this.#hub.queues.get(queue)?.removed();
    this.#tracks.removed(queue);
  }

  /** @throws CLOSED; CANCELLED. */
  async #enter(signal: AbortSignal | undefined): Promise<void> {
    this.#link.assertOpen();
    throwIfAborted(signal);
    await this.#link.whenReady(signal);
  }
}
