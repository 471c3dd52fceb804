/**
 * Policies on requests: each takes what asks and gives what asks under the policy. None knows of
 * another; src/exchange/asking.ts puts them around one another, once.
 */
import type { Address } from "../message/address.ts";
import { withDefaults } from "../message/checks.ts";
import type { RetryPolicy } from "./retry.ts";

/** A request on its way out, as policies see it. */
export interface Outgoing {
  readonly to: Address;
  /** Where it goes when `to` cannot have done the work, in this order. */
  readonly fallback: readonly Address[];
  /** Absent: it is not repeated. */
  readonly retry: RetryPolicy | undefined;
  /** Doing it twice does no harm. */
  readonly idempotent: boolean;
  /** By the monotonic clock, when it must have ended; Infinity without a deadline. */
  readonly untilMs: number;
  readonly signal: AbortSignal | undefined;
}

export type Ask<Request extends Outgoing> = (request: Request) => Promise<unknown>;

/** How a policy is switched on: `true` takes its defaults. */
export type Switch<Options> = boolean | Partial<Options>;

/** The options of a policy with its defaults; undefined where it is off. */
export function switched<Options extends object>(
  given: Switch<Options> | undefined,
  defaults: Options,
): Options | undefined {
  if (given === undefined || given === false) return undefined;
  return given === true ? defaults : withDefaults(given, defaults);
}
