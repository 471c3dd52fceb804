import type { HubBrokerLimits } from "../broker/hub.ts";

/** A hub that is away is asked for at this pace, so that one that comes back is not overrun. */
export const remotePace: Partial<HubBrokerLimits> = { backoffMinMs: 100, backoffMaxMs: 2_000 };
