/** One run of the desk, once every process is there: what happens in it, and what is left of it. */
import { setTimeout as pause } from "node:timers/promises";
import type { Network } from "colloquy";
import { entriesSince } from "../history.ts";
import { type Figures, type Fill, Ledger, Market, type Statement, Trading } from "../protocol.ts";
import { strategies } from "../rules/strategies.ts";
import { type Disaster, strike } from "./disaster.ts";
import { Observer } from "./observer.ts";
import type { Stage } from "./stage.ts";

export interface Run {
  /** One for each strategy. */
  readonly figures: readonly Figures[];
  readonly disaster: Disaster;
  /** From SIGKILL until another worker began with the killed one's order; undefined where it had just been done. */
  readonly handedOnMs: number | undefined;
  /** Heard live. */
  readonly ticks: number;
  /** How often a handler was started, by command and order. */
  readonly starts: ReadonlyMap<string, number>;
  /** Every entry of the ledger's log. */
  readonly booked: readonly Fill[];
  readonly statement: Statement;
  /** What was given up, if anything. */
  readonly deadLetters: readonly string[];
}

type Remains = Pick<Run, "statement" | "booked" | "deadLetters">;

export interface RunOptions {
  readonly days: number;
  /** From one trading day to the next, milliseconds. */
  readonly paceMs: number;
}

export async function runDesk(stage: Stage, options: RunOptions): Promise<Run> {
  const observer = new Observer(stage.agent, stage.terminal, stage.onNews);
  await observer.start();
  try {
    const traded = await trade(stage, observer, options);
    await mailboxesEmpty(stage);
    const { starts, ticks } = observer;
    const handedOnMs = handedOn(observer, traded.disaster);
    return { ...traded, handedOnMs, ...(await remains(stage)), starts, ticks };
  } finally {
    observer.stop();
  }
}

function handedOn(observer: Observer, { orderId, struckMs }: Disaster): number | undefined {
  const begunMs = observer.lastExecutionMs(orderId) ?? struckMs;
  return begunMs > struckMs ? begunMs - struckMs : undefined;
}

/** Resolves when the last day is over, every order is settled, and those killed are replaced. */
async function trade(
  stage: Stage,
  observer: Observer,
  { days, paceMs }: RunOptions,
): Promise<Pick<Run, "figures" | "disaster">> {
  const { agent, signal } = stage;
  const traded = strategies.map(({ name }) =>
    agent.request(`agent:${name}`, Trading.trade, { lastDay: days }, { signal }),
  );
  const closed = agent.request("agent:feed", Market.open, { days, paceMs }, { signal });
  const struck = observer.halfway(signal).then((begun) => strike(stage, begun));
  const [disaster, figures] = await Promise.all([struck, Promise.all(traded), closed]);
  return { disaster, figures };
}

/** What can be asked and read when everything is over. */
async function remains({ net, agent, signal }: Stage): Promise<Remains> {
  return {
    statement: await agent.request("agent:ledger", Ledger.statement, undefined, { signal }),
    booked: await readLedger(net),
    deadLetters: await readDeadLetters(net),
  };
}

/** A settled order has sent its fill, which may still wait for the ledger. */
async function mailboxesEmpty({ net, signal }: Stage): Promise<void> {
  for (;;) {
    const mailboxes = await net.mailboxes.list();
    if (mailboxes.every(({ waiting }) => waiting === 0)) return;
    await pause(20, undefined, { signal });
  }
}

async function readLedger(net: Network): Promise<readonly Fill[]> {
  const fills: Fill[] = [];
  for await (const { fill } of entriesSince(net, 1)) fills.push(fill);
  return fills;
}

async function readDeadLetters(net: Network): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { address, error } of net.dead.list())
    found.push(`${address}: ${error.message}`);
  return found;
}
