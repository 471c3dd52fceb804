/** One life of one simulated process: from its start until it has ended or is killed. */
import { type JoinOptions, join } from "../../network/join.ts";
import type { Network } from "../../network/network.ts";
import type { Clock } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import type { AnyRecorded } from "./history.ts";
import type { Machine, Tenant } from "./machine.ts";
import type { ProcessClock } from "./process-clock.ts";

/** What a program is given: all that it may wait on, draw from and tell. */
export interface ProcessContext<Event> {
  readonly name: string;
  /** 1, and one more each time it is started again after it was killed. */
  readonly life: number;
  readonly clock: Clock;
  /** Of this life: drawn from the seed. */
  readonly random: Random;
  /** Joins the fabric of the run: a durable one, run by whichever process came first. */
  join(options?: Pick<JoinOptions, "space" | "copy" | "drainMs">): Promise<Network>;
  sleep(ms: number): Promise<void>;
  /** The wall clock of somebody with a right one, milliseconds since 1970. */
  rightTimeMs(): number;
  /** Writes into the history of the run; what a killed process does is not in it. */
  record(event: Event): void;
  /** Of all processes so far: what somebody knows who watches the run from outside. */
  readonly history: readonly AnyRecorded<Event>[];
}

/** Runs as a process would: from the start again, each time it is started again. */
export type Program<Event> = (context: ProcessContext<Event>) => unknown;

export interface LifeOptions<Event> {
  readonly name: string;
  readonly life: number;
  readonly mayOwn: boolean;
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly machine: Machine;
  readonly history: readonly AnyRecorded<Event>[];
  readonly record: (life: Life<Event>, event: Event) => void;
  readonly onReported: (life: Life<Event>, error: unknown, where: string) => void;
}

export class Life<Event> implements ProcessContext<Event>, Tenant {
  readonly name: string;
  readonly host: string;
  readonly life: number;
  readonly mayOwn: boolean;
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly history: readonly AnyRecorded<Event>[];
  readonly #options: LifeOptions<Event>;
  readonly #networks: Network[] = [];
  readonly #over = new Deferred();
  state: "running" | "paused" | "ended" = "running";
  // Functions, so that a program can take its context apart.
  readonly join: ProcessContext<Event>["join"] = (options) => this.#join(options);
  readonly sleep: ProcessContext<Event>["sleep"] = (ms) => sleep(this.clock, ms);
  readonly rightTimeMs: () => number = () => this.clock.nowMs() - this.clock.wallOffsetMs;
  readonly record: (event: Event) => void = (event) => {
    if (this.alive) this.#options.record(this, event);
  };

  constructor(options: LifeOptions<Event>) {
    this.#options = options;
    this.name = options.name;
    this.life = options.life;
    this.mayOwn = options.mayOwn;
    this.host = options.name;
    this.clock = options.clock;
    this.random = options.random;
    this.history = options.history;
  }

  get alive(): boolean {
    return this.state !== "ended";
  }

  /** Ends in order, as at SIGTERM; or is killed meanwhile. */
  async leave(): Promise<void> {
    const closing = Promise.all(this.#networks.map((network) => network.close()));
    const left = closing.then(() => this.#options.machine.left(this));
    await Promise.race([left, this.#over.promise]);
    this.end();
  }

  /** Nothing that it does from now on has any effect. */
  end(): void {
    this.state = "ended";
    this.#over.resolve();
    this.clock.end();
    this.#options.machine.killed(this);
  }

  async #join(options: Pick<JoinOptions, "space" | "copy" | "drainMs"> = {}): Promise<Network> {
    const { clock, random, name } = this;
    const broker = await this.#options.machine.openBroker(this);
    const network = await join({
      ...options,
      broker,
      name,
      clock,
      random,
      drainOnSignals: false,
      onError: (error, where) => this.#options.onReported(this, error, where),
    });
    this.#networks.push(network);
    return network;
  }
}
