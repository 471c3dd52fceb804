/**
 * How much one sender may ask for: a bucket of tokens for each, which fills at a steady rate. A bucket
 * is one number, the time at which it will be full: a message puts that off by `perMs / messages`, and
 * is refused where it would be further off than a whole bucket takes to fill.
 *
 * @see ITU-T I.371, the generic cell rate algorithm as virtual scheduling.
 */
import { ColloquyError } from "../errors.ts";
import { aboveZero, number, switchOf, wholeNumber } from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Switch, switched } from "./policy.ts";

export interface RateLimitOptions {
  /** Messages of one sender in `perMs`, in the long run; 1 or more. Default: 100. */
  readonly messages: number;
  /** Milliseconds. Default: 60,000. */
  readonly perMs: number;
  /** At once, after a quiet time; 1 or more. Default: as many as `messages`. */
  readonly burst: number;
  /** Senders that are remembered; the one that was quiet longest is forgotten. Default: 10,000. */
  readonly sendersMax: number;
}

const checkRateLimit = switchOf<RateLimitOptions>({
  messages: number(1),
  perMs: aboveZero,
  burst: number(1),
  sendersMax: wholeNumber(1, 1_000_000),
});

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function rateLimit(
  given: Switch<RateLimitOptions> | undefined,
): RateLimitOptions | undefined {
  if (given !== undefined) checkRateLimit("rateLimit", given);
  const messages = typeof given === "object" ? (given.messages ?? 100) : 100;
  const defaults = { messages, perMs: 60_000, burst: messages, sendersMax: 10_000 };
  return switched(given, defaults);
}

/** Fractions of a millisecond that sums of fractions may be off. */
const slackMs = 1e-6;

export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #clock: Clock;
  /** The sender that asked last comes last. */
  readonly #fullAtMs = new Map<string, number>();

  constructor(options: RateLimitOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Senders that are remembered. */
  get size(): number {
    return this.#fullAtMs.size;
  }

  /** Takes a message of `sender`. @returns the refusal, with `details.retryAfterMs`, when it is too many. */
  refusal(sender: string): ColloquyError<"RATE_LIMITED"> | undefined {
    const { messages, perMs, burst } = this.#options;
    const nowMs = this.#clock.monotonicMs();
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(sender) ?? nowMs);
    const tokenMs = perMs / messages;
    const waitMs = fullAtMs - nowMs - (burst - 1) * tokenMs;
    const refused = waitMs > slackMs;
    this.#remember(sender, refused ? fullAtMs : fullAtMs + tokenMs);
    return refused ? this.#refuse(sender, Math.ceil(waitMs - slackMs)) : undefined;
  }

  #refuse(sender: string, retryAfterMs: number): ColloquyError<"RATE_LIMITED"> {
    const { messages, perMs, burst } = this.#options;
    return new ColloquyError(
      "RATE_LIMITED",
      `${sender} may send ${messages} messages in ${perMs} ms: the next in ${retryAfterMs} ms`,
      { details: { sender, messages, perMs, burst, retryAfterMs } },
    );
  }

  /** Puts the sender last; whoever was quiet longest has the fullest bucket to lose. */
  #remember(sender: string, fullAtMs: number): void {
    if (!this.#fullAtMs.delete(sender) && this.#fullAtMs.size >= this.#options.sendersMax) {
      const [quietest] = this.#fullAtMs.keys();
      this.#fullAtMs.delete(quietest as string);
    }
    this.#fullAtMs.set(sender, fullAtMs);
  }
}
