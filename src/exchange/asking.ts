/**
 * Requests under policies. Put around one another once, from the outside in:
 *
 *   repeat ─▶ fallback ─▶ breaker ─▶ the request itself
 *
 * so that a breaker sees every attempt, and all paths are tried before anybody waits.
 */
import { type BreakerOptions, breaking } from "../delivery/breaker.ts";
import { fallingBack } from "../delivery/fallback.ts";
import { idempotently } from "../delivery/idempotent.ts";
import { type Ask, type Outgoing, switched } from "../delivery/policy.ts";
import { repeating } from "../delivery/repeat.ts";
import { requestRetry } from "../delivery/retry.ts";
import { RetryBudget } from "../delivery/retry-budget.ts";
import type { Address } from "../message/address.ts";
import { deadlineOf } from "./causality/deadline.ts";
import { pastDeadline } from "./failures.ts";
import { invalidOption, type RequestOptions } from "./options.ts";
import type { Site } from "./site.ts";
import type { Speaker } from "./speaker.ts";

/** Of every request of a process. */
export interface AskingPolicies {
  readonly breaker?: BreakerOptions | undefined;
}

export interface Request extends Outgoing {
  readonly speaker: Speaker;
  readonly name: string;
  readonly input: unknown;
  readonly options: RequestOptions;
}

export class Asking {
  readonly #site: Site;
  readonly #always: boolean;
  readonly #ask: Ask<Request>;

  /** @param plainly - asks once, without a policy. */
  constructor(site: Site, { breaker }: AskingPolicies, plainly: Ask<Request>) {
    const { clock, random } = site;
    const once = untilDeadline(idempotently(plainly), site);
    const guarded = breaker === undefined ? once : breaking(once, breaker, clock);
    this.#site = site;
    this.#always = breaker !== undefined;
    this.#ask = repeating(fallingBack(guarded), { clock, random, budget: new RetryBudget(clock) });
  }

  /** False where a request needs no policy: then there is nothing here to pay for. */
  concerns(options: RequestOptions): boolean {
    if (options.durable === true) return options.retry !== undefined;
    return this.#always || options.retry !== undefined || options.fallback !== undefined;
  }

  async ask(
    speaker: Speaker,
    to: Address,
    name: string,
    input: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    if (options.durable === true) {
      throw invalidOption("retry", options.retry, "for durable requests: their handler has one");
    }
    const { fallback = [], signal } = options;
    const { clock } = this.#site;
    const deadlineMs = deadlineOf(clock, options, speaker.cause) - clock.nowMs();
    return this.#ask({
      speaker,
      to,
      name,
      input,
      options,
      fallback,
      idempotent: options.idempotent === true,
      retry: switched(options.retry, requestRetry),
      untilMs: clock.monotonicMs() + deadlineMs,
      signal,
    });
  }
}

/** One deadline for all attempts and paths. */
function untilDeadline(ask: Ask<Request>, { clock }: Site): Ask<Request> {
  return (request) => {
    const { untilMs, name, options } = request;
    if (untilMs === Number.POSITIVE_INFINITY) return ask(request);
    const deadlineMs = untilMs - clock.monotonicMs();
    if (deadlineMs <= 0) return Promise.reject(pastDeadline({ name, outcome: "not-started" }));
    return ask({ ...request, options: { ...options, deadlineMs } });
  };
}
