/**
 * Policies on requests: each takes what asks and gives what asks under the policy. None knows of
 * another; src/exchange/asking.ts puts them around one another, once.
 */
import { invalidOption } from "../errors.ts";
import type { Address } from "../message/address.ts";
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
  return given === true ? defaults : { ...defaults, ...given };
}

/** @throws INVALID_OPTION when the value is not a whole number in that range. */
export function wholeNumber(field: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalidOption(field, value, `a whole number from ${least} to ${most}`);
}

/** @throws INVALID_OPTION when the value is not a finite number above 0. */
export function aboveZero(field: string, value: unknown): void {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return;
  throw invalidOption(field, value, "a number above 0");
}
