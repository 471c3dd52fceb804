/**
 * Runs seeds through the simulator until one breaks a promise.
 *
 *   npm run simulate -- --seeds N [--from S] [--scenario X] [--jobs J]
 *   npm run simulate -- --mutants [--named TEXT] [--jobs J]     plants bugs, each of which must be found
 *   npm run simulate -- --seed S [--scenario X] [--messages N] [--faults 0,2]     one run, told in full
 */
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { type PlanOptions, planOf } from "../src/testing/simulator/plan.ts";
import { reportOf } from "../src/testing/simulator/report.ts";
import { runPlan } from "../src/testing/simulator/run.ts";
import { scenarios } from "../src/testing/simulator/scenarios/scenarios.ts";
import { shrink } from "../src/testing/simulator/shrink.ts";
import { runMutants } from "./simulate-mutants.ts";

const usage = `Usage: npm run simulate -- [options]

Plays whole fabrics under faults, each drawn from a seed, until one breaks a promise; that one is made
smaller, and the command that repeats it is printed.

  --seeds N         how many (default 1000)
  --from S          the first of them (default 1)
  --jobs J          processes that share them (default 2)
  --no-shrink       tell of a seed that breaks a promise as it is; in one process

  --seed S          one run, told event by event
  --messages N      with so many messages instead of as many as the seed says
  --faults 0,2      with these of its faults, by number, or none (default: all)

  --scenario NAME   instead of the one that a seed chooses, which is one of
${namesOfScenarios()}

  --mutants         plant bugs in a copy of the sources, each of which must be found
  --named TEXT      only those with that in their names

  --help

Exits with 0 when every promise was kept and every bug found, 1 otherwise, 2 for wrong usage.
`;

const { values } = parsed();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
for (const option of ["seeds", "from", "seed", "jobs", "messages"] as const) {
  const text = values[option];
  const least = option === "seed" || option === "from" ? 0 : 1;
  if (text !== undefined && !isWholeNumber(text, least)) {
    refuse(`--${option}: ${text} is not a whole number, ${least} or more`);
  }
}
const { faults = "none", scenario } = values;
if (faults !== "none" && !faults.split(",").every((it) => isWholeNumber(it, 0))) {
  refuse(`--faults: ${faults} is neither none nor numbers with commas between them`);
}
if (scenario !== undefined && scenarios.every(({ name }) => name !== scenario)) {
  refuse(`--scenario: there is no ${scenario}`);
}

/** Seeds between two lines of progress. */
const progressEvery = 1_000;

if (values.mutants) await plant();
else if (values.seed !== undefined) await tell(Number(values.seed));
else if (Number(values.jobs) > 1 && !values["no-shrink"]) await share(Number(values.jobs));
else await search(Number(values.from), Number(values.seeds));

function parsed() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "1000" },
        from: { type: "string", default: "1" },
        seed: { type: "string" },
        scenario: { type: "string" },
        messages: { type: "string" },
        faults: { type: "string" },
        jobs: { type: "string", default: "2" },
        mutants: { type: "boolean", default: false },
        named: { type: "string", default: "" },
        "no-shrink": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(what: string): never {
  process.stderr.write(`${what}\n\n${usage}`);
  process.exit(2);
}

function isWholeNumber(text: string, least: number): boolean {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) >= least;
}

/** Five on a line. */
function namesOfScenarios(): string {
  const names = scenarios.map(({ name }) => name);
  const lines = Array.from({ length: Math.ceil(names.length / 5) }, (_, line) =>
    names.slice(5 * line, 5 * line + 5).join(", "),
  );
  return lines.map((line) => `                    ${line}`).join(",\n");
}

function planOptions(): PlanOptions {
  const { scenario, messages, faults } = values;
  return {
    ...(scenario === undefined ? {} : { scenario }),
    ...(messages === undefined ? {} : { messages: Number(messages) }),
    ...(faults === undefined
      ? {}
      : { faults: faults === "none" ? [] : faults.split(",").map(Number) }),
  };
}

async function tell(seed: number): Promise<void> {
  const result = await runPlan(planOf(seed, planOptions()));
  for (const { atMs, process, kind, brokerMs, ...rest } of result.history) {
    console.log(
      `${atMs.toFixed(1).padStart(9)} ${process.padEnd(10)} ${kind} ${JSON.stringify(rest)}`,
    );
  }
  for (const { promise, what } of result.violations) console.log(`${promise}: ${what}`);
  console.log(`digest ${result.digest()}`);
  if (result.violations.length > 0) process.exitCode = 1;
}

async function search(from: number, count: number): Promise<void> {
  const begunMs = performance.now();
  const options = planOptions();
  for (let seed = from; seed < from + count; seed++) {
    const result = await runPlan(planOf(seed, options));
    // Lets the event loop turn: to be heard, and to be stopped.
    await new Promise(setImmediate);
    if (result.violations.length > 0) {
      const asItIs = {
        result,
        options: { ...options, faults: [...result.plan.faults.keys()] },
      };
      console.log(reportOf(values["no-shrink"] ? asItIs : await shrink(result, options)));
      process.exitCode = 1;
      return;
    }
    const done = seed - from + 1;
    if (done % progressEvery === 0 || done === count) {
      const seconds = (performance.now() - begunMs) / 1_000;
      console.log(`${done} of ${count} seeds from ${from}, ${seconds.toFixed(1)} s`);
    }
  }
}

async function plant(): Promise<void> {
  const { named, jobs } = values;
  if (!(await runMutants({ named, jobs: Number(jobs) }))) process.exitCode = 1;
}

/** Seeds are independent: each process takes its part, and the first that fails ends all. */
async function share(jobs: number): Promise<void> {
  const count = Number(values.seeds);
  const from = Number(values.from);
  const part = Math.ceil(count / jobs);
  const rest = process.argv.slice(2).filter((_, index, all) => !isOwn(all, index));
  const children = Array.from({ length: jobs }, (_, job) => {
    const own = Math.min(part, count - job * part);
    const range = ["--from", String(from + job * part), "--seeds", String(own), "--jobs", "1"];
    return fork(import.meta.filename, [...rest, ...range]);
  });
  const codes = children.map(
    (child) =>
      new Promise<number>((resolve) => {
        child.once("exit", (code) => {
          if (code !== 0) for (const other of children) other.kill();
          resolve(code ?? 0);
        });
      }),
  );
  if ((await Promise.all(codes)).some((code) => code !== 0)) process.exitCode = 1;
}

function isOwn(all: readonly string[], index: number): boolean {
  const own = ["--from", "--seeds", "--jobs"];
  return own.includes(all[index] ?? "") || own.includes(all[index - 1] ?? "");
}
