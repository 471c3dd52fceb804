/** Trying again what has failed, where that cannot do anything twice. */
import { isColloquyError } from "../../errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";

/** What there is to know of a connection. */
export interface TriedLink {
  readonly clock: Clock;
  readonly random: Random;
  readonly isReady: boolean;
  whenReady(signal?: AbortSignal): Promise<void>;
}

export interface TriesOptions {
  /** Milliseconds from the first try in which another may begin. */
  readonly forMs: number;
  /** What comes twice does not happen twice. */
  readonly maySendAgain: boolean;
}

/** While a cluster elects who answers nobody does: so often it is asked again, in waits that grow. */
const busyMax = 12;
const busyMs = 20;
const busyMsMax = 1_000;

/** The tries of one call. */
export class Tries {
  /** One was sent, and no answer came. */
  mayHaveHappened = false;
  readonly #link: TriedLink;
  readonly #maySendAgain: boolean;
  readonly #untilMs: number;
  #busy = 0;
  #silences = 0;

  constructor(link: TriedLink, { forMs, maySendAgain }: TriesOptions) {
    this.#link = link;
    this.#maySendAgain = maySendAgain;
    this.#untilMs = link.clock.monotonicMs() + forMs;
  }

  /** How long to wait before the next; undefined: there is none. */
  delayMs(error: unknown): number | undefined {
    const { clock, random, isReady } = this.#link;
    if (clock.monotonicMs() >= this.#untilMs) return undefined;
    if (isColloquyError(error, "AGENT_UNREACHABLE")) {
      // Nobody took it: no leader, or as many batches as may be open at a time.
      if (++this.#busy >= busyMax) return undefined;
      return random.float() * Math.min(busyMsMax, busyMs * 2 ** this.#busy);
    }
    if (!isColloquyError(error, "INDETERMINATE") || !this.#maySendAgain) return undefined;
    // A server that is there and silent is asked once more.
    if (isReady && ++this.#silences > 1) return undefined;
    this.mayHaveHappened = true;
    return 0;
  }
}

/**
 * Calls until it succeeds, or fails for another reason than the connection. For what reads, or may be
 * repeated.
 *
 * @param forMs - milliseconds from the first try in which another may begin.
 */
export async function tryAgain<Value>(
  link: TriedLink,
  signal: AbortSignal | undefined,
  call: () => Promise<Value>,
  forMs: number = Number.POSITIVE_INFINITY,
): Promise<Value> {
  const tries = new Tries(link, { forMs, maySendAgain: true });
  for (;;) {
    await link.whenReady(signal);
    try {
      return await call();
    } catch (error) {
      const delayMs = tries.delayMs(error);
      if (delayMs === undefined) throw error;
      if (delayMs > 0) await sleep(link.clock, delayMs, signal);
    }
  }
}
