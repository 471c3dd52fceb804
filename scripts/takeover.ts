/**
 * Measures takeover: three processes share a directory, the owner is killed with SIGKILL, and one of the
 * others sends a message that only the next owner can acknowledge. Time runs from the signal to the
 * acknowledgement, which the store gives after the disk has the message.
 *
 *   npm run takeover [-- ROUNDS]        default: 200; writes docs/results/takeover.md
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { Stage } from "../test/hub/support/actors.ts";

const processes = 3;
const result = "docs/results/takeover.md";
const goalMs = 2_000;

const rounds = Number(process.argv[2] ?? 200);
if (!(rounds >= 1)) throw new Error(`ROUNDS: ${process.argv[2]} is not 1 or more`);

/** Runnable processes of others, averaged over a minute: what the figures must be read beside. */
const loadBefore = loadavg()[0] as number;
const times = await measure();
const sorted = times.toSorted((a, b) => a - b);
const figures = {
  p50: quantile(0.5),
  p90: quantile(0.9),
  p99: quantile(0.99),
  max: sorted.at(-1) as number,
};
console.log(
  `takeover after SIGKILL, ${rounds} rounds: p50 ${figures.p50.toFixed(0)} ms, ` +
    `p99 ${figures.p99.toFixed(0)} ms, max ${figures.max.toFixed(0)} ms`,
);
mkdirSync("docs/results", { recursive: true });
writeFileSync(result, page());
if (figures.p99 > goalMs) process.exitCode = 1;

async function measure(): Promise<readonly number[]> {
  const stage = new Stage();
  const taken: number[] = [];
  try {
    const first = await stage.enter();
    for (let count = 1; count < processes; count++) await stage.enter();
    first.tell({ kind: "declare", queue: "jobs" });
    await first.until("declared");
    while (taken.length < rounds) {
      taken.push(await round(stage, `round-${taken.length}`));
      await stage.enter();
      if (taken.length % 20 === 0) console.log(`${taken.length} of ${rounds} rounds`);
    }
  } finally {
    await stage.leave();
  }
  return taken;
}

async function round(stage: Stage, id: string): Promise<number> {
  const { owner } = stage;
  const survivor = stage.actors.find((actor) => actor.alive && actor !== owner);
  if (owner === undefined || survivor === undefined) throw new Error("nobody owns the directory");
  const begunMs = performance.now();
  await owner.kill();
  survivor.tell({ kind: "enqueue", queue: "jobs", id });
  await survivor.untilEnqueued(id);
  return performance.now() - begunMs;
}

function quantile(share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}

function page(): string {
  const { p50, p90, p99, max } = figures;
  const row = [p50, p90, p99, max].map((value) => `${value.toFixed(0)} ms`).join(" | ");
  return `# Takeover

From SIGKILL of the process that owns the directory to the first acknowledgement of a new durable
message by its successor, ${processes} processes, ${rounds} rounds. The goal is at most ${goalMs / 1_000} seconds in
99 of 100.

| p50 | p90 | p99 | max |
|--:|--:|--:|--:|
| ${row} |

- ${new Date().toISOString().slice(0, 10)}, \`npm run takeover -- ${rounds}\`, from sources (a build starts its worker sooner)
- ${cpus().length} processors (${cpus()[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, Node ${process.version}, ${process.platform}
- load average before it began: ${loadBefore.toFixed(1)}; an idle machine has 0
- The successor's worker thread starts, opens and verifies the store, and listens; the clients find
  it, introduce themselves again and repeat what was not acknowledged.
`;
}
