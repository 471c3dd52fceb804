/**
 * The conformance suite is a table: every sentence of the ports' contract is at least one case. It
 * needs no test runner; a case is an async function that throws.
 *
 *   const open = async () => ({ broker: await openMine(), connect: ..., close: ... });
 *   for (const { name, run } of casesFor(capabilities, brokerCases)) test(name, () => run(open));
 */
import assert from "node:assert/strict";
import type { Capabilities } from "../../broker/broker.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import type { OpenSubject } from "./subject.ts";
import { Trial } from "./trial.ts";

/** What a case can ask of a broker. */
export type Feature =
  | "store"
  | "log"
  | "priorities"
  | "delay"
  | "keyOrder"
  | "exactlyOnce"
  /** `effects: "atomic"`. */
  | "atomicEffects"
  /** A durability of "process" or more. */
  | "durability"
  /** Told to `casesFor`, as the two below: the port lets a broker do without. */
  | "disconnect"
  /** Publications that nobody hears are told. */
  | "unheard";

export interface ConformanceCase {
  /** A sentence that is true of a broker that passes. Unique in the table. */
  readonly name: string;
  readonly needs: readonly Feature[];
  /** The case shows that what is absent is refused. */
  readonly lacks: readonly Feature[];
  /** @throws AssertionError where the broker breaks the contract. */
  readonly run: (open: OpenSubject) => Promise<void>;
}

export interface CaseOptions {
  readonly needs?: readonly Feature[];
  readonly lacks?: readonly Feature[];
}

/** Abilities that capabilities do not tell. */
export interface Abilities {
  /** `Subject.disconnect` is there. */
  readonly disconnect?: boolean;
  readonly unheard?: boolean;
}

/** The cases that a broker of these capabilities has to pass. */
export function casesFor(
  capabilities: Capabilities,
  cases: readonly ConformanceCase[],
  abilities: Abilities = {},
): readonly ConformanceCase[] {
  const features = featuresOf(capabilities);
  if (abilities.disconnect === true) features.add("disconnect");
  if (abilities.unheard === true) features.add("unheard");
  return cases.filter(
    ({ needs, lacks }) =>
      needs.every((feature) => features.has(feature)) &&
      !lacks.some((feature) => features.has(feature)),
  );
}

/** A case whose body gets a broker that is opened for it, and closed after it whatever happened. */
export function conformanceCase(
  name: string,
  body: (trial: Trial) => Promise<void>,
  options: CaseOptions = {},
): ConformanceCase {
  const { needs = [], lacks = [] } = options;
  const run = async (open: OpenSubject): Promise<void> => {
    // Without a test runner nothing else would, while a case waits for a timer.
    const letGo = keepAlive();
    try {
      const subject = await open();
      const trial = new Trial(subject);
      try {
        assertClaims(subject.broker.capabilities, needs, lacks);
        await body(trial);
      } finally {
        await trial.end();
      }
    } finally {
      letGo();
    }
  };
  return { name, needs, lacks, run };
}

/** A case that was chosen by other capabilities than the broker has proves nothing. */
function assertClaims(
  capabilities: Capabilities,
  needs: readonly Feature[],
  lacks: readonly Feature[],
): void {
  const features = featuresOf(capabilities).add("disconnect").add("unheard");
  const missing = needs.find((feature) => !features.has(feature));
  assert.equal(missing, undefined, `the broker that was opened lacks ${missing}`);
  const extra = lacks.find((feature) => features.has(feature));
  assert.equal(extra, undefined, `the broker that was opened has ${extra}`);
}

function featuresOf(capabilities: Capabilities): Set<Feature> {
  const features = new Set<Feature>();
  const { store, log, priorities, delay, keyOrder, exactlyOnce } = capabilities;
  if (store) features.add("store");
  if (log) features.add("log");
  if (priorities) features.add("priorities");
  if (delay) features.add("delay");
  if (keyOrder) features.add("keyOrder");
  if (exactlyOnce) features.add("exactlyOnce");
  if (capabilities.effects === "atomic") features.add("atomicEffects");
  if (capabilities.durability.level !== "none") features.add("durability");
  return features;
}
