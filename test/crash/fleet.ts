/** The processes of a crash campaign: started, told to stop, killed, paused, and replaced. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readHubFile } from "../../src/hub/embedded/hub-file.ts";
import type { ProbePoint } from "../../src/hub/probe.ts";
import { sourceFlags } from "../support/run-node.ts";

export type Role = "sender" | "worker";

export interface ProgramOptions {
  readonly role: Role;
  readonly name: string;
  readonly directory: string;
  readonly journal: string;
  /** Sends, or handlers, at a time. */
  readonly inFlight: number;
  /** Silence that it allows as an owner, milliseconds. */
  readonly silenceMs: number;
}

export type ProgramReport =
  | { readonly kind: "ready" }
  /** How many of its sends were acknowledged or refused so far. */
  | { readonly kind: "decided"; readonly count: number };

const program = fileURLToPath(new URL("./program.ts", import.meta.url));

export class Member {
  readonly role: Role;
  readonly name: string;
  readonly process: ChildProcess;
  decided = 0;
  /** Set while it stands still. */
  stopped = false;
  readonly #ready: Promise<void>;

  constructor(options: ProgramOptions, environment: NodeJS.ProcessEnv) {
    this.role = options.role;
    this.name = options.name;
    this.process = spawn(
      process.execPath,
      [...sourceFlags, program, JSON.stringify(options)],
      // The worker thread of an owner that loses its disk says so on standard error, as it should.
      { stdio: ["ignore", "inherit", "ignore", "ipc"], env: environment },
    );
    this.#ready = new Promise((resolve) => {
      this.process.on("message", (report: ProgramReport) => {
        if (report.kind === "ready") resolve();
        else this.decided = report.count;
      });
      this.process.on("exit", () => resolve());
    });
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Resolves once it works, or has ended. */
  ready(): Promise<void> {
    return this.#ready;
  }

  async kill(): Promise<void> {
    if (this.alive) this.process.kill("SIGKILL");
    await this.gone();
  }

  /** Stands still for as long, as if the machine had no time for it. */
  async stopFor(ms: number): Promise<void> {
    this.stopped = true;
    this.process.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.process.kill("SIGCONT");
    this.stopped = false;
  }

  /** Lets what is under way end, and resolves when the process has. */
  async stop(): Promise<void> {
    // One that is dying just then does not hear it.
    if (this.process.connected) this.process.send("stop", () => {});
    await this.gone();
  }

  async gone(): Promise<void> {
    if (this.alive) await once(this.process, "exit");
  }
}

export interface FleetOptions {
  /** Of the store. */
  readonly directory: string;
  /** Where journals and the decree lie. */
  readonly root: string;
  readonly inFlight: number;
  readonly silenceMs: number;
  /** More of the environment for each process that is started, say a library that fails. */
  readonly environment: () => NodeJS.ProcessEnv;
}

export class Fleet {
  readonly members: Member[] = [];
  readonly #options: FleetOptions;
  readonly #fate: string;
  readonly #journals: string[] = [];
  #decidedByTheDead = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#fate = join(options.root, "fate");
  }

  /** Sends of all processes, of those that are gone too, that were acknowledged or refused. */
  get decided(): number {
    return this.members.reduce((sum, member) => sum + member.decided, this.#decidedByTheDead);
  }

  /** The process that runs the hub and the store, as far as it has told. */
  get owner(): Member | undefined {
    const id = readHubFile(join(this.#options.directory, "hub.json"))?.process;
    return this.members.find((member) => member.alive && member.process.pid === id);
  }

  start(role: Role): Member {
    const { directory, root, inFlight, silenceMs, environment } = this.#options;
    const name = `${role[0]}${this.#journals.length}`;
    const journal = join(root, `${name}.journal`);
    writeFileSync(journal, "");
    this.#journals.push(journal);
    const member = new Member(
      { role, name, directory, journal, inFlight, silenceMs },
      { ...process.env, COLLOQUY_TEST_FATE: this.#fate, ...environment() },
    );
    this.members.push(member);
    return member;
  }

  /** Takes the dead out and starts as many of their kind. */
  async replaceTheDead(): Promise<void> {
    const dead = this.members.filter((member) => !member.alive);
    for (const member of dead) {
      this.members.splice(this.members.indexOf(member), 1);
      this.#decidedByTheDead += member.decided;
    }
    await Promise.all(dead.map(({ role }) => this.start(role).ready()));
  }

  /** The first owner to come by this point dies there. */
  decree(point: ProbePoint): void {
    writeFileSync(this.#fate, point);
  }

  /** What all of them wrote down, by the first word of the line. */
  journaled(word: "acknowledged" | "rejected" | "started"): readonly string[] {
    return this.#journals.flatMap((journal) =>
      readFileSync(journal, "utf8")
        .split("\n")
        .filter((line) => line.startsWith(`${word} `))
        .map((line) => line.slice(word.length + 1)),
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
  }
}
