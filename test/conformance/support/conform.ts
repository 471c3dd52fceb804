/** A broker's test file in one call: every case that fits its capabilities, and those of differences.ts. */
import { afterAll, expect, test } from "vitest";
import type { ServerName } from "../../../scripts/brokers/servers.ts";
import { brokerCases, casesFor } from "../../../src/testing/index.ts";
import { missingServer } from "../../support/brokers.ts";
import { extent } from "../../support/extent.ts";
import { differences } from "./differences.ts";
import { type TestedBroker, testedBroker } from "./tested-brokers.ts";

/** Of one case. */
const timeout = 60_000;

/**
 * Declares the tests; several run at a time.
 *
 * @param every - one of so many cases is tried; default: 1, all of them.
 * @throws what `open` throws, which is called once for the capabilities.
 */
export async function conform(
  { name: broker, open, abilities }: Pick<TestedBroker, "name" | "open" | "abilities">,
  every = 1,
): Promise<void> {
  const { broker: opened, close } = await open([]);
  const { capabilities } = opened;
  await close();
  const cases = casesFor(capabilities, brokerCases, abilities);
  for (const { name, needs, run } of cases.filter((_, index) => index % every === 0)) {
    const reason = differences[broker][name];
    if (reason === undefined) {
      test.concurrent(name, { timeout }, () => run(() => open(needs)));
    } else {
      const title = `${name}: not here, because ${reason}`;
      test.concurrent(title, { timeout }, () => expect(run(() => open(needs))).rejects.toThrow());
    }
  }
}

/** Over a real server; elsewhere than in CI one of four cases. */
export async function conformAtServer(name: ServerName): Promise<void> {
  if (missingServer(name)) {
    test.skip(`every case, as there is no ${name} server`, () => {});
    return;
  }
  const tested = testedBroker(name);
  afterAll(() => tested.close?.());
  await conform(tested, extent({ ci: 1, here: 6 }));
}
