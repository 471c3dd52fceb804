import { onAbort } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import type { BrokerStatus } from "../broker.ts";

/** Changes that wait for a reader; of more it misses the oldest. */
const waitingMax = 64;

/** Of the attempts to connect again, a reader that lags is told the latest. */
function makeRoom(reader: AsyncQueue<BrokerStatus>, next: BrokerStatus): void {
  const waiting = reader.takeAll().slice(1 - waitingMax);
  const merged = next.kind === "lost" && waiting.at(-1)?.kind === "lost";
  for (const status of merged ? waiting.slice(0, -1) : waiting) reader.push(status);
}

/** What a broker's `statuses` reads from: the present status first, then every change. */
export class StatusFeed {
  /** Each with what takes its listener off the signal. */
  readonly #readers = new Map<AsyncQueue<BrokerStatus>, () => void>();
  #present: BrokerStatus | undefined;

  push(status: BrokerStatus): void {
    this.#present = status;
    for (const reader of this.#readers.keys()) {
      if (reader.size > 0) makeRoom(reader, status);
      reader.push(status);
      if (status.kind === "closed") this.#end(reader);
    }
  }

  read(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    const reader = new AsyncQueue<BrokerStatus>({ onStop: () => this.#end(reader) });
    if (signal.aborted) {
      reader.end();
      return reader;
    }
    if (this.#present !== undefined) reader.push(this.#present);
    if (this.#present?.kind === "closed") {
      reader.end();
      return reader;
    }
    const stopListening = onAbort(signal, () => {
      reader.takeAll();
      this.#end(reader);
    });
    this.#readers.set(reader, stopListening);
    return reader;
  }

  #end(reader: AsyncQueue<BrokerStatus>): void {
    this.#readers.get(reader)?.();
    this.#readers.delete(reader);
    reader.end();
  }
}
