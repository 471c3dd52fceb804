/**
 * A server of a peer, started for one subject: a child with an empty directory of its own, in a group
 * of processes of its own, which ends with this process whatever happens to it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

export interface ServerProcess {
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Beside what this process has. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Resolves once the server takes work; called until it does, or the server has ended. */
  ready(): Promise<void>;
}

/** How long a server may take to be ready, and to end, milliseconds. */
const readyMs = 60_000;
const graceMs = 10_000;
const retryMs = 50;

/** @throws Error when the server ends, or is not ready in time. */
export async function startServer(
  binary: string,
  args: readonly string[],
  { environment, ready }: ServerOptions,
): Promise<ServerProcess> {
  const child = spawn(binary, args, {
    stdio: "ignore",
    detached: true,
    env: { ...process.env, ...environment },
  });
  let hasEnded = false;
  const ended = once(child, "exit").then(() => {
    hasEnded = true;
  });
  const failed = ended.then(() => Promise.reject(new Error("ended")));
  failed.catch(() => {});
  const signal = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // Nobody of the group is left.
    }
  };
  const killNow = (): void => signal("SIGKILL");
  process.once("exit", killNow);
  const stop = async (): Promise<void> => {
    signal("SIGTERM");
    const timer = setTimeout(killNow, graceMs);
    await ended;
    clearTimeout(timer);
    killNow();
    process.off("exit", killNow);
  };

  const deadline = performance.now() + readyMs;
  for (let failure: unknown; !hasEnded; await sleep(retryMs)) {
    try {
      await Promise.race([ready(), failed]);
      return { stop };
    } catch (error) {
      failure = error;
    }
    if (performance.now() < deadline) continue;
    await stop();
    throw new Error(`${binary} does not take work: ${String(failure)}`);
  }
  throw new Error(`${binary} ended with ${child.signalCode ?? child.exitCode}`);
}
