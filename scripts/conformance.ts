/**
 * Every case of the conformance suite on every broker, over real servers where it takes one, and the
 * table of it.
 *
 *   npm run conformance [-- --brokers memory,nats --save]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { brokerCases } from "../src/testing/index.ts";
import { differences } from "../test/conformance/support/differences.ts";
import {
  type ConformanceTable,
  type Finding,
  readTable,
  withTable,
} from "../test/conformance/support/table.ts";
import { type TestedBroker, testedBrokers } from "../test/conformance/support/tested-brokers.ts";
import { type CaseResult, runCases } from "./conformance/run-cases.ts";

const usage = `Usage: npm run conformance -- [options]

  --brokers NAMES  only these: ${testedBrokers.map(({ name }) => name).join(", ")}
  --case TEXT      only cases with this in their names
  --missing        only what the table of docs/brokers.md does not have yet
  --save           write what was found into the table of docs/brokers.md; what was not run stays as it was
  --help

Exits with 0 when every broker keeps every case but those of test/conformance/support/differences.ts,
and those fail; 1 when not; 2 for wrong usage.
`;

const page = "docs/brokers.md";

const { values } = parseArgs({
  options: {
    brokers: { type: "string" },
    case: { type: "string", default: "" },
    missing: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const wanted = values.brokers?.split(",");
const unknown = wanted?.find((name) => testedBrokers.every((broker) => broker.name !== name));
if (values.help || unknown !== undefined) {
  process.stdout.write(usage);
  process.exit(values.help ? 0 : 2);
}
// What a case has left open must not hold up the script.
process.exit(await main());

async function main(): Promise<number> {
  const brokers = testedBrokers.filter(({ name }) => wanted?.includes(name) ?? true);
  const before = readTable(readFileSync(page, "utf8"));
  const results = new Map<string, ReadonlyMap<string, CaseResult>>();
  const ran = new Map<string, ReadonlySet<string>>();
  const wrong: string[] = [];
  for (const broker of brokers) {
    const cases = brokerCases.filter(
      ({ name }) =>
        name.includes(values.case) &&
        !(values.missing && knownFinding(before, broker, name) !== undefined),
    );
    if (cases.length === 0) continue;
    const found = await runCases(broker, cases, progress);
    results.set(broker.name, found);
    ran.set(broker.name, new Set(cases.map(({ name }) => name)));
    wrong.push(...unexpected(broker, found));
    const passed = [...found.values()].filter(({ kind }) => kind === "passed").length;
    const failed = [...found.values()].filter(({ kind }) => kind === "failed").length;
    process.stdout.write(`${broker.title}: ${passed} kept, ${failed} not, of ${cases.length}\n`);
  }
  for (const line of wrong) process.stdout.write(`${line}\n`);
  if (wrong.length > 0) return 1;
  if (values.save) {
    const findingOf = (broker: TestedBroker, name: string): Finding => {
      if (ran.get(broker.name)?.has(name) === true) {
        const result = results.get(broker.name)?.get(name);
        if (result === undefined) return "–";
        return result.kind === "passed" ? "yes" : { reason: differences[broker.name][name] ?? "" };
      }
      const finding = knownFinding(before, broker, name);
      if (finding === undefined) throw new Error(`${broker.title}: "${name}" was never run`);
      return finding;
    };
    const rows = brokerCases.map(({ name }) => ({
      name,
      findings: testedBrokers.map((broker) => findingOf(broker, name)),
    }));
    const table = { brokers: testedBrokers.map(({ title }) => title), rows };
    writeFileSync(page, withTable(readFileSync(page, "utf8"), table));
    process.stdout.write(`Written: ${page}\n`);
  }
  return 0;
}

/** One line, written over; nothing where nobody could see that. */
function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}\r`);
}

/** What differs from differences.ts, either way. */
function unexpected(
  { name: broker, title }: TestedBroker,
  found: ReadonlyMap<string, CaseResult>,
): readonly string[] {
  return Array.from(found, ([name, result]) => {
    const isDifferent = differences[broker][name] !== undefined;
    if (result.kind === "failed" && !isDifferent) return `✗ ${title}: ${name}: ${result.why}`;
    if (result.kind === "passed" && isDifferent) return `✗ ${title}: ${name}: is kept after all`;
    return "";
  }).filter((line) => line !== "");
}

/** What the table says by now; undefined where it does not. */
function knownFinding(
  { brokers, rows }: ConformanceTable,
  { title }: TestedBroker,
  wanted: string,
): Finding | undefined {
  return rows.find(({ name }) => name === wanted)?.findings[brokers.indexOf(title)];
}
