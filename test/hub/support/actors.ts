/** Starts, orders and kills the processes of a test. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readHubFile } from "../../../src/hub/embedded/hub-file.ts";
import {
  type EmbeddedBroker,
  type EmbeddedOptions,
  openEmbedded,
} from "../../../src/hub/embedded.ts";
import type { ProbePoint } from "../../../src/hub/probe.ts";
import { sourceFlags } from "../../support/run-node.ts";

export type ActorOrder =
  | {
      readonly kind: "produce";
      readonly queue: string;
      readonly inFlight: number;
      readonly prefix: string;
    }
  | { readonly kind: "stop" }
  | { readonly kind: "declare"; readonly queue: string }
  | { readonly kind: "enqueue"; readonly queue: string; readonly id: string }
  | {
      readonly kind: "consume";
      readonly queue: string;
      readonly ledger: string;
      /** What it does between starting and settling: "hold" takes one and waits for "let-go". */
      readonly manner: "settle" | "hold" | "die";
    }
  | { readonly kind: "let-go" }
  | { readonly kind: "echo"; readonly topic: string }
  | {
      readonly kind: "exchange";
      readonly topic: string;
      readonly rounds: number;
      readonly queue: string;
    }
  /** Until that file is there. */
  | { readonly kind: "block"; readonly until: string }
  | { readonly kind: "close" };

export type ActorReport =
  | { readonly kind: "open"; readonly owner: boolean }
  | { readonly kind: "enqueued"; readonly id: string }
  | {
      readonly kind:
        | "declared"
        | "stopped"
        | "echoing"
        | "exchanged"
        | "blocking"
        | "unblocked"
        | "closed";
    };

const program = fileURLToPath(new URL("./actor.ts", import.meta.url));

export class Actor {
  readonly process: ChildProcess;
  readonly journal: string;
  readonly reports: ActorReport[] = [];
  readonly #news: (() => void)[] = [];

  constructor(directory: string, journal: string, environment: NodeJS.ProcessEnv) {
    this.journal = journal;
    writeFileSync(journal, "");
    this.process = spawn(process.execPath, [...sourceFlags, program, directory, journal], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: environment,
    });
    this.process.on("message", (report: ActorReport) => {
      this.reports.push(report);
      this.#wake();
    });
    this.process.on("exit", () => this.#wake());
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  tell(order: ActorOrder): void {
    this.process.send(order);
  }

  /** Resolves once it has reported so. @throws when it ends before. */
  until(kind: ActorReport["kind"]): Promise<void> {
    return this.#reported(kind, (report) => report.kind === kind);
  }

  /** Resolves once it has reported that the message of this id is stored. */
  untilEnqueued(id: string): Promise<void> {
    return this.#reported(id, (report) => report.kind === "enqueued" && report.id === id);
  }

  kill(): Promise<void> {
    if (this.alive) this.process.kill("SIGKILL");
    return this.gone();
  }

  async gone(): Promise<void> {
    if (this.alive) await once(this.process, "exit");
  }

  /** What it wrote down, by the first word of the line. */
  journaled(word: "acknowledged" | "started"): readonly string[] {
    const lines = readFileSync(this.journal, "utf8").split("\n");
    return lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.split(" ")[1] ?? "");
  }

  async #reported(what: string, found: (report: ActorReport) => boolean): Promise<void> {
    while (!this.reports.some(found)) {
      if (!this.alive) throw new Error(`the actor ended before it reported: ${what}`);
      await new Promise<void>((resolve) => this.#news.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#news.splice(0)) wake();
  }
}

/** A directory, and the processes on it. */
export class Stage {
  readonly directory: string;
  readonly actors: Actor[] = [];
  readonly #root = mkdtempSync(join(tmpdir(), "colloquy-stage-"));
  readonly #fate = join(this.#root, "fate");
  readonly #fated: boolean;
  readonly #graceMs: number | undefined;

  /**
   * @param fated - whether a process can be told at which point it dies.
   * @param graceMs - how long what somebody holds waits for him to come back, whoever is the owner.
   */
  constructor({
    fated = false,
    graceMs,
  }: { readonly fated?: boolean; readonly graceMs?: number } = {}) {
    this.directory = join(this.#root, "data");
    this.#fated = fated;
    this.#graceMs = graceMs;
  }

  /** In this process, beside the others. */
  open(): Promise<EmbeddedBroker> {
    return openEmbedded(this.directory, patience(this.#graceMs));
  }

  /** Starts a process and waits until it has opened the broker. */
  async enter(): Promise<Actor> {
    const actor = this.start();
    await actor.until("open");
    return actor;
  }

  start(): Actor {
    const environment = { ...process.env };
    if (this.#fated) environment["COLLOQUY_TEST_FATE"] = this.#fate;
    if (this.#graceMs !== undefined) environment["COLLOQUY_TEST_GRACE"] = `${this.#graceMs}`;
    const journal = join(this.#root, `journal-${this.actors.length}`);
    const actor = new Actor(this.directory, journal, environment);
    this.actors.push(actor);
    return actor;
  }

  /** The first owner to come by this point dies there. */
  decree(point: ProbePoint): void {
    writeFileSync(this.#fate, point);
  }

  /** The process that owns the directory, as far as it has told. */
  get owner(): Actor | undefined {
    const id = readHubFile(join(this.directory, "hub.json"))?.process;
    return this.actors.find((actor) => actor.alive && actor.process.pid === id);
  }

  journaled(word: "acknowledged" | "started"): readonly string[] {
    return this.actors.flatMap((actor) => actor.journaled(word));
  }

  async leave(): Promise<void> {
    await Promise.all(this.actors.map((actor) => actor.kill()));
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Options under which an owner waits so long for those who hold something; undefined: as long as it does. */
export function patience(
  reconnectGraceMs: number | undefined,
): Pick<EmbeddedOptions, "hubLimits" | "storeLimits"> {
  if (reconnectGraceMs === undefined) return {};
  return { hubLimits: { reconnectGraceMs }, storeLimits: { reconnectGraceMs } };
}
