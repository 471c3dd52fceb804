/**
 * Those who want to know what becomes of messages. What is final is in the records, of which the server
 * tells as they are stored: see hearing.ts. How far a message in somebody's hands is, its holder tells.
 */
import type { ColloquyError } from "../../../errors.ts";
import { cancelledError, onAbort } from "../../../runtime/abort.ts";
import type { EnqueueOutcome, MessageState, QueuedMessage, TrackOptions } from "../../broker.ts";
import type { LinkPart } from "../connection.ts";
import { expireInTime } from "./expiry.ts";
import { Followed, Wait } from "./followed.ts";
import { Hearing } from "./hearing.ts";
import { notifyHolder, peerMs, type QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";
import { loadItem } from "./load.ts";
import { Looks } from "./looks.ts";
import { stateOfPeer } from "./peer-state.ts";
import type { PeerQuestion } from "./peers.ts";
import { finalStateOf, isFinal, type MessageRecord, noAttempts, openQuestion } from "./record.ts";

/**
 * How often all that is waited for is looked at, should word of it have been lost. A queue of which nobody
 * waits for anything is listened to until the second time, for whoever sends to it next.
 */
const sweepMs = 5_000;

interface Asking {
  /** Who is to be told what becomes of the message. */
  readonly follower?: string | undefined;
  /** The holder is asked whether it has started. */
  readonly look: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Who receives from the queue, where that is being looked up already. */
  readonly clients?: Promise<readonly string[]>;
}

interface Tracked {
  readonly queue: string;
  readonly hearing: Hearing;
  readonly followed: Map<number, Followed>;
  /** Positions of which the records are to be read, together. */
  unread: Set<number>;
  /** Nobody waited for anything when it was looked at last. */
  isIdle: boolean;
}

export class Tracks implements LinkPart {
  readonly #hub: () => QueueHub;
  readonly #queues = new Map<string, Tracked>();
  readonly #looks = new Looks(() => this.#hub().link.clock);
  #isSweeping = false;

  constructor(hub: () => QueueHub) {
    this.#hub = hub;
  }

  /** Called before messages are sent. @returns to be called with what has come of it. */
  sending(
    queue: string,
    messages: readonly QueuedMessage[],
  ): ((outcomes: readonly EnqueueOutcome[]) => void) | undefined {
    const stored = this.#queues.get(queue)?.hearing.sending();
    if (stored === undefined) return undefined;
    return (outcomes) => {
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.kind !== "stored" || outcome.duplicate) continue;
        stored(outcome.position, messages[index] as QueuedMessage);
      }
    };
  }

  async track(
    queue: string,
    position: number,
    { wait = false, onChange, signal }: TrackOptions,
  ): Promise<MessageState> {
    if (!wait) return await this.#stateNow(queue, position, signal);
    const waiting = new Wait(onChange);
    const { tracked, followed } = this.#add(queue, position, waiting);
    const forget = onAbort(signal, () =>
      waiting.ended.reject(cancelledError(signal as AbortSignal)),
    );
    let expiry: (() => void) | undefined;
    try {
      const { hearing } = tracked;
      const early = hearing.early(position);
      if (early !== undefined && isFinal(early)) return finalStateOf(early);
      const hub = this.#hub();
      const expiresAtMs = onChange === undefined ? hearing.expiryOfFresh(position) : undefined;
      if (expiresAtMs !== undefined) {
        expiry = expireInTime(hub, queue, position, expiresAtMs);
        return await waiting.ended.promise;
      }
      const { isInForce } = hearing;
      const { news } = followed;
      const asking = onChange === undefined ? undefined : this.#following(queue, signal);
      const item = hub.held(queue, position) ?? (await loadItem(hub, queue, position, signal));
      if (item !== undefined) {
        expiry = expireInTime(hub, queue, position, item.message.expiresAtMs);
      }
      const state = await this.#stateOf(queue, position, item, asking, signal);
      if (isEnd(state)) return state;
      if (followed.news === news) waiting.tell(state);
      if (!isInForce) {
        await Promise.race([hearing.begins, waiting.ended.promise]);
        this.#readSoon(tracked, position);
      }
      return await waiting.ended.promise;
    } finally {
      forget();
      expiry?.();
      waiting.ended.promise.catch(() => {});
      this.#remove(tracked, position, waiting);
    }
  }

  /** The state of an item in this client's hands, asking its holder where it has said nothing yet. */
  async look(item: Item): Promise<MessageState> {
    await this.#looks.at(item);
    return item.isHeld ? item.state : await this.#stateNow(item.queue, item.position);
  }

  /** Something about a message in this client's hands has changed. */
  changed(queue: string, position: number): void {
    const item = this.#hub().held(queue, position);
    if (item?.hasReported === true) this.#looks.answered(item);
    const followed = this.#queues.get(queue)?.followed.get(position);
    if (item !== undefined && item.over === undefined) followed?.tell(item.state);
  }

  /** Whether somebody here wants every change. */
  follows(queue: string, position: number): boolean {
    return this.#queues.get(queue)?.followed.get(position)?.wantsChanges === true;
  }

  /** From the holder of a message, in another client. */
  news(queue: string, position: number, state: MessageState | undefined): void {
    if (state !== undefined) this.#queues.get(queue)?.followed.get(position)?.tell(state);
  }

  /**
   * New clients receive from the queue: they do not know who follows its messages, and are told while
   * they make their consumers, so that no state is missed.
   *
   * @param clients - default: all that receive from it.
   */
  receiverBegan(queue: string, clients?: readonly string[]): void {
    const asking = {
      ...{ follower: this.#hub().clientId, look: false },
      ...(clients === undefined ? {} : { clients: Promise.resolve(clients) }),
    };
    for (const [position, followed] of this.#queues.get(queue)?.followed ?? []) {
      if (!followed.wantsChanges) continue;
      const { told } = followed;
      void this.#askHolders(queue, position, asking)
        .then((state) => {
          if (followed.told === told && state !== undefined) followed.tell(state);
        })
        .catch(() => {});
    }
  }

  /** The mailbox was removed, with everything in it. */
  removed(queue: string): void {
    const tracked = this.#queues.get(queue);
    if (tracked === undefined) return;
    tracked.hearing.emptied();
    for (const [position, followed] of tracked.followed) {
      void this.#stateNow(queue, position)
        .then((state) => {
          if (isEnd(state)) followed.end(state);
        })
        .catch(() => {});
    }
  }

  lost(): void {
    for (const { hearing } of this.#queues.values()) hearing.lost();
  }

  begun(): void {
    for (const [queue, tracked] of this.#queues) {
      tracked.hearing.begun();
      for (const position of tracked.followed.keys()) this.#readSoon(tracked, position);
      this.receiverBegan(queue);
    }
  }

  closed(error: ColloquyError): void {
    for (const { followed } of this.#queues.values()) {
      for (const each of followed.values()) each.fail(error);
    }
    this.#looks.close();
  }

  async #stateNow(queue: string, position: number, signal?: AbortSignal): Promise<MessageState> {
    const held = this.#hub().held(queue, position);
    if (held !== undefined && held.over === undefined && held.stage === "held")
      return await this.look(held);
    const item = await loadItem(this.#hub(), queue, position, signal);
    return await this.#stateOf(queue, position, item, { look: true, signal }, signal);
  }

  /** Who receives from the queue is looked up while the message is read. */
  #following(queue: string, signal: AbortSignal | undefined): Asking {
    const { registry, clientId } = this.#hub();
    const clients = registry.clients(queue, signal);
    clients.catch(() => {});
    return { follower: clientId, look: false, clients, signal };
  }

  /**
   * @param item - undefined: nothing waits there.
   * @param asking - undefined: what its holder could tell is not wanted.
   */
  async #stateOf(
    queue: string,
    position: number,
    item: Item | undefined,
    asking: Asking | undefined,
    signal: AbortSignal | undefined,
  ): Promise<MessageState> {
    const at = item?.record ?? (await this.#hub().records.readOne(queue, position, signal));
    if (at !== undefined && isFinal(at.record)) return finalStateOf(at.record);
    if (item === undefined) return { state: "unknown" };
    if (item.isHeld) {
      if (asking?.follower !== undefined && !item.hasReported)
        notifyHolder(item, { kind: "follow", claim: item.claim });
      return item.state;
    }
    const told = asking && (await this.#askHolders(queue, position, asking));
    return told ?? waitingState(at?.record);
  }

  async #askHolders(
    queue: string,
    position: number,
    { follower, look, signal, clients }: Asking,
  ): Promise<MessageState | undefined> {
    const question: PeerQuestion = {
      ...{ op: "state" as const, queue, position, look },
      ...(follower === undefined ? {} : { follower }),
    };
    const options = { timeoutMs: peerMs, signal, clients };
    const answers = await this.#hub().askOthers(queue, question, options);
    return stateOfPeer(answers.find(({ state }) => state !== undefined)?.state);
  }

  /** A record is the latest there is. */
  #apply(queue: string, position: number, followed: Followed, record: MessageRecord): void {
    if (isFinal(record)) {
      followed.end(finalStateOf(record));
      return;
    }
    if (record.state === "open" && openQuestion(record) === 0) return;
    // What is on its way back is known from its record first.
    const held = this.#hub().held(queue, position);
    if (held !== undefined && held.stage !== "settling") return;
    followed.tell(waitingState(record));
  }

  #add(
    queue: string,
    position: number,
    wait: Wait,
  ): { readonly tracked: Tracked; readonly followed: Followed } {
    const tracked = this.#queues.get(queue) ?? this.#begin(queue);
    tracked.isIdle = false;
    let followed = tracked.followed.get(position);
    if (followed === undefined) {
      followed = new Followed();
      tracked.followed.set(position, followed);
    }
    followed.waits.add(wait);
    return { tracked, followed };
  }

  #begin(queue: string): Tracked {
    const { link, subjects } = this.#hub();
    const hearing = new Hearing(link, subjects, queue, (position, record) => {
      const followed = tracked.followed.get(position);
      if (followed === undefined) return false;
      const heard = record();
      // What was so before the end is told before it.
      if (!isFinal(heard)) followed.recordHeard();
      this.#apply(queue, position, followed, heard);
      return true;
    });
    const tracked: Tracked = {
      ...{ queue, hearing, followed: new Map(), unread: new Set(), isIdle: false },
    };
    this.#hub().listen(queue);
    this.#queues.set(queue, tracked);
    this.#sweepLater();
    return tracked;
  }

  #remove({ followed }: Tracked, position: number, wait: Wait): void {
    const waits = followed.get(position)?.waits;
    waits?.delete(wait);
    if (waits?.size === 0) followed.delete(position);
  }

  #readSoon(tracked: Tracked, position: number): void {
    if (!tracked.followed.has(position)) return;
    tracked.unread.add(position);
    if (tracked.unread.size === 1) this.#hub().link.clock.defer(() => void this.#read(tracked));
  }

  async #read(tracked: Tracked): Promise<void> {
    const positions = [...tracked.unread];
    tracked.unread = new Set();
    const { queue } = tracked;
    const before = positions.map((position) => tracked.followed.get(position)?.news);
    try {
      const records = await this.#hub().records.read(queue, positions);
      for (const [index, position] of positions.entries()) {
        const record = records[index]?.record;
        const followed = tracked.followed.get(position);
        if (record === undefined || followed === undefined) continue;
        if (followed.news === before[index] || isFinal(record))
          this.#apply(queue, position, followed, record);
      }
    } catch {
      // The next connection looks again, and the sweep does.
    }
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const { link } = this.#hub();
    link.clock.setTimer(sweepMs, () => {
      this.#isSweeping = false;
      if (link.failure !== undefined) return;
      for (const tracked of this.#queues.values()) {
        for (const position of tracked.followed.keys()) this.#readSoon(tracked, position);
        if (tracked.isIdle) this.#end(tracked);
        else tracked.isIdle = tracked.followed.size === 0;
      }
      if (this.#queues.size > 0) this.#sweepLater();
    });
  }

  #end({ queue, hearing }: Tracked): void {
    hearing.stop();
    this.#hub().unlisten(queue);
    this.#queues.delete(queue);
  }
}

/** Of a message in nobody's hands. */
function waitingState(record: MessageRecord | undefined): MessageState {
  if (record === undefined || isFinal(record)) return { state: "queued", attempts: noAttempts };
  const { attempts, questions = [] } = record;
  const number = openQuestion(record);
  if (number === 0) return { state: "queued", attempts };
  const question = Buffer.from(questions[number - 1]?.question ?? "", "base64");
  return { state: "waiting-input", attempts, number, question };
}

function isEnd({ state }: MessageState): boolean {
  return !["queued", "offered", "started", "waiting-input"].includes(state);
}
