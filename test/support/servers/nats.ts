/** A real nats-server on a free port of the loopback, with JetStream in a directory of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { serverProgram } from "../brokers.ts";

export interface NatsServerSettings {
  /** Of the block `jetstream`. Default: "always"; undefined leaves the server's own. */
  readonly syncInterval?: string | undefined;
  /** Default: "8MB". */
  readonly maxPayload?: string;
  /** Default: true. */
  readonly jetstream?: boolean;
  /** Further lines of the configuration: accounts, users, limits. */
  readonly more?: string;
}

/** Lines of its log that are kept to explain why it did not start. */
const logLinesMax = 30;
const startsMax = 5;

/** Servers that run now: none outlives the process that started it. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class NatsServer {
  readonly port: number;
  readonly monitorPort: number;
  readonly directory: string;
  readonly #settings: NatsServerSettings;
  #child: ChildProcess | undefined;

  private constructor(port: number, monitorPort: number, settings: NatsServerSettings) {
    this.port = port;
    this.monitorPort = monitorPort;
    this.directory = mkdtempSync(join(tmpdir(), "colloquy-nats-"));
    this.#settings = settings;
  }

  static async start(settings: NatsServerSettings = {}): Promise<NatsServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new NatsServer(await freePort(), await freePort(), settings);
      try {
        await server.start();
        return server;
      } catch (error) {
        // Somebody else may have taken a port in between.
        await server.remove();
        if (attempt === startsMax) throw error;
      }
    }
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Where its settings can be read. */
  get monitorUrl(): string {
    return `http://127.0.0.1:${this.monitorPort}`;
  }

  /** Resolves when it has recovered what lies in its directory and takes connections. */
  async start(): Promise<void> {
    const path = join(this.directory, "nats.conf");
    writeFileSync(path, this.#configuration());
    const child = spawn(serverProgram("nats"), ["-c", path], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    this.#child = child;
    running.add(child);
    const log: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const failed = (why: unknown) => reject(new Error(`nats-server: ${why}\n${log.join("\n")}`));
      child.once("error", failed);
      child.once("exit", (code, signal) => {
        running.delete(child);
        failed(`ended with ${code ?? signal}`);
      });
      createInterface({ input: child.stderr }).on("line", (line) => {
        if (log.push(line) > logLinesMax) log.shift();
        if (line.includes("Server is ready")) resolve();
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

  #configuration(): string {
    const { syncInterval, maxPayload = "8MB", jetstream = true, more = "" } = this.#settings;
    const sync = "syncInterval" in this.#settings ? syncInterval : "always";
    const storage = `store_dir: ${JSON.stringify(join(this.directory, "jetstream"))}
      max_memory_store: 512MB
      max_file_store: 8GB
      ${sync === undefined ? "" : `sync_interval: ${sync}`}`;
    return `listen: "127.0.0.1:${this.port}"
      http: "127.0.0.1:${this.monitorPort}"
      max_payload: ${maxPayload}
      ${jetstream ? `jetstream {\n${storage}\n}` : ""}
      ${more}\n`;
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
