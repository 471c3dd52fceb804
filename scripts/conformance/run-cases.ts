/** The cases that fit a broker, several at a time, each with a broker of its own. */
import { type ConformanceCase, casesFor } from "../../src/testing/index.ts";
import type { TestedBroker } from "../../test/conformance/support/tested-brokers.ts";

export type CaseResult =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly why: string };

const atATime = 4;
/** Of one case; what it does then, nobody waits for any more. */
const timeoutMs = 120_000;

/** @returns what was found, by the names of those that fit, in the order of `cases`. */
export async function runCases(
  { title, open, abilities, close }: TestedBroker,
  cases: readonly ConformanceCase[],
  progress: (line: string) => void,
): Promise<ReadonlyMap<string, CaseResult>> {
  const { broker, close: closeFirst } = await open([]);
  const fitting = casesFor(broker.capabilities, cases, abilities);
  await closeFirst();
  const found = new Map<string, CaseResult>();
  // Set first, so that they are found in this order.
  for (const { name } of fitting) found.set(name, { kind: "failed", why: "not run" });
  const runCase = ({ needs, run }: ConformanceCase) => run(() => open(needs));
  const waiting = [...fitting];
  let done = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      found.set(next.name, await outcomeOf(runCase(next)));
      progress(`${title}: ${++done} of ${fitting.length}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: atATime }, work));
  } finally {
    await close?.();
  }
  return found;
}

async function outcomeOf(running: Promise<void>): Promise<CaseResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<CaseResult>((resolve) => {
    const why = `not done after ${timeoutMs} ms`;
    timer = setTimeout(() => resolve({ kind: "failed", why }), timeoutMs);
  });
  const settled = running.then(
    (): CaseResult => ({ kind: "passed" }),
    (error: unknown): CaseResult => ({ kind: "failed", why: firstLine(error) }),
  );
  const outcome = await Promise.race([settled, late]);
  clearTimeout(timer);
  return outcome;
}

function firstLine(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line;
}
