/** A failing run in words: what broke, what it takes, and how to see it again. */
import { describeFault } from "./faults.ts";
import type { Shrunk } from "./shrink.ts";

const violationsShown = 5;

/** The command that repeats exactly this run. */
export function repeatCommand({ result, options }: Shrunk): string {
  const { seed, scenario, messages } = result.plan;
  const faults = options.faults?.join(",") ?? "";
  return `npm run simulate -- --seed ${seed} --scenario ${scenario.name} --messages ${messages} --faults ${faults === "" ? "none" : faults}`;
}

export function reportOf(shrunk: Shrunk): string {
  const { plan, violations } = shrunk.result;
  const shown = violations
    .slice(0, violationsShown)
    .map(({ promise, what }) => `  ${promise}: ${what}`);
  const more = violations.length - shown.length;
  return [
    `seed ${plan.seed} of ${plan.scenario.name} breaks ${violations[0]?.promise ?? "nothing"}:`,
    ...shown,
    ...(more > 0 ? [`  and ${more} more`] : []),
    `with ${plan.messages} messages and ${plan.faults.length} faults:`,
    ...plan.faults.map((fault) => `  ${describeFault(fault)}`),
    `repeat it: ${repeatCommand(shrunk)}`,
  ].join("\n");
}
