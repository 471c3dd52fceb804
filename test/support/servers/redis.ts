/** A real redis-server on a free port of the loopback, in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { serverProgram } from "../brokers.ts";

/** As redis.conf has them. */
export type RedisSettings = Readonly<Record<string, string>>;

/** As durable as one server can be: what docs/brokers.md asks for. */
export const durableSettings: RedisSettings = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
  save: '""',
};

/** Lines of its log that are kept to explain why it did not start. */
const logLinesMax = 30;
const startsMax = 5;

/** Servers that run now: none outlives the process that started it. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class RedisServer {
  readonly port: number;
  readonly directory: string;
  readonly #settings: RedisSettings;
  #child: ChildProcess | undefined;

  private constructor(port: number, settings: RedisSettings) {
    this.port = port;
    this.directory = mkdtempSync(join(tmpdir(), "colloquy-redis-"));
    this.#settings = settings;
  }

  /** @param settings - beside the durable ones, or in their place. */
  static async start(settings: RedisSettings = {}): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(await freePort(), { ...durableSettings, ...settings });
      try {
        await server.start();
        return server;
      } catch (error) {
        // Somebody else may have taken the port in between.
        await server.remove();
        if (attempt === startsMax) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /**
   * Resolves when it has loaded what lies in its directory and takes commands.
   *
   * @param changed - in place of the settings that it had.
   */
  async start(changed: RedisSettings = {}): Promise<void> {
    const settings = {
      ...this.#settings,
      ...changed,
      bind: "127.0.0.1",
      port: String(this.port),
      dir: this.directory,
    };
    const file = join(this.directory, "redis.conf");
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
    writeFileSync(file, lines.join(""));
    const child = spawn(serverProgram("redis"), [file], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    running.add(child);
    const log: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const failed = (why: unknown) => reject(new Error(`redis-server: ${why}\n${log.join("\n")}`));
      child.once("error", failed);
      child.once("exit", (code, signal) => {
        running.delete(child);
        failed(`ended with ${code ?? signal}`);
      });
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (log.push(line) > logLinesMax) log.shift();
        if (line.includes("Ready to accept connections")) resolve();
      });
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

  /** Ends it, and removes what it kept. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
