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

/** Who waits for one signal, behind the only listener it has. */
interface Waiting {
  readonly all: Set<{ readonly run: () => void }>;
  readonly listener: () => void;
}

/** A signal goes through its listeners for every one that is added; thousands may wait for one signal. */
const waitingFor = new WeakMap<AbortSignal, Waiting>();

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
  const waiting = waitingFor.get(signal) ?? listenTo(signal);
  const one = { run };
  waiting.all.add(one);
  return () => {
    if (!waiting.all.delete(one) || waiting.all.size > 0) return;
    waitingFor.delete(signal);
    signal.removeEventListener("abort", waiting.listener);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const all: Waiting["all"] = new Set();
  const listener = () => {
    waitingFor.delete(signal);
    for (const { run } of all) run();
    all.clear();
  };
  const waiting = { all, listener };
  waitingFor.set(signal, waiting);
  signal.addEventListener("abort", listener, { once: true });
  return waiting;
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
