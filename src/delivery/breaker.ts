/**
 * Circuit breaker: stops asking a destination that keeps failing, then lets one probe decide.
 *
 *   closed  ── failuresMax in a row within windowMs ──▶ open
 *   open    ── recoveryMs later, with the next call ──▶ probing
 *   probing ── success ───────────────────────────────▶ closed
 *   probing ── failure ───────────────────────────────▶ open
 *   probing ── recoveryMs without an end ─────────────▶ probing, with another call
 *
 * Invariant: one call at a time probes; one that hangs keeps the others out for `recoveryMs`, not for
 * ever. A destination without a recent failure has no entry: success is forgotten.
 */
import { ColloquyError, type ErrorCode, isColloquyError } from "../errors.ts";
import { aboveZero, switchOf, wholeNumber } from "../message/checks.ts";
import type { Clock } from "../runtime/clock.ts";
import { type Ask, type Outgoing, type Switch, switched } from "./policy.ts";

export interface BreakerOptions {
  /** Failures in a row that open it, 1 to 1,000. Default: 5. */
  readonly failuresMax: number;
  /** Milliseconds in which they must come. Default: 10,000. */
  readonly windowMs: number;
  /** Milliseconds from opening until a probe may pass, and that a probe gets. Default: 30,000. */
  readonly recoveryMs: number;
  /** Failing destinations that are remembered; the one that began to fail first is forgotten. Default: 10,000. */
  readonly destinationsMax: number;
}

export const defaultBreaker: BreakerOptions = {
  failuresMax: 5,
  windowMs: 10_000,
  recoveryMs: 30_000,
  destinationsMax: 10_000,
};

const checkBreaker = switchOf<BreakerOptions>({
  failuresMax: wholeNumber(1, 1_000),
  windowMs: aboveZero,
  recoveryMs: aboveZero,
  destinationsMax: wholeNumber(1, 1_000_000),
});

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function breakerOptions(
  given: Switch<BreakerOptions> | undefined,
): BreakerOptions | undefined {
  if (given !== undefined) checkBreaker("breaker", given);
  return switched(given, defaultBreaker);
}

/** Signs that the destination is not well. Any other error is an answer: somebody is there. */
const failures: ReadonlySet<ErrorCode> = new Set([
  "AGENT_UNREACHABLE",
  "HANDLER_FAILED",
  "INDETERMINATE",
  "INTERNAL_ERROR",
  "STORE_FAILED",
  "TIMEOUT",
]);

/** They say nothing about the destination: the caller left, or nobody was asked. */
const silent: ReadonlySet<ErrorCode> = new Set([
  "CANCELLED",
  "CIRCUIT_OPEN",
  "CLOSED",
  "NO_ELIGIBLE_AGENT",
]);

type Phase =
  /** `atMs`: of the failures in a row, the latest `failuresMax` of them, oldest first. */
  | { readonly kind: "closed"; readonly atMs: number[] }
  | { readonly kind: "open"; readonly untilMs: number }
  | { readonly kind: "probing"; readonly sinceMs: number };

/** Asks under a breaker for each destination. */
export function breaking<Request extends Outgoing>(
  ask: Ask<Request>,
  options: BreakerOptions,
  clock: Clock,
): Ask<Request> {
  const breakers = new Breakers(options, clock);
  return (request) => breakers.run(request.to, () => ask(request));
}

/** One breaker for each destination. */
export class Breakers {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #phases = new Map<string, Phase>();

  constructor(options: BreakerOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Destinations that failed lately. */
  get size(): number {
    return this.#phases.size;
  }

  /**
   * Runs `call` and passes on its outcome.
   *
   * @throws CIRCUIT_OPEN with `details.retryAfterMs`, without running `call`, while open or probing.
   */
  async run<Value>(destination: string, call: () => Promise<Value>): Promise<Value> {
    const phase = this.#admit(destination);
    try {
      const value = await call();
      this.#succeeded(destination, phase);
      return value;
    } catch (error) {
      const code = isColloquyError(error) ? error.code : "HANDLER_FAILED";
      if (failures.has(code)) this.#failed(destination, phase);
      else if (silent.has(code)) this.#abandoned(destination, phase);
      else this.#succeeded(destination, phase);
      throw error;
    }
  }

  #admit(destination: string): Phase | undefined {
    const phase = this.#phases.get(destination);
    if (phase === undefined || phase.kind === "closed") return phase;
    const nowMs = this.#clock.monotonicMs();
    const untilMs =
      phase.kind === "open" ? phase.untilMs : phase.sinceMs + this.#options.recoveryMs;
    if (nowMs < untilMs) throw open(destination, Math.ceil(untilMs - nowMs));
    const probing: Phase = { kind: "probing", sinceMs: nowMs };
    this.#phases.set(destination, probing);
    return probing;
  }

  #succeeded(destination: string, phase: Phase | undefined): void {
    const now = this.#phases.get(destination);
    // A call admitted before it opened proves nothing about what came since.
    if (now?.kind === "closed" || (now !== undefined && now === phase)) {
      this.#phases.delete(destination);
    }
  }

  #failed(destination: string, phase: Phase | undefined): void {
    const now = this.#phases.get(destination);
    const nowMs = this.#clock.monotonicMs();
    if (now !== undefined && now.kind !== "closed") {
      if (now === phase) this.#open(destination, nowMs);
      return;
    }
    const { failuresMax, windowMs } = this.#options;
    const atMs = now?.atMs ?? [];
    atMs.push(nowMs);
    if (atMs.length > failuresMax) atMs.shift();
    const first = atMs[0] ?? nowMs;
    if (atMs.length === failuresMax && nowMs - first <= windowMs) this.#open(destination, nowMs);
    else if (now === undefined) this.#remember(destination, { kind: "closed", atMs });
  }

  /** The next call probes. */
  #abandoned(destination: string, phase: Phase | undefined): void {
    if (phase?.kind !== "probing" || this.#phases.get(destination) !== phase) return;
    this.#phases.set(destination, { kind: "open", untilMs: this.#clock.monotonicMs() });
  }

  #open(destination: string, nowMs: number): void {
    this.#remember(destination, { kind: "open", untilMs: nowMs + this.#options.recoveryMs });
  }

  #remember(destination: string, phase: Phase): void {
    this.#phases.set(destination, phase);
    if (this.#phases.size <= this.#options.destinationsMax) return;
    for (const oldest of this.#phases.keys()) {
      this.#phases.delete(oldest);
      return;
    }
  }
}

function open(destination: string, waitMs: number): ColloquyError<"CIRCUIT_OPEN"> {
  return new ColloquyError(
    "CIRCUIT_OPEN",
    `${destination} keeps failing: not asked for another ${waitMs} ms`,
    { details: { destination, retryAfterMs: waitMs } },
  );
}
