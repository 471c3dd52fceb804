/**
 * Those who want to know what becomes of messages. What is final is in the records, and every record that
 * is written can be heard of; how far a message in somebody's hands is, its holder tells.
 */
import { type ColloquyError, isColloquyError } from "../../../errors.ts";
import { cancelledError, onAbort } from "../../../runtime/abort.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { MessageState, TrackOptions } from "../../broker.ts";
import type { LinkPart } from "../connection.ts";
import { notifyHolder, peerMs, type QueueHub } from "./hub.ts";
import type { Item } from "./item.ts";
import { endedErrors } from "./judge.ts";
import { loadItem } from "./load.ts";
import { stateOfPeer } from "./peer-state.ts";
import type { PeerQuestion } from "./peers.ts";
import {
  finalStateOf,
  isFinal,
  type MessageRecord,
  noAttempts,
  openQuestion,
  type RecordAt,
} from "./record.ts";

/** How long a holder may take to say whether it has started, until "offered" stands. */
const reportMs = 250;
/** How often all that is waited for is looked at, should word of it have been lost. */
const sweepMs = 5_000;
/** A record is heard of before it is stored, in a batch long before: when it is looked for again. */
const againMs: readonly number[] = [5, 20, 50, 200, 1_000];

interface Wait {
  readonly onChange: ((state: MessageState) => void) | undefined;
  readonly ended: Deferred<MessageState>;
  told: string | undefined;
}

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
  readonly waits: Map<number, Set<Wait>>;
  readonly stop: () => void;
  /** Counts what holders have told: a record that was read before is older. */
  news: number;
  /** Positions of which a record was heard, to be read together. */
  heard: Set<number>;
  /** How often they were looked for in vain since they were heard of. */
  tries: Map<number, number>;
}

export class Tracks implements LinkPart {
  readonly #hub: () => QueueHub;
  readonly #queues = new Map<string, Tracked>();
  readonly #looks = new Map<Item, Deferred>();
  #isSweeping = false;

  constructor(hub: () => QueueHub) {
    this.#hub = hub;
  }

  async track(
    queue: string,
    position: number,
    { wait = false, onChange, signal }: TrackOptions,
  ): Promise<MessageState> {
    if (!wait) return await this.#stateNow(queue, position, signal);
    const waiting: Wait = { onChange, ended: new Deferred(), told: undefined };
    const tracked = this.#add(queue, position, waiting);
    const forget = onAbort(signal, () =>
      waiting.ended.reject(cancelledError(signal as AbortSignal)),
    );
    let expiry: (() => void) | undefined;
    try {
      const hub = this.#hub();
      const { news } = tracked;
      // All at once: what comes next from this client comes after the state of now.
      const inForce = hub.link.flush(signal);
      inForce.catch(() => {});
      const clients = hub.registry.clients(queue, signal);
      clients.catch(() => {});
      const item = hub.held(queue, position) ?? (await loadItem(hub, queue, position, signal));
      expiry = this.#expireInTime(queue, item);
      const follower = onChange === undefined ? undefined : hub.clientId;
      const asking = { follower, signal, look: false, clients };
      const state = await this.#stateOf(queue, position, item, asking);
      if (isEnd(state)) return state;
      if (tracked.news === news) this.#tell(waiting, state);
      await Promise.race([inForce, waiting.ended.promise]);
      this.#hear(queue, tracked, position);
      return await waiting.ended.promise;
    } finally {
      forget();
      expiry?.();
      waiting.ended.promise.catch(() => {});
      this.#remove(queue, position, waiting);
    }
  }

  /** The state of an item in this client's hands, asking its holder where it has said nothing yet. */
  async look(item: Item): Promise<MessageState> {
    const { clock } = this.#hub().link;
    if (!item.hasReported && item.phase === "offered" && item.receiver?.hearsNotices === true) {
      let look = this.#looks.get(item);
      if (look === undefined) {
        look = new Deferred();
        this.#looks.set(item, look);
        const timer = clock.setTimer(reportMs, () => this.#looked(item));
        void look.promise.then(() => timer.cancel());
        notifyHolder(item, { kind: "follow", claim: item.claim });
        if (item.hasReported) this.#looked(item);
      }
      await look.promise;
    }
    return item.isHeld ? item.state : await this.#stateNow(item.queue, item.position);
  }

  /** This client has written a record. */
  written(queue: string, position: number, { record }: RecordAt): void {
    this.#apply(queue, position, record);
  }

  /** Something about a message in this client's hands has changed. */
  changed(queue: string, position: number): void {
    const item = this.#hub().held(queue, position);
    if (item?.hasReported === true) this.#looked(item);
    const tracked = this.#queues.get(queue);
    const waits = tracked?.waits.get(position);
    if (item === undefined || item.over !== undefined || waits === undefined) return;
    for (const wait of waits) this.#tell(wait, item.state);
  }

  /** Whether somebody here wants every change. */
  follows(queue: string, position: number): boolean {
    const waits = this.#queues.get(queue)?.waits.get(position);
    if (waits === undefined) return false;
    for (const { onChange } of waits) if (onChange !== undefined) return true;
    return false;
  }

  /** From the holder of a message, in another client. */
  news(queue: string, position: number, state: MessageState | undefined): void {
    const tracked = this.#queues.get(queue);
    const waits = tracked?.waits.get(position);
    if (tracked === undefined || waits === undefined) return;
    if (state === undefined) {
      this.#hear(queue, tracked, position);
      return;
    }
    tracked.news++;
    for (const wait of waits) this.#tell(wait, state);
  }

  /** A new client receives from the queue: it does not know who follows its messages. */
  receiverBegan(queue: string): void {
    const tracked = this.#queues.get(queue);
    if (tracked === undefined) return;
    for (const position of tracked.waits.keys()) {
      if (!this.follows(queue, position)) continue;
      void this.#askHolders(queue, position, { follower: this.#hub().clientId, look: false })
        .then((state) => {
          if (state !== undefined) this.news(queue, position, state);
        })
        .catch(() => {});
    }
  }

  /** The mailbox was removed, with everything in it. */
  removed(queue: string): void {
    for (const [position, waits] of this.#queues.get(queue)?.waits ?? []) {
      void this.#stateNow(queue, position)
        .then((state) => {
          if (isEnd(state)) for (const { ended } of waits) ended.resolve(state);
        })
        .catch(() => {});
    }
  }

  begun(): void {
    for (const [queue, tracked] of this.#queues) {
      for (const position of tracked.waits.keys()) this.#hear(queue, tracked, position);
      this.receiverBegan(queue);
    }
  }

  closed(error: ColloquyError): void {
    for (const { waits } of this.#queues.values()) {
      for (const each of waits.values()) for (const { ended } of each) ended.reject(error);
    }
    for (const item of [...this.#looks.keys()]) this.#looked(item);
  }

  async #stateNow(queue: string, position: number, signal?: AbortSignal): Promise<MessageState> {
    const held = this.#hub().held(queue, position);
    if (held !== undefined && held.over === undefined && held.stage === "held")
      return await this.look(held);
    const item = await loadItem(this.#hub(), queue, position, signal);
    return await this.#stateOf(queue, position, item, { signal, look: true });
  }

  /** @param item - undefined: nothing waits there. */
  async #stateOf(
    queue: string,
    position: number,
    item: Item | undefined,
    asking: Asking,
  ): Promise<MessageState> {
    const { follower, signal } = asking;
    const at = item?.record ?? (await this.#hub().records.readOne(queue, position, signal));
    if (at !== undefined && isFinal(at.record)) return finalStateOf(at.record);
    if (item === undefined) return { state: "unknown" };
    if (item.isHeld) {
      if (follower !== undefined && !item.hasReported)
        notifyHolder(item, { kind: "follow", claim: item.claim });
      return item.state;
    }
    const told = await this.#askHolders(queue, position, asking);
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
  #apply(queue: string, position: number, record: MessageRecord): void {
    const waits = this.#queues.get(queue)?.waits.get(position);
    if (waits === undefined) return;
    if (isFinal(record)) {
      for (const { ended } of [...waits]) ended.resolve(finalStateOf(record));
      return;
    }
    if (record.state === "open" && openQuestion(record) === 0) return;
    for (const wait of waits) this.#tell(wait, waitingState(record));
  }

  #tell(wait: Wait, state: MessageState): void {
    if (wait.onChange === undefined) return;
    const told = JSON.stringify(state, (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
    );
    if (told === wait.told) return;
    wait.told = told;
    wait.onChange(state);
  }

  #add(queue: string, position: number, wait: Wait): Tracked {
    const hub = this.#hub();
    let tracked = this.#queues.get(queue);
    if (tracked === undefined) {
      const subscription = hub.link.client.subscribe(hub.subjects.records(queue), {
        callback: (error, { subject }) => {
          const there = this.#queues.get(queue);
          if (error !== null || there === undefined) return;
          const position = hub.subjects.positionOf(subject);
          if (there.waits.has(position)) there.tries.set(position, 0);
          this.#hear(queue, there, position);
        },
      });
      hub.listen(queue);
      const stop = () => {
        hub.unlisten(queue);
        if (hub.link.failure === undefined) subscription.unsubscribe();
      };
      tracked = { waits: new Map(), stop, news: 0, heard: new Set(), tries: new Map() };
      this.#queues.set(queue, tracked);
    }
    const waits = tracked.waits.get(position);
    if (waits === undefined) tracked.waits.set(position, new Set([wait]));
    else waits.add(wait);
    this.#sweepLater();
    return tracked;
  }

  #remove(queue: string, position: number, wait: Wait): void {
    const tracked = this.#queues.get(queue);
    const waits = tracked?.waits.get(position);
    if (tracked === undefined || waits === undefined) return;
    waits.delete(wait);
    if (waits.size === 0) {
      tracked.waits.delete(position);
      tracked.tries.delete(position);
    }
    if (tracked.waits.size > 0) return;
    tracked.stop();
    this.#queues.delete(queue);
  }

  /** A record was published; whether it was stored has to be read. */
  #hear(queue: string, tracked: Tracked, position: number): void {
    if (!tracked.waits.has(position)) return;
    tracked.heard.add(position);
    if (tracked.heard.size === 1)
      this.#hub().link.clock.defer(() => void this.#read(queue, tracked));
  }

  async #read(queue: string, tracked: Tracked): Promise<void> {
    const positions = [...tracked.heard];
    tracked.heard = new Set();
    const { news } = tracked;
    try {
      const records = await this.#hub().records.read(queue, positions);
      for (const [index, position] of positions.entries()) {
        const record = records[index]?.record;
        if (record === undefined) {
          this.#hearAgain(queue, tracked, position);
          continue;
        }
        if (isFinal(record) || (tracked.news === news && !this.#isHere(queue, position))) {
          this.#apply(queue, position, record);
        }
        if (!isFinal(record)) this.#hearAgain(queue, tracked, position);
      }
    } catch {
      // The next connection looks again, and the sweep does.
    }
  }

  #hearAgain(queue: string, tracked: Tracked, position: number): void {
    const tries = tracked.tries.get(position);
    const delayMs = tries === undefined ? undefined : againMs[tries];
    if (tries === undefined || delayMs === undefined) return;
    tracked.tries.set(position, tries + 1);
    this.#hub().link.clock.setTimer(delayMs, () => this.#hear(queue, tracked, position));
  }

  #isHere(queue: string, position: number): boolean {
    return this.#hub().held(queue, position) !== undefined;
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const { clock } = this.#hub().link;
    clock.setTimer(sweepMs, () => {
      this.#isSweeping = false;
      if (this.#queues.size === 0 || this.#hub().link.failure !== undefined) return;
      for (const [queue, tracked] of this.#queues) {
        for (const position of tracked.waits.keys()) this.#hear(queue, tracked, position);
      }
      this.#sweepLater();
    });
  }

  #looked(item: Item): void {
    this.#looks.get(item)?.resolve();
    this.#looks.delete(item);
  }

  /** Messages expire when their turn comes; one that somebody waits for does so at its time. */
  #expireInTime(queue: string, item: Item | undefined): (() => void) | undefined {
    const expiresAtMs = item?.message.expiresAtMs ?? 0;
    if (item === undefined || expiresAtMs === 0) return undefined;
    const { clock } = this.#hub().link;
    const run = () => {
      timer = clock.setTimer(1_000, run);
      if (clock.nowMs() >= expiresAtMs) void this.#expire(queue, item.position).catch(() => {});
    };
    let timer = clock.setTimer(Math.max(0, expiresAtMs - clock.nowMs()), run);
    return () => timer.cancel();
  }

  async #expire(queue: string, position: number): Promise<void> {
    const hub = this.#hub();
    if (hub.queues.get(queue)?.find(position) !== undefined) return;
    const item = await loadItem(hub, queue, position);
    if (item === undefined || (item.record !== undefined && isFinal(item.record.record))) return;
    const held = await hub.askOthers(queue, { op: "held", queue, positions: [position] });
    if (held.some(({ positions }) => positions?.includes(position))) return;
    const attempt = Math.max(0, item.live?.attempt ?? 0);
    const error = endedErrors.expired;
    const record = { state: "expired", attempt, by: hub.clientId, error } as const;
    try {
      await hub.endings.write(queue, position, record, item.expected);
      await hub.endings.remove(position, undefined);
    } catch (error) {
      if (!isColloquyError(error, "CONFLICT")) throw error;
    }
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
