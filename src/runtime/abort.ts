/** Cancellation: an `AbortSignal` comes in, CANCELLED goes out, and no listener stays behind. */
import { ColloquyError, isColloquyError } from "../errors.ts";

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

/** Those who wait for one signal are a ring behind its only listener; its head waits for nothing. */
class Waiting {
  next: Waiting = this;
  previous: Waiting = this;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }

  get linked(): boolean {
    return this.next !== this;
  }

  linkBefore(head: Waiting): void {
    this.next = head;
    this.previous = head.previous;
    head.previous.next = this;
    head.previous = this;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.next = this;
    this.previous = this;
  }
}

interface Head {
  readonly ring: Waiting;
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
  const { ring, listener } = heads.get(signal) ?? listenTo(signal);
  const waiting = new Waiting(run);
  waiting.linkBefore(ring);
  return () => {
    if (!waiting.linked) return;
    waiting.unlink();
    if (ring.linked) return;
    heads.delete(signal);
    signal.removeEventListener("abort", listener);
  };
}

function listenTo(signal: AbortSignal): Head {
  const ring = new Waiting(nothing);
  const listener = () => {
    heads.delete(signal);
    while (ring.linked) {
      const first = ring.next;
      first.unlink();
      first.run();
    }
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
