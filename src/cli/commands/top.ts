/** `colloquy top`: what goes on, live. */
import { Option } from "commander";
import { withAbort } from "../../runtime/abort.ts";
import { systemClock } from "../../runtime/clock.ts";
import { sleep } from "../../runtime/sleep.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { duration } from "../shell/values.ts";
import { columnsOf, isTerminal, jsonLine, rowsOf, type Terminal, writeLine } from "../terminal.ts";
import { linesOf } from "../top/lines.ts";
import { frameOf, look, type Sample, type TopFrame } from "../top/sample.ts";
import { Screen } from "../top/screen.ts";

interface Flags extends FabricFlags {
  readonly every: number;
  readonly once?: true;
}

const notes = `
/S is how many handlers ended in a second, between the last two looks; AVG and P99 are how long those
of the latest 10 to 20 seconds took, from start to end: of very busy agents a sample is measured, and
P99 is up to 10% too much. HANDLED and FAILED count since the agent came into being. Every process is
asked each time, and does nothing for it in between; one that does not answer is silent, and its
agents show "-". q or Ctrl-C ends it. Where standard output is no terminal, one table follows another.`;

export const addTop: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("top"))
    .summary("what goes on, live: agents, queues, rates, latencies")
    .description("Show agents and mailboxes live: who is how busy, how fast, how often it fails.")
    .addOption(
      new Option("--every <duration>", "from one look to the next")
        .argParser(duration)
        .default(1_000, "1s"),
    )
    .option("--once", "look twice, tell what happened in between, and end")
    .addHelpText(
      "after",
      examplesText(
        ["colloquy top", "colloquy top --every 5s", "colloquy top --once --json"],
        notes,
      ),
    )
    .action(async (flags: Flags) => {
      const live = flags.once !== true && flags.json !== true && isTerminal(terminal.out);
      const work = (visit: FabricVisit) =>
        live ? watch(visit, flags, terminal) : print(visit, flags, terminal);
      ended(await visitFabric(flags, terminal, work, { endless: flags.once !== true }));
    });
};

/** One frame after another. */
async function print(visit: FabricVisit, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const { net, signal } = visit;
  const size = { columns: columnsOf(terminal.out), rows: undefined };
  let before: Sample | undefined;
  for (;;) {
    const now = await withAbort(look(net, systemClock.nowMs(), patienceMs(flags), signal), signal);
    if (before !== undefined) {
      const frame = frameOf(now, before);
      const lines = flags.json ? [jsonLine(frame)] : linesOf(frame, size, undefined);
      for (const line of lines) await writeLine(terminal.out, line);
      if (flags.once) return exitCodes.done;
      if (!flags.json) await writeLine(terminal.out, "");
    }
    before = now;
    await sleep(systemClock, flags.every, signal);
  }
}

/** Draws until it is ended, also while nobody answers. */
async function watch(visit: FabricVisit, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const { net } = visit;
  const stop = new AbortController();
  const signal = AbortSignal.any([visit.signal, stop.signal]);
  let frame: TopFrame | undefined;
  let lookedMs = systemClock.monotonicMs();
  const draw = () => {
    const waitedMs = systemClock.monotonicMs() - lookedMs;
    const late = waitedMs > flags.every + lateMs;
    const note = late ? `no answer for ${Math.round(waitedMs / 1_000)} s` : undefined;
    const size = { columns: columnsOf(terminal.out), rows: rowsOf(terminal.out) };
    if (frame !== undefined) screen.draw(linesOf(frame, size, note), size.rows);
  };
  const screen = new Screen(terminal, (key) => isQuit(key) && stop.abort(), draw);
  const redrawing = redraw(draw, signal);
  try {
    for (let before: Sample | undefined; ; ) {
      const now = await withAbort(
        look(net, systemClock.nowMs(), patienceMs(flags), signal),
        signal,
      );
      lookedMs = systemClock.monotonicMs();
      frame = frameOf(now, before);
      draw();
      before = now;
      await sleep(systemClock, flags.every, signal);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return exitCodes.done;
  } finally {
    stop.abort();
    await redrawing;
    screen.close();
  }
}

/** How long a process may take to answer before it is silent. */
function patienceMs({ every }: Flags): number {
  return Math.min(every, 1_000);
}

/** Beyond the period, until it is said that nobody answers. */
const lateMs = 2_000;

async function redraw(draw: () => void, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await sleep(systemClock, lateMs, signal);
      draw();
    }
  } catch {
    // It was ended.
  }
}

function isQuit(key: string): boolean {
  return key === "q" || key === "Q" || key === "\u0003";
}
