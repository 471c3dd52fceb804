/**
 * A server that outlives the process that starts it. It is known by its pid together with the moment at
 * which it began, because pids are used again.
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { answers } from "./greeting.ts";
import type { Files } from "./running.ts";
import type { Server } from "./servers.ts";

export interface Daemon {
  readonly pid: number;
  /** When it began, as the system says it; compared, not read. */
  readonly begun: string;
}

interface DaemonOptions {
  readonly files: Files;
  readonly port: number;
  /** Told as soon as there is something to stop, long before it takes work. */
  readonly onBegun: (daemon: Daemon) => void;
}

const readyMs = 60_000;
const graceMs = 20_000;
const pollMs = 50;

/**
 * Resolves once it takes work.
 *
 * @throws Error with the end of its log when it ends instead, or is not ready in time.
 */
export async function startDaemon(
  server: Server,
  program: string,
  { files, port, onBegun }: DaemonOptions,
): Promise<void> {
  mkdirSync(files.data, { recursive: true });
  const log = openSync(files.log, "w");
  const child = spawn(program, server.argumentsFor({ directory: files.data, port }), {
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const { pid } = child;
  if (pid !== undefined) onBegun({ pid, begun: begunAt(pid) ?? "" });
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = String(error);
  });
  child.once("exit", (code, signal) => {
    ended = `ended with ${signal ?? code}`;
  });
  const deadline = performance.now() + readyMs;
  while (!(await answers(server.greeting, port)) || ended !== undefined) {
    const late = performance.now() > deadline;
    if (ended === undefined && !late) {
      await sleep(pollMs);
      continue;
    }
    child.kill("SIGKILL");
    throw new Error(`${program} ${ended ?? "does not take work"}\n${lastLines(files.log)}`);
  }
  child.unref();
}

export function isAlive({ pid, begun }: Daemon): boolean {
  return begunAt(pid) === begun;
}

/** Resolves when it has ended. One that ended before, or whose pid is another's by now, is left alone. */
export async function stopDaemon(daemon: Daemon): Promise<void> {
  const { pid } = daemon;
  if (!isAlive(daemon)) return;
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + graceMs;
  while (isAlive(daemon)) {
    if (performance.now() > deadline) process.kill(pid, "SIGKILL");
    await sleep(pollMs);
  }
}

/** Undefined when there is no such process, or it has ended and nobody has asked about it yet. */
function begunAt(pid: number): string | undefined {
  if (process.platform !== "linux") {
    const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
    return stdout?.trim() || undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function lastLines(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-5).join("\n");
}
