/**
 * What can go wrong in a run, as data: drawn from a seed, done to a world, left out one by one when a
 * failing run is made smaller.
 *
 * Links between processes are streams: in one link nothing is lost, doubled or turned around. What can
 * happen is that it ends, for both sides at once ("cut") or for one of them first ("hang-up": what it
 * sent on the old link arrives behind what it sends on the next one), and that nothing gets through
 * for a while ("partition"), in one direction or both.
 */
import type { Random } from "../../runtime/random.ts";
import type { DiskFault, DiskStep } from "./disk.ts";
import type { World } from "./world.ts";

/** Times are virtual milliseconds from the beginning; `owner` is whoever runs the hub by then. */
export type Fault =
  | (At & { readonly kind: "kill"; readonly process: string; readonly backAfterMs: number })
  | (At & {
      readonly kind: "kill-in-commit";
      readonly step: DiskStep;
      readonly backAfterMs: number;
    })
  | (At & { readonly kind: "leave"; readonly process: string; readonly backAfterMs: number })
  | (At & { readonly kind: "power-cut"; readonly step?: DiskStep; readonly backAfterMs: number })
  | (At & { readonly kind: "pause"; readonly process: string; readonly forMs: number })
  | (At & { readonly kind: "cut" | "hang-up"; readonly process: string })
  | (At & {
      readonly kind: "partition";
      readonly process: string;
      readonly way: "to-hub" | "from-hub" | "both";
      readonly forMs: number;
    })
  | (At & {
      readonly kind: "wall-clock";
      readonly process: string;
      readonly offsetMs: number;
      readonly forMs: number;
    })
  | (At & { readonly kind: "disk"; readonly fault: DiskFault })
  | (At & { readonly kind: "disk"; readonly fault: "full"; readonly forMs: number });

interface At {
  readonly atMs: number;
}

export type FaultKind = Fault["kind"];

/** All but jumps of the wall clock, which only what has a time of day minds. */
export const everyFault: readonly FaultKind[] = [
  "kill",
  "kill-in-commit",
  "leave",
  "power-cut",
  "pause",
  "cut",
  "hang-up",
  "partition",
  "disk",
];

/** Stands for whoever runs the hub when the fault happens, or for every process. */
export const owner = "(owner)";
export const everyone = "(everyone)";

export interface FaultChoice {
  readonly kinds: readonly FaultKind[];
  /** Whom they befall, of those that befall somebody. */
  readonly targets: readonly string[];
  /** When they happen: at the latest so many milliseconds after the beginning. */
  readonly untilMs: number;
  readonly count: number;
  /** How far a wall clock jumps at most, milliseconds. Default: an hour. */
  readonly jumpMsMax?: number;
}

/** Longest pause there may be (F2), and furthest jump of a wall clock (F7), milliseconds. */
const pauseMsMax = 60_000;
export const wallClockMsMax = 3_600_000;
/**
 * Where messages are tried again: a retry that falls due by a clock that is wrong waits for as long as it
 * was, and a run has to come to its end.
 */
export const shortJumpMs = 30_000;

export function drawFaults(random: Random, choice: FaultChoice): readonly Fault[] {
  const faults = Array.from({ length: choice.count }, () => drawFault(random, choice));
  return faults.toSorted((a, b) => a.atMs - b.atMs);
}

function drawFault(random: Random, choice: FaultChoice): Fault {
  const { kinds, targets, untilMs, jumpMsMax = wallClockMsMax } = choice;
  const kind = pick(random, kinds);
  const atMs = Math.round(random.float() * untilMs);
  const process = pick(random, targets);
  const backAfterMs = Math.round(random.float() ** 3 * 1_500);
  switch (kind) {
    case "kill":
    case "leave":
      return { kind, atMs, process, backAfterMs };
    case "kill-in-commit":
      return { kind, atMs, step: pick(random, steps), backAfterMs };
    case "power-cut":
      return random.uint32() % 2 === 0
        ? { kind, atMs, backAfterMs }
        : { kind, atMs, step: pick(random, steps), backAfterMs };
    case "pause":
      return { kind, atMs, process, forMs: Math.round(random.float() ** 6 * pauseMsMax) + 1 };
    case "cut":
    case "hang-up":
      return { kind, atMs, process };
    case "partition": {
      const way = pick(random, ["to-hub", "from-hub", "both"] as const);
      return { kind, atMs, process, way, forMs: Math.round(random.float() ** 4 * 8_000) + 1 };
    }
    case "wall-clock": {
      const who = pick(random, [everyone, process]);
      const offsetMs = Math.round((2 * random.float() - 1) ** 3 * jumpMsMax);
      const forMs = Math.round(random.float() ** 3 * 3_000) + 1;
      return { kind, atMs, process: who, offsetMs, forMs };
    }
    case "disk": {
      const fault = pick(random, ["full", "write-error", "flush-error"] as const);
      const forMs = 1 + Math.round(random.float() ** 2 * 400);
      return fault === "full" ? { kind, atMs, fault, forMs } : { kind, atMs, fault };
    }
  }
}

const steps: readonly DiskStep[] = ["before-write", "written", "flushed"];

/** Does it when its time comes. @returns resolves when it is over and what it ended runs again. */
export async function inflict<Event>(world: World<Event>, fault: Fault): Promise<void> {
  await passed(world, fault.atMs - world.clock.monotonicMs());
  world.note(describeFault(fault));
  await play(world, fault);
  world.note(`over: ${fault.kind}`);
}

async function play<Event>(world: World<Event>, fault: Fault): Promise<void> {
  const process = "process" in fault ? nameOf(world, fault.process) : undefined;
  switch (fault.kind) {
    case "kill":
      if (process === undefined) return;
      world.kill(process);
      await startAgain(world, [process], fault.backAfterMs);
      break;
    case "leave":
      if (process === undefined) return;
      await world.leave(process);
      await startAgain(world, [process], fault.backAfterMs);
      break;
    case "kill-in-commit":
      world.onNextCommit(fault.step, () => {
        const dying = world.owner;
        if (dying === undefined) return;
        world.kill(dying);
        void startAgain(world, [dying], fault.backAfterMs);
      });
      break;
    case "power-cut":
      await cutPower(world, fault);
      break;
    case "pause":
      if (process === undefined) return;
      world.pause(process);
      await passed(world, fault.forMs);
      world.resume(process);
      break;
    case "cut":
      if (process !== undefined) world.network.cut(hostOf(world, process));
      break;
    case "hang-up":
      if (process !== undefined) world.network.breakEnds(hostOf(world, process));
      break;
    case "partition":
      if (process !== undefined) await part(world, process, fault.way, fault.forMs);
      break;
    case "wall-clock": {
      const names = fault.process === everyone ? world.names : [process ?? everyone];
      for (const name of names) world.setWallClock(name, fault.offsetMs);
      world.note("the clock has jumped");
      await passed(world, fault.forMs);
      for (const name of names) world.setWallClock(name, 0);
      break;
    }
    case "disk":
      if (fault.fault !== "full") world.disk.fault = fault.fault;
      else {
        world.disk.full = true;
        await passed(world, fault.forMs);
        world.disk.full = false;
      }
      break;
  }
}

/** One line, for people. */
export function describeFault({ kind, atMs, ...rest }: Fault): string {
  const more = Object.entries(rest).map(([name, value]) => `${name} ${value}`);
  return [`at ${atMs} ms: ${kind}`, ...more].join(", ");
}

async function cutPower<Event>(
  world: World<Event>,
  { step, backAfterMs }: Extract<Fault, { kind: "power-cut" }>,
): Promise<void> {
  const cut = (): Promise<void> => {
    const names = world.names.filter((name) => world.isAlive(name));
    world.powerCut();
    return startAgain(world, names, backAfterMs);
  };
  if (step === undefined) await cut();
  else world.onNextCommit(step, () => void cut());
}

/** In the order of the programs, a little apart. */
async function startAgain<Event>(
  world: World<Event>,
  names: readonly string[],
  afterMs: number,
): Promise<void> {
  const starting = world.comesBack(names);
  await passed(world, afterMs);
  for (const name of names) {
    world.start(name);
    await passed(world, 1);
  }
  starting();
}

async function part<Event>(
  world: World<Event>,
  process: string,
  way: Extract<Fault, { kind: "partition" }>["way"],
  forMs: number,
): Promise<void> {
  const hub = world.hubHost;
  if (hub === undefined) return;
  const others =
    process === world.owner ? world.names.filter((name) => name !== process) : [process];
  const pairs = others.flatMap((other): [string, string][] => [
    ...(way === "from-hub" ? [] : [[other, hub] as [string, string]]),
    ...(way === "to-hub" ? [] : [[hub, other] as [string, string]]),
  ]);
  for (const [from, to] of pairs) world.network.block(from, to);
  await passed(world, forMs);
  for (const [from, to] of pairs) world.network.unblock(from, to);
}

function nameOf<Event>(world: World<Event>, process: string): string | undefined {
  return process === owner ? world.owner : process;
}

/** For links: those of the hub where the owner is meant. */
function hostOf<Event>(world: World<Event>, process: string): string {
  return process === world.owner ? (world.hubHost ?? process) : process;
}

function passed<Event>(world: World<Event>, ms: number): Promise<void> {
  return new Promise((resolve) => world.clock.setTimer(Math.max(0, ms), resolve));
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.uint32() % items.length] as Item;
}
