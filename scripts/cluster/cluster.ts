/** Three nats-servers on loopback that form one cluster, with the settings of scripts/brokers/nats.conf. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { answers, freePort } from "../brokers/greeting.ts";
import { servers } from "../brokers/servers.ts";

interface Node {
  readonly name: string;
  readonly port: number;
  readonly routePort: number;
  readonly log: string;
  child: ChildProcess | undefined;
}

export interface StreamState {
  readonly leader: string | undefined;
  /** Copies that have everything the leader has, itself included. */
  readonly current: number;
}

const size = 3;
const pollMs = 100;
const readyMs = 60_000;
const questionMs = 2_000;

export class NatsCluster {
  readonly #program: string;
  readonly #directory: string = mkdtempSync(join(tmpdir(), "colloquy-cluster-"));
  readonly #nodes: readonly Node[];
  #client: NatsConnection | undefined;
  readonly #killAll = (): void => {
    for (const { child } of this.#nodes) child?.kill("SIGKILL");
  };

  private constructor(program: string, ports: readonly number[]) {
    this.#program = program;
    this.#nodes = Array.from({ length: size }, (_, index) => ({
      name: `node-${index + 1}`,
      port: ports[index] as number,
      routePort: ports[size + index] as number,
      log: join(this.#directory, `node-${index + 1}.log`),
      child: undefined,
    }));
    process.once("exit", this.#killAll);
  }

  /**
   * Resolves once they take work together.
   *
   * @param program - a nats-server.
   * @throws Error with the ends of their logs.
   */
  static async start(program: string): Promise<NatsCluster> {
    const ports: number[] = [];
    while (ports.length < 2 * size) {
      const port = await freePort();
      if (!ports.includes(port)) ports.push(port);
    }
    const cluster = new NatsCluster(program, ports);
    try {
      await cluster.#startAll();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get urls(): string[] {
    return this.#nodes.map(({ port }) => `nats://127.0.0.1:${port}`);
  }

  async streamState(stream: string): Promise<StreamState> {
    const { cluster } = await this.#ask<StreamInfo>(`STREAM.INFO.${stream}`);
    const leader = cluster?.leader === "" ? undefined : cluster?.leader;
    const followers = (cluster?.replicas ?? []).filter(
      ({ current, lag = 0 }) => current && lag === 0,
    );
    return { leader, current: leader === undefined ? 0 : followers.length + 1 };
  }

  /** Resolves once the stream has a leader, and all of its copies are as far as that. @returns the leader. */
  async whole(stream: string): Promise<string> {
    let found: string | undefined;
    await this.#until(`all copies of ${stream}`, async () => {
      const { leader, current } = await this.streamState(stream);
      found = leader;
      return current === size;
    });
    return found as string;
  }

  /** As `kill -9`. Resolves once it is gone. */
  async kill(name: string): Promise<void> {
    const { child } = this.#node(name);
    if (child === undefined) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** With what it has on disk. */
  restart(name: string): Promise<void> {
    return this.#start(this.#node(name));
  }

  /** Ends all, and removes what they kept. */
  async stop(): Promise<void> {
    await this.#client?.close();
    await Promise.all(this.#nodes.map(({ name }) => this.kill(name)));
    process.off("exit", this.#killAll);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => this.#start(node)));
    this.#client = await connect({ servers: this.urls, maxReconnectAttempts: -1 });
    // Who leads the cluster has to be elected first.
    await this.#until("a leader", async () => {
      const { error } = await this.#ask<{ error?: unknown }>("INFO");
      return error === undefined;
    });
  }

  #node(name: string): Node {
    const found = this.#nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`no node is named ${name}`);
    return found;
  }

  async #start(node: Node): Promise<void> {
    const directory = join(this.#directory, node.name);
    mkdirSync(directory, { recursive: true });
    const log = openSync(node.log, "a");
    const routes = this.#nodes.map(({ routePort }) => `nats://127.0.0.1:${routePort}`);
    const child = spawn(
      this.#program,
      [
        ...servers.nats.argumentsFor({ directory, port: node.port }),
        ...["-n", node.name],
        ...["--cluster_name", "colloquy"],
        ...["--cluster", `nats://127.0.0.1:${node.routePort}`],
        ...["--routes", routes.join(",")],
      ],
      { stdio: ["ignore", log, log] },
    );
    closeSync(log);
    node.child = child;
    await this.#until(`${node.name} to listen`, async () => {
      if (child.exitCode !== null) throw new Error(`${node.name} ended with ${child.exitCode}`);
      return answers(servers.nats.greeting, node.port);
    });
  }

  async #ask<Answer>(name: string): Promise<Answer> {
    const answer = await this.#client?.request(`$JS.API.${name}`, "", { timeout: questionMs });
    if (answer === undefined) throw new Error("not connected");
    return answer.json<Answer>();
  }

  /** Asks again, also where a question failed, while a server is alive to ask. */
  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + readyMs;
    for (let cause: unknown; ; await sleep(pollMs)) {
      try {
        if (await holds()) return;
      } catch (error) {
        cause = error;
      }
      if (performance.now() > deadline)
        throw new Error(`${what}: not in time\n${this.#logs()}`, { cause });
    }
  }

  #logs(): string {
    return this.#nodes
      .map(
        ({ name, log }) =>
          `${name}:\n${readFileSync(log, "utf8").split("\n").slice(-10).join("\n")}`,
      )
      .join("\n");
  }
}

interface StreamInfo {
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly current: boolean; readonly lag?: number }[];
  };
}
