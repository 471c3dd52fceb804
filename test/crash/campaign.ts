/**
 * A crash campaign: senders and workers share a directory while a seed decides who is killed, where,
 * and who is stopped for a while. In the end everything that was promised is held against what happened.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { join, type Network } from "colloquy";
import { defaultHubLimits } from "../../src/hub/limits.ts";
import type { ProbePoint } from "../../src/hub/probe.ts";
import { SeededRandom } from "../../src/runtime/random.ts";
import { type Audit, audit } from "./audit.ts";
import { Fleet, type Member } from "./fleet.ts";
import { type LongStopOptions, LongStops, type LongStopTally } from "./long-stops.ts";

export interface CampaignOptions {
  readonly seed: number;
  /** Processes killed, 1 or more. */
  readonly kills: number;
  /** Messages between two kills, on average. */
  readonly messagesPerKill: number;
  /** Messages in all, at least: where the kills came sooner, the rest is sent after them. Default: 0. */
  readonly messagesMin?: number;
  /** One in so many events stops a process instead of killing it; 0 for none. */
  readonly pauseEvery: number;
  /** Longest pause, milliseconds. */
  readonly pauseMsMax: number;
  /** Stops that outlast the silence a hub allows, spread over the kills. Default: none. */
  readonly longStops?: number;
  /** That silence, milliseconds. Default: 30,000, as it is for everybody. */
  readonly silenceMs?: number;
  /** Where the store lies. Default: a temporary directory of its own. */
  readonly directory?: string;
  /** A library that makes flushes fail, preloaded into one process of three. */
  readonly failingFlushes?: string;
  readonly progress?: (tally: Tally) => void;
}

/** What was done, so far. */
export interface Tally {
  readonly kills: Record<"owner" | "sender" | "worker" | ProbePoint, number>;
  pauses: number;
  pausedMs: number;
  readonly longStops: LongStopTally;
  decided: number;
}

export interface CampaignResult {
  readonly tally: Tally;
  readonly acknowledged: number;
  readonly rejected: number;
  readonly effects: number;
  readonly dead: number;
  readonly audit: Audit;
}

const points: readonly ProbePoint[] = [
  "enqueued",
  "acknowledged",
  "settled",
  "opened",
  "listening",
];
/** Of every four processes, so that there is always somebody to take over. */
const crew = ["sender", "worker", "worker", "sender"] as const;
const sendsInFlight = 16;

export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const root = mkdtempSync(joinPath(tmpdir(), "colloquy-crash-"));
  const directory = options.directory ?? joinPath(root, "data");
  const random = new SeededRandom(options.seed);
  const { silenceMs = defaultHubLimits.silenceMsMax } = options;
  const fleet = new Fleet({
    directory,
    root,
    inFlight: sendsInFlight,
    silenceMs,
    environment: () => failures(options, random),
  });
  try {
    await declare(directory);
    await Promise.all(crew.map((role) => fleet.start(role).ready()));
    const longStops = { count: options.longStops ?? 0, silenceMs };
    const tally = await strike(fleet, { ...options, longStops }, random);
    return await reckon(fleet, directory, tally);
  } finally {
    await fleet.end();
    rmSync(root, { recursive: true, force: true });
  }
}

/** The mailbox outlives whoever works it. */
async function declare(directory: string): Promise<void> {
  const net = await join(`embedded:${directory}`, { drainOnSignals: false });
  await net.mailboxes.declare("type:worker");
  await net.close();
}

async function strike(
  fleet: Fleet,
  options: Omit<CampaignOptions, "longStops"> & { readonly longStops: LongStopOptions },
  random: SeededRandom,
): Promise<Tally> {
  const tally = emptyTally();
  const killed = () => Object.values(tally.kills).reduce((sum, count) => sum + count, 0);
  const longStops = new LongStops(fleet, random, options.longStops, tally.longStops);
  for (let event = 1; killed() < options.kills; event++) {
    await decided(fleet, tally.decided + options.messagesPerKill * (0.5 + random.float()));
    await longStops.beginThoseDue(killed() / options.kills);
    if (options.pauseEvery > 0 && event % options.pauseEvery === 0) {
      await pause(fleet, tally, random.float() * options.pauseMsMax, random);
    } else await kill(fleet, tally, random);
    await fleet.replaceTheDead();
    tally.decided = fleet.decided;
    options.progress?.(tally);
  }
  await longStops.rest();
  await decided(fleet, options.messagesMin ?? 0);
  return tally;
}

function emptyTally(): Tally {
  const atPoints = { enqueued: 0, acknowledged: 0, settled: 0, opened: 0, listening: 0 };
  const kills = { owner: 0, sender: 0, worker: 0, ...atPoints };
  const longStops = { owner: 0, sender: 0, worker: 0, stoppedMs: 0 };
  return { kills, pauses: 0, pausedMs: 0, longStops, decided: 0 };
}

/** Owners most, because takeovers are what most of this is about; half of them where it hurts. */
async function kill(fleet: Fleet, tally: Tally, random: SeededRandom): Promise<void> {
  const choice = random.uint32() % 8;
  if (choice < 2) return killOne(fleet, tally, choice === 0 ? "sender" : "worker", random);
  const { owner } = fleet;
  if (owner === undefined || owner.stopped) return;
  if (choice < 5) {
    await owner.kill();
    tally.kills.owner++;
    return;
  }
  const point = points[random.uint32() % points.length] as ProbePoint;
  fleet.decree(point);
  const { members } = fleet;
  if (point === "opened" || point === "listening") {
    await owner.kill();
    tally.kills.owner++;
    await Promise.race(members.filter((member) => member !== owner).map((it) => it.gone()));
  } else await Promise.race(members.map((member) => member.gone()));
  tally.kills[point]++;
}

async function killOne(
  fleet: Fleet,
  tally: Tally,
  role: "sender" | "worker",
  random: SeededRandom,
): Promise<void> {
  const candidates = fleet.members.filter((member) => member.role === role && !member.stopped);
  await (candidates[random.uint32() % candidates.length] as Member).kill();
  tally.kills[role]++;
}

/** The owner every other time. */
async function pause(
  fleet: Fleet,
  tally: Tally,
  forMs: number,
  random: SeededRandom,
): Promise<void> {
  const { members, owner } = fleet;
  const any = members[random.uint32() % members.length] as Member;
  const stopped = tally.pauses % 2 === 0 ? (owner ?? any) : any;
  // Who is stopped for long already is not let go on early.
  if (stopped.stopped) return;
  await stopped.stopFor(forMs);
  tally.pauses++;
  tally.pausedMs += forMs;
}

/** Sends stop, everything is handled, and the books are kept. */
async function reckon(fleet: Fleet, directory: string, tally: Tally): Promise<CampaignResult> {
  await stopAll(fleet, "sender");
  const net = await join(`embedded:${directory}`, { drainOnSignals: false });
  try {
    await drained(net);
    await stopAll(fleet, "worker");
    const effects: string[] = [];
    for await (const { value } of net.log.read("ledger")) effects.push(value as string);
    const dead: string[] = [];
    for await (const { message } of net.dead.list()) dead.push(message?.id ?? "unreadable-0");
    const acknowledged = fleet.journaled("acknowledged");
    const rejected = fleet.journaled("rejected");
    const started = fleet.journaled("started");
    return {
      tally,
      acknowledged: acknowledged.length,
      rejected: rejected.length,
      effects: effects.length,
      dead: dead.length,
      audit: audit({ acknowledged, rejected, started, effects, dead }),
    };
  } finally {
    await net.close();
  }
}

async function stopAll(fleet: Fleet, role: "sender" | "worker"): Promise<void> {
  await Promise.all(fleet.members.filter((it) => it.role === role).map((it) => it.stop()));
}

async function drained(net: Network): Promise<void> {
  for (;;) {
    const mailboxes = await net.mailboxes.list();
    if (mailboxes.find(({ address }) => address === "type:worker")?.waiting === 0) return;
    await sleep(20);
  }
}

async function decided(fleet: Fleet, count: number): Promise<void> {
  while (fleet.decided < count) await sleep(5);
}

function failures(options: CampaignOptions, random: SeededRandom): NodeJS.ProcessEnv {
  const { failingFlushes } = options;
  if (failingFlushes === undefined || random.uint32() % 3 > 0) return {};
  return { LD_PRELOAD: failingFlushes, DISK_FAULT: `fsync ${10 + (random.uint32() % 500)} EIO` };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
