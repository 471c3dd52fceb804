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

/**
 * Runs `run` once when `signal` aborts, at once if it has.
 *
 * @returns what takes the listener off again; safe to repeat.
 */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    run();
    return nothing;
  }
  signal.addEventListener("abort", run, { once: true });
  return () => signal.removeEventListener("abort", run);
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
