/**
 * Agents that run programs of waits and calls, and a reference that sees all of them at once: what is
 * said to be deadlocked is looked up there, by the plain definition.
 */
import { type Broker, type ColloquyError, type Context, join, type Network } from "colloquy";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import type { Clock } from "../../src/runtime/clock.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "./properties.ts";

/** Milliseconds of work, or calls made at the same time, whose answers are all waited for. */
export type Program = readonly (number | readonly Call[])[];

interface Call {
  readonly agent: number;
  readonly program: Program;
  /** Milliseconds after which its caller gives it up. */
  readonly patienceMs?: number;
}

export interface World {
  readonly processes: number;
  readonly capacities: readonly number[];
  /** Longest time that a message between processes takes, milliseconds. */
  readonly latencyMs: number;
  readonly seed: number;
  readonly begun: readonly { readonly atMs: number; readonly call: Call }[];
}

function programArbitrary(depth: number): fc.Arbitrary<Program> {
  const work = fc.nat({ max: 300 });
  if (depth === 0) return fc.array(work, { maxLength: 1 });
  const calls = fc.array(callArbitrary(depth - 1), { minLength: 1, maxLength: 2 });
  return fc.array(fc.oneof(work, calls), { minLength: 1, maxLength: 2 });
}

function callArbitrary(depth: number): fc.Arbitrary<Call> {
  return fc.record(
    {
      agent: fc.nat({ max: 3 }),
      program: programArbitrary(depth),
      patienceMs: fc.integer({ min: 50, max: 600 }),
    },
    { requiredKeys: ["agent", "program"] },
  );
}

export const worldArbitrary: fc.Arbitrary<World> = fc.record({
  processes: fc.integer({ min: 1, max: 3 }),
  capacities: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 4, maxLength: 4 }),
  latencyMs: fc.constantFrom(0, 5, 40),
  seed: fc.nat(),
  begun: fc.array(fc.record({ atMs: fc.nat({ max: 200 }), call: callArbitrary(4) }), {
    minLength: 1,
    maxLength: 4,
  }),
});

/** A call as the reference sees it. */
interface Made {
  readonly agent: number;
  /** Once a handler has been started for it. */
  run: Running | undefined;
  ended: boolean;
  /** When it was last known to be in a deadlock. */
  stuckMs: number;
}

interface Running {
  readonly agent: number;
  /** Those it waits for; undefined while it works. */
  calls: readonly Made[] | undefined;
}

export interface Told {
  readonly code: string;
  /** By the definition: was it in a deadlock when it was refused? */
  readonly deadlocked: boolean;
}

/** Runs a world to its end; what callers were told of calls that failed. */
export async function runWorld(world: World): Promise<readonly Told[]> {
  const clock = new VirtualClock();
  const fabric = new WaitingAgents(world, clock);
  await fabric.open();
  await clock.until(fabric.run());
  // Handlers that were given up may go on for longer than anybody waits for an answer.
  await clock.advance(60_000);
  const told = [...fabric.told];
  await clock.until(fabric.close());
  return told;
}

class WaitingAgents {
  readonly told: Told[] = [];
  readonly #world: World;
  readonly #clock: VirtualClock;
  readonly #networks: Network[] = [];
  /** Calls under way, by the number that goes with each as its input. */
  readonly #made = new Map<number, Made>();
  readonly #running = new Set<Running>();
  #stuck = new Set<Made>();

  constructor(world: World, clock: VirtualClock) {
    this.#world = world;
    this.#clock = clock;
  }

  async open(): Promise<void> {
    const { processes, capacities, latencyMs, seed } = this.#world;
    const clock = this.#clock;
    const shared = openMemoryBroker({ clock });
    for (let index = 0; index < processes; index++) {
      const random = new SeededRandom(seed + index);
      const own = index === 0 ? shared : shared.connect();
      const broker = latencyMs === 0 ? own : slow(own, clock, () => random.uint32() % latencyMs);
      const joining = join({ broker, clock, random, copy: true, drainOnSignals: false });
      this.#networks.push(await clock.until(joining));
    }
    for (const [index, capacity] of capacities.entries()) {
      const network = this.#networks[index % processes] as Network;
      const agent = await clock.until(network.agent(`a${index}`, { capacity }));
      agent.handle("run", (input, context) => this.#handle(index, input as Input, context));
    }
    await clock.advance(1_000);
  }

  async run(): Promise<void> {
    const asker = await (this.#networks[0] as Network).agent("asker");
    await Promise.all(
      this.#world.begun.map(async ({ atMs, call }) => {
        await this.#wait(atMs);
        const [number] = this.#make(call);
        await this.#tell(
          number,
          asker.request(`agent:a${call.agent}`, "run", [number, call.program]),
        );
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#networks.map((network) => network.close()));
  }

  async #handle(agent: number, [number, program]: Input, context: Context): Promise<void> {
    const running: Running = { agent, calls: undefined };
    const made = this.#made.get(number) as Made;
    made.run = running;
    this.#running.add(running);
    this.#look();
    for (const step of program) {
      if (typeof step === "number") await this.#wait(step);
      else await this.#call(running, step, context);
    }
    this.#running.delete(running);
    made.ended = true;
    this.#look();
  }

  async #call(running: Running, calls: readonly Call[], context: Context): Promise<void> {
    const made = calls.map((call) => this.#make(call));
    running.calls = made.map(([, it]) => it);
    this.#look();
    await Promise.all(
      calls.map(({ agent, program, patienceMs }, index) => {
        const [number] = made[index] as readonly [number, Made];
        const input: Input = [number, program];
        const signal = this.#abortAfter(patienceMs);
        const asked = context.request(`agent:a${agent}`, "run", input, {
          reentrant: true,
          ...(signal === undefined ? {} : { signal }),
        });
        return this.#tell(number, asked);
      }),
    );
    running.calls = undefined;
    this.#look();
  }

  #make({ agent }: Call): readonly [number, Made] {
    const number = this.#made.size;
    const made: Made = { agent, run: undefined, ended: false, stuckMs: Number.NEGATIVE_INFINITY };
    this.#made.set(number, made);
    return [number, made];
  }

  async #tell(number: number, answer: Promise<unknown>): Promise<void> {
    const made = this.#made.get(number) as Made;
    try {
      await answer;
    } catch (error) {
      this.#look();
      // A refusal takes its time to arrive, and so did the answers it goes by.
      const sinceMs = this.#clock.monotonicMs() - 4 * this.#world.latencyMs;
      const { code } = error as ColloquyError;
      this.told.push({ code, deadlocked: made.stuckMs >= sinceMs });
    }
    made.ended = true;
    this.#look();
  }

  /** After each change: the greatest set of calls none of which can go on. */
  #look(): void {
    for (const it of this.#stuck) it.stuckMs = this.#clock.monotonicMs();
    const stuck = new Set([...this.#made.values()].filter(({ ended }) => !ended));
    const isStuck = ({ calls = [] }: Running) => {
      const open = calls.filter(({ ended }) => !ended);
      return open.length > 0 && open.every((it) => stuck.has(it));
    };
    for (let before = -1; before !== stuck.size; ) {
      before = stuck.size;
      for (const it of stuck) if (!this.#staysStuck(it, isStuck)) stuck.delete(it);
    }
    this.#stuck = stuck;
  }

  #staysStuck({ agent, run }: Made, isStuck: (run: Running) => boolean): boolean {
    if (run !== undefined) return isStuck(run);
    const holders = [...this.#running].filter((it) => it.agent === agent);
    return holders.length >= (this.#world.capacities[agent] ?? 0) && holders.every(isStuck);
  }

  #abortAfter(ms: number | undefined): AbortSignal | undefined {
    if (ms === undefined) return undefined;
    const controller = new AbortController();
    this.#clock.setTimer(ms, () => controller.abort());
    return controller.signal;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(ms, resolve));
  }
}

type Input = readonly [number: number, program: Program];

/** Publications take their time, in order. */
function slow(broker: Broker, clock: Clock, delayMs: () => number): Broker {
  let arrivesMs = 0;
  const { topics } = broker;
  return {
    ...broker,
    topics: {
      ...topics,
      publish: (publications) => {
        arrivesMs = Math.max(arrivesMs, clock.monotonicMs() + delayMs());
        clock.setTimer(arrivesMs - clock.monotonicMs(), () => topics.publish(publications));
      },
    },
  };
}
