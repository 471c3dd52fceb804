/**
 * Changes for a watcher that may be slower than what it watches. While it lags only the latest change
 * of each key is kept for it, so that what waits is never more than what is there.
 */
import type { StoreChange } from "../broker/broker.ts";

export interface PacedChangesOptions {
  readonly send: (changes: readonly StoreChange[]) => void;
  /** True while as much waits for the watcher as may. */
  readonly slow: () => boolean;
  /** Resolves once nothing waits for it any more, or it is gone. */
  readonly caughtUp: () => Promise<void>;
}

/** Changes in one message, and the bytes of their values: far below what one message may have. */
const changesMax = 256;
const bytesMax = 2 * 2 ** 20;

export class PacedChanges {
  readonly #options: PacedChangesOptions;
  /** By key, oldest first; a reset has none. */
  readonly #kept = new Map<string | undefined, StoreChange>();
  #waiting = false;

  constructor(options: PacedChangesOptions) {
    this.#options = options;
  }

  tell(changes: readonly StoreChange[]): void {
    for (const change of changes) {
      if (change.kind === "reset") this.#kept.clear();
      const key = change.kind === "reset" ? undefined : change.key;
      this.#kept.delete(key);
      this.#kept.set(key, change);
    }
    if (!this.#waiting) this.#send();
  }

  #send(): void {
    const { send, slow, caughtUp } = this.#options;
    while (this.#kept.size > 0) {
      if (slow()) {
        this.#waiting = true;
        void caughtUp().then(() => {
          this.#waiting = false;
          this.#send();
        });
        return;
      }
      send(this.#take());
    }
  }

  /** A watcher of something large is told in pieces. */
  #take(): readonly StoreChange[] {
    const piece: StoreChange[] = [];
    let bytes = 0;
    for (const [key, change] of this.#kept) {
      piece.push(change);
      this.#kept.delete(key);
      if (change.kind === "put") bytes += change.value.length;
      if (piece.length === changesMax || bytes >= bytesMax) break;
    }
    return piece;
  }
}
