import { onAbort } from "../../runtime/abort.ts";
import { AsyncQueue } from "../../runtime/async-queue.ts";
import type { BrokerStatus } from "../broker.ts";

/** What a broker's `statuses` reads from: the present status first, then every change. */
export class StatusFeed {
  readonly #readers = new Set<AsyncQueue<BrokerStatus>>();
  #present: BrokerStatus | undefined;

  push(status: BrokerStatus): void {
    this.#present = status;
    for (const reader of this.#readers) {
      reader.push(status);
      if (status.kind === "closed") reader.end();
    }
  }

  read(signal: AbortSignal): AsyncIterable<BrokerStatus> {
    const forget = (): void => {
      this.#readers.delete(reader);
      stopListening();
    };
    const reader = new AsyncQueue<BrokerStatus>({ onStop: forget });
    if (this.#present !== undefined) reader.push(this.#present);
    if (this.#present?.kind === "closed") reader.end();
    else this.#readers.add(reader);
    const stopListening = onAbort(signal, () => {
      this.#readers.delete(reader);
      reader.takeAll();
      reader.end();
    });
    return reader;
  }
}
