/**
 * One `receive` call: what it holds, what waits to be taken, and when it asks the server for more.
 *
 * It asks when it has room and there may be something: at first, when it is woken, when something
 * becomes due, when the last answer was full. While it has room and found nothing, the server knows
 * that it waits, and wakes it.
 */
import type { Clock, Timer } from "../../../runtime/clock.ts";
import { Deferred } from "../../../runtime/deferred.ts";
import type { Claim, Delivery, Notice, ReceiveOptions } from "../../broker.ts";
import { notYours } from "./states.ts";

/** What the server gave a receiver. */
export interface Taken {
  /** The server does not know the receiver any more: its session was silent for too long. */
  readonly gone: boolean;
  /** There is more to look through. */
  readonly more: boolean;
  /** Milliseconds until something becomes due; -1 where nothing will. */
  readonly dueMs: number;
  readonly deliveries: readonly Omit<Delivery, "queue">[];
}

/** How a claim stands. */
export type ClaimAnswer = "held" | "waiting-input" | "cancelled" | "lost";

/** What a receiver needs of its session. */
export interface ReceiverOwner {
  readonly clock: Clock;
  /** Rejects when the link was lost: then the receiver is resumed with the next one. */
  take(receiver: RedisReceiver, room: number, bytes: number): Promise<Taken>;
  /** A message is in its hands, or is not any more. */
  holds(receiver: RedisReceiver, fence: number, held: boolean): void;
  /** Called once. */
  ended(receiver: RedisReceiver, crashed: boolean): void;
  /** The server has forgotten it. */
  gone(receiver: RedisReceiver): void;
}

interface Hold {
  readonly position: number;
  /** Whether it takes up credit. */
  counts: boolean;
  /** The question whose answer its handler waits for; 0 for none. */
  asked: number;
}

/** Bytes that wait to be taken: a reader that is slow holds no more, whatever its credit. */
const pendingBytesMax = 2 ** 22;
const takeMax = 1_024;

type Result = IteratorResult<readonly Delivery[], undefined>;

const done: Result = Object.freeze({ done: true, value: undefined });

export class RedisReceiver implements AsyncIterableIterator<readonly Delivery[], undefined> {
  readonly id: string;
  readonly queue: string;
  readonly consumer: string;
  /** Rises with every link: a take of an earlier one comes to nothing. */
  generation = 0;
  /** Messages that this generation was offered without having asked. */
  offers = 0;
  readonly #owner: ReceiverOwner;
  readonly #credit: number;
  readonly #onNotice: ((notice: Notice) => void) | undefined;
  readonly #holds = new Map<number, Hold>();
  #counted = 0;
  #pending: Delivery[] = [];
  #pendingBytes = 0;
  #reader: Deferred<Result> | undefined;
  #failure: unknown;
  #ended = false;
  /** The server knows it, on the present link. */
  #ready = false;
  #taking = false;
  /** There may be something to take. */
  #wanted = true;
  #scheduled = false;
  #due: Timer | undefined;
  /** By the monotonic clock. */
  #dueAtMs = Number.POSITIVE_INFINITY;

  constructor(owner: ReceiverOwner, id: string, queue: string, options: ReceiveOptions) {
    this.#owner = owner;
    this.id = id;
    this.queue = queue;
    this.consumer = options.consumer;
    this.#credit = options.credit;
    this.#onNotice = options.onNotice;
    for (const claim of options.claims ?? []) {
      if (claim.queue === queue) this.#hold(claim.fence, claim.position);
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The server knows it, on the present link. */
  get known(): boolean {
    return this.#ready;
  }

  get hearsNotices(): boolean {
    return this.#onNotice !== undefined;
  }

  /** What it goes on holding over a change of links. */
  get claims(): readonly Claim[] {
    const { queue } = this;
    return [...this.#holds].map(([fence, { position }]) => ({ queue, position, fence }));
  }

  /** Positions in its hands that somebody here has looked at. */
  get seen(): readonly number[] {
    const pending = new Set(this.#pending.map(({ fence }) => fence));
    return [...this.#holds].flatMap(([fence, { position }]) =>
      pending.has(fence) ? [] : [position],
    );
  }

  /** The server knows it on a new link; `answers` are to its `claims`, in order. */
  resumed(claims: readonly Claim[], answers: readonly ClaimAnswer[]): void {
    for (const [index, claim] of claims.entries()) {
      const answer = answers[index];
      const hold = this.#holds.get(claim.fence);
      if (hold === undefined || answer === "held") continue;
      if (answer === "waiting-input") {
        this.#count(hold, false);
      } else {
        // Its handler may still be running: it goes on counting until that has ended.
        if (answer === "lost" && this.#isClaimOnly) this.release(claim.fence);
        this.notify({ kind: "cancel", claim, reason: notYours() });
      }
    }
    this.#isClaimOnly = false;
    this.#ready = true;
    this.wake();
  }

  /** Until the first link has answered, it only claims: what is somebody else's it does not hold. */
  #isClaimOnly = true;

  /** A new generation: what the server offers to an older one comes to nothing. */
  begin(): number {
    this.offers = 0;
    return ++this.generation;
  }

  lost(): void {
    this.#ready = false;
  }

  /** There may be something to take. */
  wake(): void {
    this.#wanted = true;
    this.#soon();
  }

  /** Something becomes due then; what becomes due sooner is not forgotten for it. */
  wakeAfter(dueMs: number): void {
    const { clock } = this.#owner;
    const atMs = clock.monotonicMs() + dueMs + 1;
    if (atMs >= this.#dueAtMs) return;
    this.#due?.cancel();
    this.#dueAtMs = atMs;
    this.#due = clock.setTimer(dueMs + 1, () => {
      this.#dueAtMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  /** The server has offered messages by itself. */
  offered(generation: number, taken: Omit<Taken, "gone">): void {
    if (this.#ended || generation !== this.generation) return;
    this.offers += taken.deliveries.length;
    this.#took(taken);
    if (taken.more) this.wake();
    if (this.#pendingBytes >= pendingBytesMax) this.#standBack();
  }

  notify(notice: Notice): void {
    const { claim } = notice;
    const hold = this.#holds.get(claim.fence);
    if (notice.kind === "input" && hold !== undefined && hold.asked === notice.answer.number) {
      this.#count(hold, true);
      hold.asked = 0;
    }
    if (!this.#ended) this.#onNotice?.(notice);
  }

  /** Its handler is about to wait for the answer to its `number`th question. */
  asks(fence: number, number: number): void {
    const hold = this.#holds.get(fence);
    if (hold !== undefined) hold.asked = number;
  }

  /** The question is known to the server: meanwhile the delivery takes up no credit. */
  asked(fence: number, number: number): void {
    const hold = this.#holds.get(fence);
    if (hold !== undefined && hold.asked === number) this.#count(hold, false);
  }

  /** The question whose answer its handler waits for; 0 for none. */
  questionOf(fence: number): number {
    return this.#holds.get(fence)?.asked ?? 0;
  }

  /** Its handler runs. @param question - that was open when that was said: it may have asked since. */
  started(fence: number, question: number): void {
    const hold = this.#holds.get(fence);
    if (hold === undefined || hold.asked !== question) return;
    hold.asked = 0;
    this.#count(hold, true);
  }

  /** The message is not in its hands any more. */
  release(fence: number): void {
    const hold = this.#holds.get(fence);
    if (hold === undefined) return;
    this.#count(hold, false);
    this.#holds.delete(fence);
    this.#owner.holds(this, fence, false);
  }

  releaseAll(): void {
    for (const fence of [...this.#holds.keys()]) this.release(fence);
  }

  next(): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(done);
    if (this.#pending.length > 0)
      return Promise.resolve({ done: false, value: this.#takePending() });
    this.#reader ??= new Deferred();
    return this.#reader.promise;
  }

  return(): Promise<Result> {
    this.end(false);
    return Promise.resolve(done);
  }

  /** Safe to repeat. @param crashed - it vanished with what it held. */
  end(crashed: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#due?.cancel();
    this.#owner.ended(this, crashed);
    this.#pending = [];
    this.#reader?.resolve(done);
    this.#reader = undefined;
  }

  /** What it has failed with, its reader is told. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.end(false);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** After what else this turn brings: settlements that come together make room together. */
  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      void this.#take();
    });
  }

  /** Takes nothing, so that the server offers it nothing more until it asks. */
  #standBack(): void {
    this.#wanted = true;
    this.#owner.take(this, 0, 0).catch(() => {});
  }

  async #take(): Promise<void> {
    const room = Math.min(takeMax, this.#credit - this.#counted);
    const bytes = pendingBytesMax - this.#pendingBytes;
    const may = this.#ready && !this.#ended && !this.#taking && this.#wanted;
    if (!may || room <= 0 || bytes <= 0) return;
    this.#taking = true;
    this.#wanted = false;
    const { generation } = this;
    try {
      const taken = await this.#owner.take(this, room, bytes);
      if (this.#ended || generation !== this.generation) return;
      if (taken.gone) return this.#owner.gone(this);
      this.#took(taken);
      if (taken.more) this.#wanted = true;
    } catch {
      // The link was lost, and the receiver is resumed with the next one.
    } finally {
      this.#taking = false;
      if (this.#wanted) this.#soon();
    }
  }

  #took({ dueMs, deliveries }: Omit<Taken, "gone">): void {
    const { queue } = this;
    for (const { position, fence, frame, attempts } of deliveries) {
      this.#hold(fence, position);
      this.#pending.push({ queue, position, fence, frame, attempts });
      this.#pendingBytes += frame.length;
    }
    if (dueMs >= 0) this.wakeAfter(dueMs);
    const reader = this.#reader;
    if (reader === undefined || this.#pending.length === 0) return;
    this.#reader = undefined;
    reader.resolve({ done: false, value: this.#takePending() });
  }

  #hold(fence: number, position: number): void {
    const hold = { position, counts: false, asked: 0 };
    this.#holds.set(fence, hold);
    this.#count(hold, true);
    this.#owner.holds(this, fence, true);
  }

  #count(hold: Hold, counts: boolean): void {
    if (hold.counts === counts) return;
    hold.counts = counts;
    this.#counted += counts ? 1 : -1;
    if (!counts) this.#soon();
  }

  #takePending(): readonly Delivery[] {
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#soon();
    return pending;
  }
}
