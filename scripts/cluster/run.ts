/** Kills leaders under load, one after the other, and keeps the accounts. */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsCluster } from "./cluster.ts";
import type { Account, Load } from "./load.ts";

export interface Kill {
  readonly stream: string;
  readonly leader: string;
  /** The longest time without an acknowledgement from the kill until it worked again, by what was acknowledged; milliseconds. */
  readonly gapsMs: Readonly<Record<string, number>>;
}

export interface ClusterRun {
  readonly kills: readonly Kill[];
  readonly accounts: Readonly<Record<string, Account>>;
}

export interface RunOptions {
  readonly kills: number;
  readonly calmMs: number;
  /** Their leaders are killed in turn. */
  readonly streams: readonly string[];
  readonly say: (text: string) => void;
}

/** So many acknowledgements of each kind after a kill: it works again. */
const stepsAfterKill = 100;
const aliveMs = 120_000;
const pollMs = 20;

/** @throws Error when a kind of work does not go on. */
export async function runKills(
  cluster: NatsCluster,
  loads: readonly Load[],
  options: RunOptions,
): Promise<ClusterRun> {
  const { streams, calmMs, say } = options;
  const kills: Kill[] = [];
  const progress = Object.entries(
    Object.assign({}, ...loads.map((load) => load.progress)) as Load["progress"],
  );
  const worked = async (fromMs: number): Promise<Readonly<Record<string, number>>> => {
    const goals = progress.map(([, { count }]) => count + stepsAfterKill);
    const deadline = performance.now() + aliveMs;
    while (progress.some(([, { count }], index) => count < (goals[index] as number))) {
      if (performance.now() > deadline) throw new Error("the work does not go on");
      await sleep(pollMs);
    }
    return Object.fromEntries(progress.map(([name, each]) => [name, each.longestGapSince(fromMs)]));
  };

  await worked(performance.now());
  for (let index = 0; index < options.kills; index++) {
    for (const each of streams) await cluster.whole(each);
    await sleep(calmMs);
    const stream = streams[index % streams.length] as string;
    const leader = await cluster.whole(stream);
    const killedMs = performance.now();
    await cluster.kill(leader);
    const gapsMs = await worked(killedMs);
    await cluster.restart(leader);
    kills.push({ stream, leader, gapsMs });
    const gaps = Object.entries(gapsMs).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`);
    say(`${kills.length}: ${leader}, leader of ${stream}; without progress: ${gaps.join(", ")}`);
  }
  for (const each of streams) await cluster.whole(each);
  const accounts: [string, Account][] = [];
  for (const load of loads) accounts.push([load.name, await load.finish()]);
  return { kills, accounts: Object.fromEntries(accounts) };
}
