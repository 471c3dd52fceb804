/** The time between two connections: which attempt is next, and how long it waits. */
import type { Random } from "../../runtime/random.ts";
import type { BrokerStatus } from "../broker.ts";

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

export class Outage {
  /** Milliseconds that the next attempt waits. */
  delayMs = 0;
  /** Why the connection was lost, or why the last attempt failed. */
  cause: unknown;
  readonly #random: Random;
  readonly #backoff: Backoff;
  #attempts = 0;

  constructor(random: Random, backoff: Backoff) {
    this.#random = random;
    this.#backoff = backoff;
  }

  /** The connection is gone: the first attempt does not wait. */
  begin(): BrokerStatus {
    this.#attempts = 0;
    this.delayMs = this.backOffMs(0);
    const cause = this.cause ?? new Error("the connection was lost");
    return { kind: "lost", cause, attempt: 1, delayMs: 0 };
  }

  /** An attempt begins. @returns what there is to tell, when the one before it has failed. */
  attempted(): BrokerStatus | undefined {
    const delayMs = this.delayMs;
    const attempt = ++this.#attempts;
    this.delayMs = this.backOffMs(attempt);
    if (attempt === 1) return undefined;
    const cause = this.cause ?? new Error("no server could be reached");
    return { kind: "lost", cause, attempt, delayMs };
  }

  /** Uniform from 0 up to a ceiling that doubles with every failure. */
  backOffMs(failures: number): number {
    const { minMs, maxMs } = this.#backoff;
    return Math.ceil(this.#random.float() * Math.min(maxMs, minMs * 2 ** failures));
  }
}
