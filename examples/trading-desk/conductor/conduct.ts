/** Sets the stage, lets the desk run, judges what it did, and clears everything away. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { join } from "colloquy";
import { readMarket } from "../rules/market.ts";
import { ledger, others } from "./cast.ts";
import { allPassed, checksOf } from "./checks.ts";
import { keepRunning } from "./keep.ts";
import { type Place, placeOf } from "./place.ts";
import { Processes } from "./processes.ts";
import { report, verdict } from "./report.ts";
import { runDesk } from "./run.ts";
import { bold, count, red, type Terminal } from "./terminal.ts";

export interface ConductOptions {
  readonly days: number;
  /** The URL of a server to meet at. Default: a directory of the desk's own. */
  readonly broker?: string;
  /** Leaves the desk running until Ctrl-C. */
  readonly keep: boolean;
}

/** From one trading day to the next: twenty years in twenty seconds. */
const paceMs = 4;
/** A desk where nothing happens for so long has failed. */
const standstillMsMax = 60_000;

/** Ctrl-C. */
const interrupted = new Error("interrupted");

/** @returns whether everything came out as it should. */
export async function conduct(options: ConductOptions, terminal: Terminal): Promise<boolean> {
  const directory = await mkdtemp(path(tmpdir(), "colloquy-trading-desk-"));
  const ending = new AbortController();
  const end = (why: string) => ending.abort(new Error(why));
  const interrupt = () => ending.abort(interrupted);
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const place = placeOf(directory, options.broker);
  const processes = new Processes(place, directory, (name) => end(`${name} ended by itself`));
  try {
    return await perform(place, processes, options, terminal, ending);
  } catch (error) {
    const reason: unknown = ending.signal.aborted ? ending.signal.reason : error;
    terminal.progress("");
    terminal.say(red(bold(`FAILED: ${reason instanceof Error ? reason.message : reason}`)));
    return false;
  } finally {
    await processes.endAll();
    await rm(directory, { recursive: true, force: true });
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

async function perform(
  place: Place,
  processes: Processes,
  { days, keep }: ConductOptions,
  terminal: Terminal,
  ending: AbortController,
): Promise<boolean> {
  const { signal } = ending;
  const standstill = setTimeout(
    () => ending.abort(new Error(`nothing happened for ${standstillMsMax} ms`)),
    standstillMsMax,
  ).unref();
  const onNews = () => standstill.refresh();
  const startedMs = performance.now();
  const bars = readMarket().slice(0, days);
  const title = `${count(days)} days of the S&P 500, traded in ${others.length + 2} processes`;
  terminal.say(bold(title));
  const { url, space, isOwned } = place;
  const meet = () => join(url, { space, name: "conductor", drainOnSignals: false, signal });
  // A server that cannot be used is told of once, before nine processes would tell it.
  if (!isOwned) await (await meet()).close();
  await processes.start(ledger, signal);
  await Promise.all(others.map((role) => processes.start(role, signal)));
  const net = await meet();
  try {
    const agent = await net.agent("conductor", { type: "conductor" });
    const stage = { net, agent, place, processes, terminal, onNews, signal };
    const run = await runDesk(stage, { days, paceMs });
    clearTimeout(standstill);
    const checks = checksOf(run, bars);
    terminal.say(report(run, bars, checks));
    terminal.say(verdict(run, checks, performance.now() - startedMs));
    if (keep) {
      await keepRunning(stage, bars);
      if (signal.reason !== interrupted) throw signal.reason;
    }
    return allPassed(checks);
  } finally {
    clearTimeout(standstill);
    await processes.endAll();
    await net.close();
  }
}
