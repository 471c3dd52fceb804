/** What bounds a process's place in a fabric, and the broker that it opens. */
import { checkLimits as checkStoreLimits, type EngineLimits } from "../broker/engine/limits.ts";
import type { GuardOptions } from "../broker/guarded.ts";
import { checkHubBrokerLimits, type HubBrokerLimits } from "../broker/hub.ts";
import {
  type CausalityLimits,
  checkLimits as checkCausalityLimits,
  limitChecks,
} from "../exchange/causality/limits.ts";
import { invalidOption } from "../exchange/options.ts";
import { checkHubLimits, type HubLimits } from "../hub/limits.ts";
import { anObject, type Checks, checkOptions, wholeNumber } from "../message/checks.ts";

/** Each as it is without it where it is left out; docs/limits.md has them all. */
export interface JoinLimits extends CausalityLimits {
  /** Calls to the broker that may wait for an answer at a time. Default: 262,144. */
  readonly callsInFlightMax: number;
  /** Of the connection to a hub: every URL but `memory:`. */
  readonly connection: Partial<HubBrokerLimits>;
  /** Of the hub that this process runs while it owns the directory: `embedded:` alone. */
  readonly hub: Partial<HubLimits>;
  /** Of what is kept: `embedded:`, where those of the owner count, and `memory:`. */
  readonly store: Partial<EngineLimits>;
  /** Bytes of the disk kept free for work that is there: `embedded:` alone, those of the owner count. */
  readonly reserveBytes: number;
}

/** Those that a broker is opened with. */
export type BrokerLimits = Partial<
  Pick<JoinLimits, "connection" | "hub" | "store" | "reserveBytes">
>;

const checks: Checks<JoinLimits> = {
  ...limitChecks,
  callsInFlightMax: wholeNumber(1),
  connection: anObject,
  hub: anObject,
  store: anObject,
  reserveBytes: wholeNumber(0),
};

export interface CheckedLimits {
  readonly causality: CausalityLimits;
  readonly broker: BrokerLimits;
  readonly guard: GuardOptions;
}

/** @throws INVALID_OPTION naming the limit and what it may be. */
export function checkJoinLimits(limits: Partial<JoinLimits> = {}): CheckedLimits {
  checkOptions(limits, checks, "limits");
  const { callsInFlightMax, connection, hub, store, reserveBytes, ...causality } = limits;
  checkHubBrokerLimits(connection, "limits.connection");
  checkHubLimits(hub, "limits.hub");
  checkStoreLimits(store, "limits.store");
  return {
    causality: checkCausalityLimits(causality),
    broker: {
      ...(connection === undefined ? {} : { connection }),
      ...(hub === undefined ? {} : { hub }),
      ...(store === undefined ? {} : { store }),
      ...(reserveBytes === undefined ? {} : { reserveBytes }),
    },
    guard: callsInFlightMax === undefined ? {} : { callsInFlightMax },
  };
}

/** @throws INVALID_OPTION naming a limit that `broker` does not have, and would silently not hold. */
export function onlyLimits(
  limits: BrokerLimits,
  groups: readonly (keyof BrokerLimits)[],
  broker: string,
): void {
  for (const [name, value] of Object.entries(limits)) {
    if (groups.includes(name as keyof BrokerLimits)) continue;
    throw invalidOption(
      `limits.${name}`,
      value,
      `left out: ${broker} is not bounded by this process`,
    );
  }
}
