/**
 * What this process, the processes it started and theirs have used of the processors. On a machine
 * that others use too it says more than the clock on the wall. Read from /proc, so only on Linux.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Of the counters in /proc: a hundredth of a second on every Linux. */
const microsecondsPerTick = 10_000;

/** @returns microseconds since the beginning of each process that still runs; undefined elsewhere. */
export function cpuTimeOfTree(root: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const processes = readdirSync("/proc").flatMap((name) => readProcess(name) ?? []);
  const tree = new Set([root]);
  let size = 0;
  while (size < tree.size) {
    size = tree.size;
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid);
  }
  const ticks = processes.filter(({ pid }) => tree.has(pid)).map((entry) => entry.ticks);
  return ticks.reduce((sum, value) => sum + value, 0) * microsecondsPerTick;
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

function readProcess(name: string): ProcessEntry | undefined {
  if (!/^\d+$/.test(name)) return undefined;
  try {
    const text = readFileSync(`/proc/${name}/stat`, "latin1");
    // pid (name) state ppid ...: a name may hold anything, brackets too. utime and stime are 14 and 15.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      pid: Number(name),
      parent: Number(fields[1]),
      ticks: Number(fields[11]) + Number(fields[12]),
    };
  } catch {
    return undefined; // It has ended meanwhile.
  }
}
