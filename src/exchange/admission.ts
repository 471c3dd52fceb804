/** Whether a message may be sent, to whom, and what it may cause: decided before anything is encoded. */
import { ColloquyError } from "../errors.ts";
import { type Address, agentIn, assertAddress } from "../message/address.ts";
import type { Candidate } from "../routing/candidate.ts";
import { isPast } from "./causality/deadline.ts";
import type { Callers } from "./causality/local-waits.ts";
import { admit, type Call, loopsAmong, type Mandate } from "./causality/mandate.ts";
import { cancelledBecause, expired, pastDeadline, unreachable } from "./failures.ts";
import type { RequestOptions, SendOptions } from "./options.ts";
import type { Alternatives } from "./requests/remote-call.ts";
import type { Site } from "./site.ts";
import type { Speaker } from "./speaker.ts";
import type { Work } from "./work.ts";

/** Who was chosen, and where the call may go when that one is gone. */
export interface Chosen extends Alternatives {
  readonly target: Candidate;
}

export class Admission {
  readonly #site: Site;
  readonly #callers: Callers;

  constructor(site: Site, callers: Callers) {
    this.#site = site;
    this.#callers = callers;
  }

  /** @throws TIMEOUT with "not-started" past the deadline of the work it is made for, CANCELLED once that was given up. */
  assertWanted(name: string, cause: Work): void {
    if (isPast(this.#site.clock, cause.deadlineAtMs)) {
      throw pastDeadline({ name, outcome: "not-started" });
    }
    if (cause.cancelled !== undefined) throw cancelledBecause(name, cause.cancelled);
  }

  /** @throws INVALID_ADDRESS, AGENT_UNREACHABLE, NO_ELIGIBLE_AGENT or LOOP_DETECTED. */
  choose(call: Call, { strategy = "least-busy" }: RequestOptions): Chosen {
    const { to, name } = call;
    assertAddress(to);
    const { registry, limits } = this.#site;
    const id = agentIn(to);
    if (id !== undefined) {
      const target = registry.get(id);
      if (target === undefined) throw unreachable(name, id, "not-started");
      return { target, pool: undefined, strategy, passOver: undefined };
    }
    if (to.startsWith("all:")) {
      throw new ColloquyError("INVALID_ADDRESS", `${to}: a request goes to one agent`, {
        details: { field: "to", value: to, limit: "agent:, type: or skill:" },
      });
    }
    const passOver = loopsAmong(limits, call, registry.members(to));
    return { target: registry.choose(to, strategy, passOver), pool: to, strategy, passOver };
  }

  /** @throws HOP_LIMIT, LOOP_DETECTED or BUDGET_EXHAUSTED. */
  admit(call: Call, cause: Work | undefined, agent: string): Mandate | undefined {
    const mandate = admit(this.#site.limits, call, agent);
    if (cause !== undefined) this.#callers.add(call.by, cause);
    return mandate;
  }

  /** @throws EXPIRED past the deadline of the work it is sent for, HOP_LIMIT, LOOP_DETECTED or BUDGET_EXHAUSTED. */
  admitSend(call: Call, cause: Work | undefined): Mandate | undefined {
    if (cause === undefined) return admit(this.#site.limits, call, undefined);
    const { limits, clock, registry } = this.#site;
    if (isPast(clock, cause.deadlineAtMs)) throw expired(call.name);
    const target = agentIn(call.to);
    // Nobody knows who of a pool will take it.
    if (target === undefined) loopsAmong(limits, call, registry.members(call.to));
    return admit(limits, call, target);
  }
}

export function callOf(
  { from, cause }: Speaker,
  to: Address,
  name: string,
  options: RequestOptions | SendOptions,
): Call {
  return { by: from.agent, cause, to, name, options };
}
