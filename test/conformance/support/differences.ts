/**
 * Cases that a broker cannot keep, each with the reason in one sentence. They are run all the same, and
 * have to fail: so nothing stays here longer than it is true. docs/brokers.md shows them.
 */

export type BrokerName = "memory" | "embedded" | "hub" | "nats" | "redis";

/** From the name of a case to the reason. */
export type Differences = Readonly<Record<string, string>>;

export const differences: Readonly<Record<BrokerName, Differences>> = {
  memory: {},
  embedded: {},
  hub: {},
  nats: {},
  redis: {},
};
