/** Plants each mutant in a copy of the sources, and sees whether the simulator finds it. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mutant, mutants } from "./mutants.ts";

const root = join(import.meta.dirname, "..");

/** Seeds within which each must be found. */
const seedsMax = 10_000;

export interface MutantsOptions {
  /** Part of the names of those to be planted. Default: all. */
  readonly named?: string;
  /** How many at a time. */
  readonly jobs: number;
}

/** @returns whether all were found. */
export async function runMutants({ named = "", jobs }: MutantsOptions): Promise<boolean> {
  const waiting = mutants.filter(({ name }) => name.includes(named));
  const count = waiting.length;
  let missed = 0;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const found = await find(next);
      if (found === undefined) missed++;
      console.log(`${found === undefined ? "MISSED" : "found "} ${next.name}: ${found ?? ""}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  console.log(`${count - missed} of ${count} mutants found within ${seedsMax} seeds each`);
  return missed === 0;
}

/** @throws when a text does not occur exactly once. */
export function applyEdits(mutant: Mutant, read: (file: string) => string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of mutant.edits) {
    const text = changed.get(file) ?? read(file);
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new Error(
        `mutant "${mutant.name}": its text occurs ${parts.length - 1} times in ${file}`,
      );
    }
    changed.set(file, parts.join(replace));
  }
  return changed;
}

/** @returns what the simulator says; undefined when it finds nothing. */
async function find(mutant: Mutant): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), "colloquy-mutant-"));
  try {
    for (const part of ["src", "scripts", "package.json"]) {
      cpSync(join(root, part), join(directory, part), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
    const source = (file: string): string => join(directory, "src", file);
    for (const [file, text] of applyEdits(mutant, (it) => readFileSync(source(it), "utf8"))) {
      writeFileSync(source(file), text);
    }
    const { code, output } = await simulate(directory, mutant.scenario);
    if (code === 0) return undefined;
    const [first = "", second = ""] = output.split("\n").filter((line) => line.includes("breaks"));
    return first === "" ? firstLineOf(output) : `${first}${second}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function simulate(
  directory: string,
  scenario: string | undefined,
): Promise<{ readonly code: number; readonly output: string }> {
  const parameters = ["scripts/simulate.ts", "--seeds", String(seedsMax), "--no-shrink"];
  if (scenario !== undefined) parameters.push("--scenario", scenario);
  const child = spawn(process.execPath, [...process.execArgv, ...parameters], { cwd: directory });
  let output = "";
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return new Promise((resolve) => {
    child.once("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** An error that came up is as good as a promise that broke. */
function firstLineOf(output: string): string {
  return output.split("\n").find((line) => /error/i.test(line)) ?? output.slice(0, 200);
}
