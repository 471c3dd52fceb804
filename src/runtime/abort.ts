/** Cancellation: an `AbortSignal` comes in, CANCELLED goes out, and no listener stays behind. */
import { ColloquyError, isColloquyError } from "../errors.ts";

/** Of whatever waits. */
export interface WaitOptions {
  /** Gives the wait up: CANCELLED. What was under way may still happen. */
  readonly signal?: AbortSignal | undefined;
}

/** What a call rejects with when `signal` has aborted; the reason given to `abort()` is its cause. */
export function cancelledError(signal: AbortSignal): ColloquyError<"CANCELLED"> {
  const reason: unknown = signal.reason;
  if (isColloquyError(reason, "CANCELLED")) return reason;
  const why = reason instanceof Error ? reason.message : String(reason);
  return new ColloquyError("CANCELLED", `cancelled: ${why}`, { cause: reason });
}

/** @throws CANCELLED when `signal` has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledError(signal);
}

const nothing = () => {};

/**
 * One who waits for a signal, as an object of its own: for those who come by the hundred thousand and
 * have no closure to spare. Those who wait for one signal are a ring behind its only listener.
 */
export abstract class AbortListener {
  #next: AbortListener = this;
  #previous: AbortListener = this;
  #signal: AbortSignal | undefined;

  /** The signal has aborted; it listens no more. Must not throw. */
  abstract aborted(signal: AbortSignal): void;

  /** Listens to `signal`, which must not have aborted, and to no other from now on. */
  listen(signal: AbortSignal): void {
    const { ring } = heads.get(signal) ?? listenTo(signal);
    this.#signal = signal;
    this.#next = ring;
    this.#previous = ring.#previous;
    ring.#previous.#next = this;
    ring.#previous = this;
  }

  /** Safe to repeat. */
  unlisten(): void {
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#unlink();
    const head = heads.get(signal);
    if (head === undefined || head.ring.#next !== head.ring) return;
    heads.delete(signal);
    signal.removeEventListener("abort", head.listener);
  }

  /** Of the head of a ring, which waits for nothing: tells all the others. */
  protected tellAll(signal: AbortSignal): void {
    while (this.#next !== this) {
      const first = this.#next;
      first.#unlink();
      first.aborted(signal);
    }
  }

  #unlink(): void {
    this.#previous.#next = this.#next;
    this.#next.#previous = this.#previous;
    this.#next = this;
    this.#previous = this;
    this.#signal = undefined;
  }
}

class Ring extends AbortListener {
  aborted(signal: AbortSignal): void {
    this.tellAll(signal);
  }
}

class Closure extends AbortListener {
  readonly aborted: () => void;

  constructor(run: () => void) {
    super();
    this.aborted = run;
  }
}

interface Head {
  readonly ring: Ring;
  readonly listener: () => void;
}

/**
 * A signal goes through all its listeners for each that is added, and thousands may wait for one. No
 * Set either: see hash-table.ts.
 */
const heads = new WeakMap<AbortSignal, Head>();

/**
 * Runs `run` once when `signal` aborts, at once if it has. It must not throw.
 *
 * @returns what takes the listener off again; safe to repeat.
 */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    run();
    return nothing;
  }
  const waiting = new Closure(run);
  waiting.listen(signal);
  return () => waiting.unlisten();
}

function listenTo(signal: AbortSignal): Head {
  const ring = new Ring();
  const listener = () => {
    heads.delete(signal);
    ring.aborted(signal);
  };
  const head = { ring, listener };
  heads.set(signal, head);
  signal.addEventListener("abort", listener, { once: true });
  return head;
}

/**
 * As `promise`, or CANCELLED as soon as `signal` aborts. The work behind `promise` goes on: what it
 * comes to then is nobody's.
 */
export function withAbort<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(cancelledError(signal)));
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}
