/** A real server of others' making, on a free port of the loopback, with a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ServerName } from "../../../scripts/brokers/servers.ts";
import { serverProgram } from "../brokers.ts";

/** Lines of its log that are kept to explain why it did not start. */
const logLinesMax = 30;
const startsMax = 5;
const sharedMemory = "/dev/shm";
const freeBytesMin = 2 ** 31;

/** Servers that run now: none outlives the process that started it. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export abstract class Server {
  readonly name: ServerName;
  readonly port: number;
  readonly directory: string;
  readonly #ready: string;
  #child: ChildProcess | undefined;

  /** @param ready - what it writes when it takes connections. */
  protected constructor(name: ServerName, port: number, ready: string) {
    this.name = name;
    this.port = port;
    this.directory = mkdtempSync(join(placeOfDirectories(), `colloquy-${name}-`));
    this.#ready = ready;
  }

  get url(): string {
    return `${this.name}://127.0.0.1:${this.port}`;
  }

  /**
   * For `join`: everything lies below the prefix; whoever shows no sign of life for so long loses what it
   * holds.
   *
   * @param port - of what stands in front of it, say a proxy.
   */
  placeUrl(prefix: string, leaseMs: number, port: number = this.port): string {
    return `${this.name}://127.0.0.1:${port}?prefix=${prefix}&leaseMs=${leaseMs}`;
  }

  /** Its parameters, after what has been written into its directory. */
  protected abstract parameters(): readonly string[];

  /** Resolves when it has recovered what lies in its directory and takes connections. */
  async start(): Promise<void> {
    const child = spawn(serverProgram(this.name), this.parameters(), {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    running.add(child);
    const log: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const failed = (why: unknown) => reject(new Error(`${this.name}: ${why}\n${log.join("\n")}`));
      child.once("error", failed);
      child.once("exit", (code, signal) => {
        running.delete(child);
        failed(`ended with ${code ?? signal}`);
      });
      for (const input of [child.stdout, child.stderr]) {
        createInterface({ input }).on("line", (line) => {
          if (log.push(line) > logLinesMax) log.shift();
          if (line.includes(this.#ready)) resolve();
        });
      }
    });
  }

  /** In order: what it holds is written, and its clients are told. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** At once, as `kill -9`. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Stands still until `resume`. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Sends it a signal that it knows by itself. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it, and removes what it kept. */
  async remove(): Promise<void> {
    await this.kill();
    // A child of its own that rewrites a file may not have ended yet.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

/**
 * In memory where there is room: what a killed process has written is there as well, and tests side by
 * side do not wait for one disk that writes all they store.
 */
function placeOfDirectories(): string {
  try {
    const { bavail, bsize } = statfsSync(sharedMemory);
    return bavail * bsize < freeBytesMin ? tmpdir() : sharedMemory;
  } catch {
    return tmpdir();
  }
}

/** Starts what `make` makes, anew where somebody else has taken a port in between. */
export async function started<Made extends Server>(make: () => Promise<Made>): Promise<Made> {
  for (let attempt = 1; ; attempt++) {
    const server = await make();
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.remove();
      if (attempt === startsMax) throw error;
    }
  }
}

/**
 * None that systems give to whoever asks for any: a server that is down for a moment finds it free again.
 * Each of the processes that test side by side has some of its own; one of a cluster needs 10,000 more.
 */
const firstPort = 12_000;
const portsPerWorker = 1_000;
const workersMax = 10;
let portsGiven = randomInt(portsPerWorker);

export async function freePort(): Promise<number> {
  const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % workersMax;
  for (;;) {
    const port = firstPort + worker * portsPerWorker + (portsGiven++ % portsPerWorker);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
