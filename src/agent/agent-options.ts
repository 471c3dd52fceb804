/** What an agent is made of, and how its policies are switched on. */
import type { Switch } from "../delivery/policy.ts";
import { type RateLimitOptions, rateLimit } from "../delivery/rate-limit.ts";
import { type WindowOptions, windowOptions } from "../delivery/window.ts";
import { assertId } from "../message/address.ts";
import {
  abortSignal,
  aboveZero,
  type Checks,
  checkOptions,
  listOf,
  number,
  wholeNumber,
} from "../message/checks.ts";

export interface AgentOptions {
  /** The pool it belongs to. Default: "agent". */
  readonly type?: string;
  /** What it can do: it is one of those that `skill:` addresses reach. */
  readonly capabilities?: readonly string[];
  /** Handlers that run at a time, 1 or more. Default: 100. */
  readonly capacity?: number;
  /** Requests that may wait for a free handler. Default: 10,000. */
  readonly waitingMax?: number;
  /** Its share under the strategy "weighted", above 0. Default: 1. */
  readonly weight?: number;
  /**
   * How many requests and streams it takes from one sender; more are refused with RATE_LIMITED.
   * `true` takes the defaults: 100 in a minute. Commands are paced by the capacity instead. Default: false.
   */
  readonly rateLimit?: Switch<RateLimitOptions>;
  /**
   * How many of its sends may be on their way to one address; above it `send` waits. `true` takes
   * the defaults: 100, until they are stored. Default: false.
   */
  readonly sendWindow?: Switch<WindowOptions>;
  /** Gives up bringing it into being. */
  readonly signal?: AbortSignal;
}

/** As an agent is made of them: checked, with defaults. */
export interface AgentSettings
  extends Required<Omit<AgentOptions, "rateLimit" | "sendWindow" | "signal">> {
  readonly rateLimit: RateLimitOptions | undefined;
  readonly sendWindow: WindowOptions | undefined;
}

const agentChecks: Checks<AgentOptions> = {
  type: assertId,
  capabilities: listOf(assertId),
  capacity: wholeNumber(1),
  waitingMax: number(0, "or Infinity"),
  weight: aboveZero,
  // They name what is wrong in them by themselves.
  rateLimit: () => {},
  sendWindow: () => {},
  signal: abortSignal,
};

/** @throws INVALID_ADDRESS or INVALID_OPTION naming the option, its value and what it may be. */
export function checkAgent(id: string, options: AgentOptions): AgentSettings {
  assertId("agent", id);
  checkOptions(options, agentChecks);
  const {
    type = "agent",
    capabilities = [],
    capacity = 100,
    waitingMax = 10_000,
    weight = 1,
  } = options;
  return {
    type,
    capabilities,
    capacity,
    waitingMax,
    weight,
    rateLimit: rateLimit(options.rateLimit),
    sendWindow: windowOptions(options.sendWindow),
  };
}
