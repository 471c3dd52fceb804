/** History: entries appended by some, each to a stream of its own, and read back in the end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../../src/broker/broker.ts";
import { type Account, type Load, pauseMs } from "./load.ts";
import { Progress } from "./progress.ts";

const readMs = 300_000;

export class LogLoad implements Load {
  readonly name = "history";
  readonly appending: Progress = new Progress();
  readonly progress: Readonly<Record<string, Progress>> = { appended: this.appending };
  readonly #broker: Broker;
  readonly #ends = new AbortController();
  /** Positions that were acknowledged, by stream. */
  readonly #acknowledged = new Map<string, number>();
  readonly #writers: readonly Promise<void>[];

  constructor(broker: Broker, { writers }: { readonly writers: number }) {
    this.#broker = broker;
    this.#writers = Array.from({ length: writers }, (_, index) => this.#write(`load-${index}`));
  }

  async finish(): Promise<Account> {
    this.#ends.abort();
    await Promise.all(this.#writers);
    const account = {
      acknowledged: 0,
      received: 0,
      lost: 0,
      doubled: 0,
      redelivered: 0,
      unsettled: 0,
    };
    for (const [stream, last] of this.#acknowledged) {
      const found = await this.#read(stream);
      account.acknowledged += last;
      const positions = new Set(found);
      for (let position = 1; position <= last; position++) {
        if (positions.has(position)) account.received++;
        else account.lost++;
      }
      account.doubled += found.length - positions.size;
    }
    return account;
  }

  /** At the position that follows the last acknowledged, so that a repetition cannot be there twice. */
  async #write(stream: string): Promise<void> {
    for (let at = 1; !this.#ends.signal.aborted; ) {
      const entry = new TextEncoder().encode(`${stream}/${at}`);
      try {
        const outcome = await this.#broker.log?.append(stream, [entry], at);
        // A conflict is with itself: nobody else writes here, so an unknown append was made after all.
        const made =
          outcome?.kind === "appended" || (outcome?.kind === "conflict" && outcome.next === at + 1);
        if (made) {
          this.#acknowledged.set(stream, at++);
          this.appending.step();
          continue;
        }
      } catch {
        // As indeterminate.
      }
      await sleep(pauseMs);
    }
  }

  /** What each entry says of its position, as they stand. */
  async #read(stream: string): Promise<readonly number[]> {
    const found: number[] = [];
    for await (const entries of this.#broker.log?.read(
      stream,
      1,
      {},
      AbortSignal.timeout(readMs),
    ) ?? []) {
      for (const { data } of entries)
        found.push(Number(new TextDecoder().decode(data).split("/")[1]));
    }
    return found;
  }
}
