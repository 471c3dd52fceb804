import { cancelledError, onAbort } from "./abort.ts";
import type { Clock } from "./clock.ts";

/** Resolves after `delayMs`; with a signal that aborts before, rejects with CANCELLED. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelledError(signal));
      return;
    }
    const timer = clock.setTimer(delayMs, () => {
      forget();
      resolve();
    });
    const forget = onAbort(signal, () => {
      timer.cancel();
      reject(cancelledError(signal as AbortSignal));
    });
  });
}
