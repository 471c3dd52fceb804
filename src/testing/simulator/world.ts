/** Processes on one machine, one virtual clock and one seed, and what can be done to them. */

import type { EngineLimits } from "../../broker/engine/limits.ts";
import { ColloquyError } from "../../errors.ts";
import type { Random } from "../../runtime/random.ts";
import { SeededRandom } from "../../runtime/random.ts";
import { MemoryNetwork } from "../memory-network.ts";
import type { Conditions } from "../memory-pipe.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { type DiskStep, SimulatedDisk } from "./disk.ts";
import type { AnyRecorded, WorldEvent } from "./history.ts";
import { Machine } from "./machine.ts";
import { Life, type Program } from "./process.ts";
import { ProcessClock } from "./process-clock.ts";

export interface WorldOptions<Event> {
  readonly seed: number;
  /** By the name of their process. */
  readonly programs: Readonly<Record<string, Program<Event>>>;
  /** Between two processes. */
  readonly conditions: Conditions;
  readonly engineLimits?: Partial<EngineLimits>;
}

/** After which a program that ended with an error is started again, as whoever supervises it would. */
const restartMs = 50;

export class World<Event> {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly disk: SimulatedDisk;
  readonly history: AnyRecorded<Event>[] = [];
  readonly #options: WorldOptions<Event>;
  readonly #machine: Machine;
  readonly #lives = new Map<string, Life<Event>>();
  readonly #births = new Map<string, number>();
  readonly #coming: string[] = [];
  readonly #finished = new Set<string>();
  #brokerMs = 0;

  constructor(options: WorldOptions<Event>) {
    const { clock } = this;
    const { conditions, engineLimits = {} } = options;
    this.#options = options;
    this.network = new MemoryNetwork({ clock, random: this.random("network"), conditions });
    this.disk = new SimulatedDisk(this.random("disk"));
    this.#machine = new Machine({
      clock,
      disk: this.disk,
      network: this.network,
      engineLimits,
      onOwner: ({ host }) => this.#record(host, { kind: "owns" }),
    });
  }

  /** A source of its own for everything that draws, so that one thing less changes nothing else. */
  random(what: string): Random {
    let hash = 0;
    for (const character of what) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
    return new SeededRandom((this.#options.seed ^ hash) * 2 ** 20 + what.length);
  }

  get names(): readonly string[] {
    return Object.keys(this.#options.programs);
  }

  /** The process that runs the hub. */
  get owner(): string | undefined {
    return this.#machine.ownerHost;
  }

  get hubHost(): string | undefined {
    return this.#machine.hubHost;
  }

  /** Starts the program anew, unless it runs. */
  start(name: string): void {
    const program = this.#options.programs[name];
    if (program === undefined) throw new ColloquyError("INVALID_OPTION", `process: ${name}`);
    if (this.isAlive(name)) return;
    const life = this.enter(name);
    this.#run(life, program).catch(() => {});
  }

  /** Processes that are down and will be started again. @returns tells that they were. */
  comesBack(names: readonly string[]): () => void {
    for (const name of names) this.#coming.push(name);
    return () => {
      for (const name of names) this.#coming.splice(this.#coming.indexOf(name), 1);
    };
  }

  /** The program has run to its end, in a life that was not cut short, and nobody is to be started. */
  hasFinished(name: string): boolean {
    return this.#coming.length === 0 && this.#finished.has(name);
  }

  /** A new life of a process that runs no program. @param options - whether it may run the hub. Default: it may. */
  enter(name: string, { mayOwn = true }: { readonly mayOwn?: boolean } = {}): Life<Event> {
    const births = (this.#births.get(name) ?? 0) + 1;
    this.#births.set(name, births);
    const random = this.random(`${name} ${births}`);
    const life = new Life<Event>({
      name,
      life: births,
      mayOwn,
      clock: new ProcessClock(this.clock, random),
      random,
      machine: this.#machine,
      history: this.history,
      record: (of, event) => this.#record(of.name, event),
      onReported: (of, error, where) => {
        if (of.alive) this.#record(name, { kind: "reported", where, error: textOf(error) });
      },
    });
    this.#lives.set(name, life);
    this.#finished.delete(name);
    this.#record(name, { kind: "born" });
    return life;
  }

  /** As with SIGKILL: what it has sent still arrives. */
  kill(name: string): void {
    const life = this.#lives.get(name);
    if (life?.alive !== true) return;
    this.resume(name);
    this.#record(name, { kind: "killed" });
    life.end();
    this.network.breakEnds(name);
  }

  /** Ends in order, as at SIGTERM. */
  async leave(name: string): Promise<void> {
    const life = this.#lives.get(name);
    if (life?.alive !== true) return;
    this.resume(name);
    await life.leave();
    this.network.breakEnds(name);
  }

  /** As with SIGSTOP: its links stay, and what is sent to it waits. */
  pause(name: string): void {
    const life = this.#lives.get(name);
    if (life?.state !== "running") return;
    life.state = "paused";
    life.clock.pause();
    this.#machine.pauseHub(life);
    for (const host of this.#hostsOf(life)) this.network.stop(host);
  }

  resume(name: string): void {
    const life = this.#lives.get(name);
    if (life?.state !== "paused") return;
    life.state = "running";
    life.clock.resume();
    this.#machine.resumeHub(life);
    for (const host of this.#hostsOf(life)) this.network.go(host);
  }

  /** Everything ends at once, and the disk keeps what it had flushed. */
  powerCut(): void {
    for (const name of this.names) this.kill(name);
    this.disk.powerCut();
  }

  /** Ends the process that runs the hub at this step of its next commit. */
  onNextCommit(step: DiskStep, run: () => void): void {
    this.disk.onStep = (reached) => {
      if (reached !== step) return;
      this.disk.onStep = undefined;
      run();
      throw new ColloquyError("INDETERMINATE", "ended in the middle of a commit");
    };
  }

  setWallClock(name: string, offsetMs: number): void {
    const life = this.#lives.get(name);
    if (life === undefined) return;
    life.clock.wallOffsetMs = offsetMs;
    this.#machine.setHubClock(life);
  }

  note(what: string): void {
    this.#record("world", { kind: "fault", what });
  }

  isAlive(name: string): boolean {
    return this.#lives.get(name)?.alive === true;
  }

  async #run(life: Life<Event>, program: Program<Event>): Promise<void> {
    try {
      await program(life);
      if (life.alive) this.#finished.add(life.name);
    } catch (error) {
      if (!life.alive) return;
      this.#record(life.name, { kind: "crashed", error: textOf(error) });
      this.kill(life.name);
      this.clock.setTimer(restartMs, () => this.start(life.name));
    }
  }

  #hostsOf({ host }: Life<Event>): readonly string[] {
    const { ownerHost, hubHost } = this.#machine;
    return ownerHost === host && hubHost !== undefined ? [host, hubHost] : [host];
  }

  #record(process: string, event: Event | WorldEvent): void {
    this.#brokerMs = this.#machine.brokerMs ?? this.#brokerMs;
    const atMs = this.clock.monotonicMs();
    this.history.push({ ...event, atMs, brokerMs: this.#brokerMs, process });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
