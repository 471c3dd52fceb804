/**
 * The sending side of durable work: every message stays here until the hub has said what became of it,
 * and is sent again, under the same number, when a link broke before that.
 */
import type { ColloquyError } from "../../errors.ts";
import type { FrameOutput } from "../../link/frame-output.ts";
import { frameTypes } from "../../message/frame.ts";
import { tooLarge } from "../../message/invalid.ts";
import { cancelledError, onAbort, throwIfAborted } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { RingBuffer } from "../../runtime/ring-buffer.ts";
import type { EnqueueOutcome, QueuedMessage } from "../broker.ts";
import type { HubConnection, SessionPart } from "./connection.ts";
import { readEnqueued, writeEnqueue } from "./operations/enqueue.ts";
import { Window } from "./window.ts";

/** What may wait for the hub's answer at a time; above it `enqueue` waits before it sends. */
export interface IntakeLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** One `enqueue` in progress. */
interface Call {
  readonly outcomes: EnqueueOutcome[];
  left: number;
  readonly resolve: (outcomes: readonly EnqueueOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Sent {
  readonly queue: string;
  readonly message: QueuedMessage;
  readonly call: Call;
  readonly index: number;
}

/** Names in a header: what any real one stays far below. */
const namesCharactersMax = 4_096;

const noOutcomes: readonly EnqueueOutcome[] = [];

export class Intake implements SessionPart {
  readonly #connection: HubConnection;
  readonly #limits: IntakeLimits;
  readonly #sent = new Window<Sent>(1);
  readonly #waiters = new RingBuffer<Deferred>();
  #sentBytes = 0;

  constructor(connection: HubConnection, limits: IntakeLimits) {
    this.#connection = connection;
    this.#limits = limits;
    const tell = (sequence: number, outcome: EnqueueOutcome): void => this.#tell(sequence, outcome);
    connection.handle(frameTypes.ENQUEUED, (frame) => {
      readEnqueued(frame, tell);
      this.#admit();
    });
    connection.add(this);
  }

  enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal: AbortSignal | undefined,
  ): Promise<readonly EnqueueOutcome[]> {
    const { failure } = this.#connection;
    if (failure !== undefined) return Promise.reject(failure);
    if (messages.length === 0) return Promise.resolve(noOutcomes);
    if (this.#full || this.#waiters.size > 0) return this.#wait(queue, messages, signal);
    if (signal === undefined) return this.#call(queue, messages);
    if (signal.aborted) return Promise.reject(cancelledError(signal));
    return this.#cancellable(queue, messages, signal);
  }

  begun(output: FrameOutput): void {
    const repeatsFrom = this.#sent.base;
    for (const [sequence, { queue, message }] of this.#sent.entries()) {
      writeEnqueue(output.data, sequence, repeatsFrom, queue, message);
      output.written();
    }
  }

  /** What was sent and not answered may have been stored or not. */
  closed(error: ColloquyError): void {
    const outcome: EnqueueOutcome = { kind: "indeterminate", error: error.toJSON() };
    for (const { call, index } of this.#sent.takeAll()) settle(call, index, outcome);
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  get #full(): boolean {
    return this.#sent.size >= this.#limits.messagesMax || this.#sentBytes >= this.#limits.bytesMax;
  }

  async #wait(
    queue: string,
    messages: readonly QueuedMessage[],
    signal: AbortSignal | undefined,
  ): Promise<readonly EnqueueOutcome[]> {
    const turn = new Deferred();
    this.#waiters.push(turn);
    // A call that gives up keeps its place, so that those behind it keep theirs.
    await turn.promise;
    // Closed since its turn came: nobody would answer it any more.
    const { failure } = this.#connection;
    if (failure !== undefined) throw failure;
    throwIfAborted(signal);
    const sent =
      signal === undefined
        ? this.#call(queue, messages)
        : this.#cancellable(queue, messages, signal);
    this.#admit();
    return sent;
  }

  /** Lets the first who waits go on; it lets the next one in turn. */
  #admit(): void {
    if (this.#waiters.size > 0 && !this.#full) this.#waiters.shift()?.resolve();
  }

  #cancellable(
    queue: string,
    messages: readonly QueuedMessage[],
    signal: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => reject(cancelledError(signal)));
      this.#send(
        queue,
        messages,
        (outcomes) => {
          forget();
          resolve(outcomes);
        },
        reject,
      );
    });
  }

  #call(queue: string, messages: readonly QueuedMessage[]): Promise<readonly EnqueueOutcome[]> {
    return new Promise((resolve, reject) => this.#send(queue, messages, resolve, reject));
  }

  #send(
    queue: string,
    messages: readonly QueuedMessage[],
    resolve: Call["resolve"],
    reject: Call["reject"],
  ): void {
    const { length } = messages;
    const outcomes = new Array<EnqueueOutcome>(length);
    const call: Call = { outcomes, left: length, resolve, reject };
    const { output } = this.#connection;
    for (let index = 0; index < length; index++) {
      const message = messages[index] as QueuedMessage;
      const problem = this.#problem(queue, message);
      if (problem !== undefined) {
        settle(call, index, { kind: "rejected", error: problem.toJSON() });
        continue;
      }
      const sequence = this.#sent.add({ queue, message, call, index });
      this.#sentBytes += message.frame.length;
      if (output === undefined) continue;
      writeEnqueue(output.data, sequence, this.#sent.base, queue, message);
      output.written();
    }
  }

  /** What would break the link instead of being refused by the hub. */
  #problem(queue: string, message: QueuedMessage): ColloquyError | undefined {
    const { frameBytesMax } = this.#connection.welcome.capabilities;
    const { length } = message.frame;
    if (length > frameBytesMax) return tooLarge("frame", frameBytesMax, "bytes", length);
    const names = queue.length + (message.key?.length ?? 0) + message.id.length;
    if (names <= namesCharactersMax) return undefined;
    return tooLarge("queue, key and id", namesCharactersMax, "characters", names);
  }

  #tell(sequence: number, outcome: EnqueueOutcome): void {
    const sent = this.#sent.take(sequence);
    if (sent === undefined) return;
    this.#sentBytes -= sent.message.frame.length;
    settle(sent.call, sent.index, outcome);
  }
}

function settle(call: Call, index: number, outcome: EnqueueOutcome): void {
  call.outcomes[index] = outcome;
  if (--call.left === 0) call.resolve(call.outcomes);
}
