/**
 * Whole processes that meet in one place: a directory, whose owner is the first of them, or a server. The
 * same tests run over each of them.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { join, type Network } from "colloquy";
import { describe, test } from "vitest";
import { withTimeToClaim } from "./claims.ts";
import { absolute } from "./repository.ts";
import { sourceFlags } from "./run-node.ts";
import { overEachServer } from "./servers/over-servers.ts";

interface Place {
  readonly url: string;
  /** The server dies, and is there again; undefined where one of the processes serves the others. */
  readonly restart?: () => Promise<void>;
  remove(): Promise<void>;
}

/** How long a server keeps for a process that shows no sign of life what that holds. */
export const leaseMs = 2_000;
/** The same for cases in which no process is gone, however long a busy machine lets it stand still. */
const longLeaseMs = 30_000;

export class ProcessFabric {
  readonly url: string;
  /** What the processes have told, but that they are ready. */
  readonly told: string[] = [];
  readonly #place: Place;
  readonly #program: string;
  readonly #processes: ChildProcess[] = [];
  readonly #networks: Network[] = [];
  readonly #listeners = new Set<() => void>();

  /** @param program - of every process, in this repository; told the URL, its name, and what else there is. */
  constructor(place: Place, program: string) {
    this.#place = place;
    this.url = place.url;
    this.#program = absolute(program);
  }

  /** Resolves when it is ready. */
  async start(id: string, ...parameters: readonly string[]): Promise<ChildProcess> {
    const child = this.begin(id, ...parameters);
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code, signal) => reject(new Error(`${id} ended: ${code ?? signal}`)));
      child.on("message", (message) => {
        if (message === "ready") resolve();
      });
    });
    return child;
  }

  /** One that may die before it is ready. */
  begin(id: string, ...parameters: readonly string[]): ChildProcess {
    const execArgv = [...sourceFlags];
    const child = fork(this.#program, [this.url, id, ...parameters], { execArgv });
    this.#processes.push(child);
    child.on("message", (message) => {
      if (message !== "ready") this.told.push(String(message));
      for (const listener of this.#listeners) listener();
    });
    return child;
  }

  /** Resolves when `check` holds of what has been told. */
  until(check: (told: readonly string[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!check(this.told)) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Resolves when all of that has been told. */
  heard(...what: readonly string[]): Promise<void> {
    return this.until((told) => what.every((it) => told.includes(it)));
  }

  /** This process, beside the others. */
  async join(): Promise<Network> {
    const network = await join(this.url, { ...withTimeToClaim(this.url), drainOnSignals: false });
    this.#networks.push(network);
    return network;
  }

  /**
   * What all meet at is killed: the server, which starts again, or the owner of the directory.
   *
   * @param owners - who may own it.
   */
  async killCentre(...owners: readonly ChildProcess[]): Promise<void> {
    const { restart } = this.#place;
    if (restart !== undefined) await restart();
    else for (const owner of owners) await kill(owner);
  }

  async close(): Promise<void> {
    // Until it is gone it may write into the directory that is removed below.
    await Promise.all(this.#processes.map(kill));
    await Promise.all(this.#networks.map((network) => network.close()));
    await this.#place.remove();
  }
}

/** Resolves when it is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

export interface ProcessCase {
  (fabric: ProcessFabric): Promise<void>;
  /** Default: `leaseMs`. */
  readonly leaseMs?: number;
}

export type ProcessCases = Readonly<Record<string, ProcessCase>>;

/** A case that waits for no lease to end, and in which none may. */
export function withLongLease(run: (fabric: ProcessFabric) => Promise<void>): ProcessCase {
  return withLease(longLeaseMs, run);
}

export function withLease(
  leaseMs: number,
  run: (fabric: ProcessFabric) => Promise<void>,
): ProcessCase {
  return Object.assign((fabric: ProcessFabric) => run(fabric), { leaseMs });
}

interface Options {
  /** See `ProcessFabric`. */
  readonly program: string;
  /** One of so many cases runs over each server; none: 0. */
  readonly every: number;
  /** One of so many runs over a directory. Default: every case. */
  readonly everyOfDirectory?: number;
  readonly timeoutMs?: number;
}

/** Declares the cases over a directory, over NATS and over Redis. A server is shared by those of a file. */
export function overAllPlaces(
  cases: ProcessCases,
  { program, every, everyOfDirectory = 1, timeoutMs = 60_000 }: Options,
): void {
  const declare = (index: number, open: (leaseMs: number) => Promise<Place>) => {
    const step = index === 0 ? everyOfDirectory : every;
    for (const [at, [name, run]] of Object.entries(cases).entries()) {
      if (step === 0 || (at + index) % step !== 0) continue;
      test(name, { timeout: timeoutMs }, async () => {
        const fabric = new ProcessFabric(await open(run.leaseMs ?? leaseMs), program);
        try {
          await run(fabric);
        } finally {
          await fabric.close();
        }
      });
    }
  };
  describe("over a directory", () => declare(0, directory));
  if (every === 0) return;
  let index = 0;
  overEachServer((server) => {
    let places = 0;
    declare(++index, async (lease) => {
      const shared = await server();
      return {
        url: shared.placeUrl(`place-${++places}`, lease),
        restart: async () => {
          await shared.kill();
          await shared.start();
        },
        remove: async () => {},
      };
    });
  });
}

async function directory(): Promise<Place> {
  const path = await mkdtemp(joinPath(tmpdir(), "colloquy-processes-"));
  return {
    url: `embedded:${path}`,
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
