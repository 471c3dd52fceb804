/** A server of its own for one measurement: empty, on a free port of loopback, and its memory and disk are told. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Daemon, isAlive, startDaemon, stopDaemon } from "../brokers/daemon.ts";
import { freePort } from "../brokers/greeting.ts";
import { filesOf } from "../brokers/running.ts";
import { type ServerName, servers, urlOf } from "../brokers/servers.ts";

export class MeasuredServer {
  readonly url: string;
  readonly #name: ServerName;
  readonly #program: string;
  readonly #port: number;
  readonly #home: string = mkdtempSync(join(tmpdir(), "colloquy-backlog-"));
  #daemon: Daemon | undefined;

  readonly #kill = (): void => {
    if (this.#daemon !== undefined && isAlive(this.#daemon))
      process.kill(this.#daemon.pid, "SIGKILL");
    rmSync(this.#home, { recursive: true, force: true });
  };

  private constructor(name: ServerName, program: string, port: number) {
    this.#name = name;
    this.#program = program;
    this.#port = port;
    this.url = urlOf(name, port);
    process.once("exit", this.#kill);
  }

  static async start(name: ServerName, program: string): Promise<MeasuredServer> {
    const server = new MeasuredServer(name, program, await freePort());
    await server.start();
    return server;
  }

  /** Resolves once it takes work. With what it had on disk. */
  async start(): Promise<void> {
    await startDaemon(servers[this.#name], this.#program, {
      files: filesOf(this.#home, this.#name),
      port: this.#port,
      onBegun: (daemon) => {
        this.#daemon = daemon;
      },
    });
  }

  async stop(): Promise<void> {
    if (this.#daemon !== undefined) await stopDaemon(this.#daemon);
    this.#daemon = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    process.off("exit", this.#kill);
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** Resident, bytes; 0 where the system does not tell. */
  get memoryBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#daemon?.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  get diskBytes(): number {
    const { data } = filesOf(this.#home, this.#name);
    const entries = readdirSync(data, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(
        ({ parentPath, name }) =>
          statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0,
      )
      .reduce((sum, size) => sum + size, 0);
  }
}
