/** One `receive` call: what it holds, what waits for it to be taken, and where it is read. */

import { Deferred } from "../../runtime/deferred.ts";
import type { Delivery, Notice, ReceiveOptions } from "../broker.ts";
import type { Holder, Slot } from "./slot.ts";

/** Why a receiver ended: "crash" when it vanished with what it held. */
export type ReceiverEnd = "release" | "crash";

/** Whose receivers they are. */
export interface ReceiverOwner {
  /** Called once for each. */
  ended(receiver: Receiver, end: ReceiverEnd): void;
  /** It has taken what waited, and has room again for that reason. */
  hasRoom(receiver: Receiver): void;
}

/** Bytes that wait to be taken: a reader that is slow holds no more, whatever its credit. */
const pendingBytesMax = 2 ** 22;

type Result = IteratorResult<readonly Delivery[], undefined>;

const done: Result = Object.freeze({ done: true, value: undefined });

export class Receiver implements Holder, AsyncIterableIterator<readonly Delivery[], undefined> {
  readonly queue: string;
  readonly consumer: string;
  readonly #owner: ReceiverOwner;
  readonly #credit: number;
  readonly #onNotice: ((notice: Notice) => void) | undefined;
  #failure: unknown;
  #pending: Delivery[] = [];
  #pendingBytes = 0;
  #holds = 0;
  #reader: Deferred<Result> | undefined;
  #ended = false;

  constructor(owner: ReceiverOwner, queue: string, options: ReceiveOptions) {
    this.#owner = owner;
    this.queue = queue;
    this.consumer = options.consumer;
    this.#credit = options.credit;
    this.#onNotice = options.onNotice;
  }

  get hearsNotices(): boolean {
    return this.#onNotice !== undefined;
  }

  notify(notice: Notice): void {
    if (!this.#ended) this.#onNotice?.(notice);
  }

  /** Messages it will take now. */
  get room(): number {
    if (this.#ended || this.#pendingBytes >= pendingBytesMax) return 0;
    return this.#credit - this.#holds;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Positions of what was leased to it and not taken. */
  get untaken(): readonly number[] {
    return this.#pending.map(({ position }) => position);
  }

  /** Leases the message to this receiver; `flush` hands it over. @returns whether it is the first. */
  lease(slot: Slot): boolean {
    this.hold(slot);
    const { position, fence, frame, history } = slot;
    this.#pending.push({ queue: this.queue, position, fence, frame, attempts: history.attempts });
    this.#pendingBytes += frame.length;
    return this.#pending.length === 1;
  }

  /** As `lease`, for a message that is in its hands already. */
  hold(slot: Slot): void {
    slot.state = "held";
    slot.holder = this;
    this.#holds++;
  }

  /** Keeps room for a message that will be leased later, or gives it up. */
  reserve(messages: number): void {
    this.#holds += messages;
  }

  letGo(): void {
    this.#holds--;
  }

  takeUp(): void {
    this.#holds++;
  }

  flush(): void {
    const reader = this.#reader;
    if (reader === undefined || this.#pending.length === 0) return;
    this.#reader = undefined;
    reader.resolve({ done: false, value: this.#takePending() });
  }

  next(): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(done);
    if (this.#pending.length > 0) {
      return Promise.resolve({ done: false, value: this.#takePending() });
    }
    this.#reader ??= new Deferred();
    return this.#reader.promise;
  }

  return(): Promise<Result> {
    this.end("release");
    return Promise.resolve(done);
  }

  /** Safe to repeat. */
  end(end: ReceiverEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owner.ended(this, end);
    this.#pending = [];
    this.#reader?.resolve(done);
    this.#reader = undefined;
  }

  /** Ends it because the engine failed. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = error;
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.end("release");
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #takePending(): readonly Delivery[] {
    const pending = this.#pending;
    this.#pending = [];
    if (this.#pendingBytes >= pendingBytesMax) this.#owner.hasRoom(this);
    this.#pendingBytes = 0;
    return pending;
  }
}
