/**
 * What slow subscribers cost the quick ones: the same stream of messages, published at the same pace,
 * with none of them and with many of them in turn, on one hub that keeps running.
 */
import { openFabric } from "../growth/directory-of-processes.ts";
import { spread } from "../harness/statistics.ts";
import type { Table } from "../report/report.ts";
import type { Heard, PublisherOrder, SlowOne, SlowOrder } from "./orders.ts";

export interface SlowSubscribersOptions {
  readonly rounds: number;
  /** Of each half of a round, milliseconds. */
  readonly durationMs: number;
  readonly progress: (text: string) => void;
}

export const title = "Slow subscribers beside quick ones";

const slowCount = 100;
const quickCount = 2;
const perSecond = 1_000;
const warmUpMs = 3_000;
/** More than waits for a slow one at its hub, in its socket and in its own process together. */
const fillBytes = 7 * 2 ** 20;
/** The 99th percentile may rise by less than that. */
const ratioMax = 1.2;

export const operation: string =
  `One process publishes ${perSecond} messages a second, ${quickCount} processes hear them. Latency is from ` +
  `before a message is published until it was decoded in the other process. With ${slowCount} more ` +
  "subscribers, a connection each, that read at most 64 KiB a second: less than a sixth of what is published. " +
  "Before a measurement begins as much waits for each of them as may, 4 MiB.";

interface Half {
  readonly p50: number;
  readonly p99: number;
}

interface Round {
  readonly alone: Half;
  readonly beside: Half;
  readonly slow: readonly SlowOne[];
  /** While the slow ones were there. */
  readonly published: number;
}

/** @throws Error when a quick one has lost a message, or a slow one was not told of one that it lost. */
export async function measureSlowSubscribers(
  options: SlowSubscribersOptions,
): Promise<{ readonly tables: readonly Table[]; readonly met: boolean }> {
  const fabric = await openFabric();
  try {
    const start = (name: string, ...args: string[]) =>
      fabric.start(new URL(`./${name}.ts`, import.meta.url), ...args);
    const quick = await Promise.all(
      Array.from({ length: quickCount }, (_, index) => start("quick", `quick-${index}`)),
    );
    const slow = await start("slow");
    const publisher = await start("publisher");
    const publish = async (order: PublisherOrder) => Number(await publisher.ask(order));
    const measure = async (forMs: number): Promise<Half> => {
      await publish({ kind: "publish", forMs, perSecond });
      const expected = Math.round((forMs * perSecond) / 1_000);
      const heard = (await Promise.all(quick.map((process) => process.ask(expected)))) as Heard[];
      for (const { count, dropped } of heard) {
        if (count !== expected || dropped > 0)
          throw new Error(`a quick one heard ${count} of ${expected}`);
      }
      return {
        p50: mean(heard.map(({ p50Microseconds }) => p50Microseconds)),
        p99: mean(heard.map(({ p99Microseconds }) => p99Microseconds)),
      };
    };
    const besideSlow = async (): Promise<Omit<Round, "alone">> => {
      const connect: SlowOrder = { kind: "connect", count: slowCount };
      await slow.ask(connect);
      const before = await publish({ kind: "fill", bytes: 0 });
      await publish({ kind: "fill", bytes: fillBytes });
      await settle();
      const beside = await measure(options.durationMs);
      const published = (await publish({ kind: "fill", bytes: 0 })) - before;
      const finish: SlowOrder = { kind: "finish", published };
      const fared = (await slow.ask(finish)) as SlowOne[];
      for (const { heard, dropped } of fared) {
        if (heard + dropped === published && dropped > 0) continue;
        throw new Error(`a slow one heard ${heard} and was told of ${dropped}, of ${published}`);
      }
      return { beside, slow: fared, published };
    };

    await measure(warmUpMs);
    await besideSlow();
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      options.progress(`${title}, round ${round} of ${options.rounds}`);
      if (round % 2 === 1) {
        const alone = await measure(options.durationMs);
        rounds.push({ alone, ...(await besideSlow()) });
      } else {
        const beside = await besideSlow();
        await settle();
        rounds.push({ alone: await measure(options.durationMs), ...beside });
      }
    }
    return report(rounds, await fabric.memoryMiB());
  } finally {
    await fabric.close();
  }
}

function report(rounds: readonly Round[], memoryMiB: number) {
  const row = (name: string, of: (half: Half) => number): readonly string[] => {
    const ratios = spread(rounds.map(({ alone, beside }) => of(beside) / of(alone)));
    return [
      name,
      spread(rounds.map(({ alone }) => of(alone))).median.toFixed(0),
      spread(rounds.map(({ beside }) => of(beside))).median.toFixed(0),
      ratios.median.toFixed(2),
      ratios.minimum.toFixed(2),
      ratios.maximum.toFixed(2),
    ];
  };
  const ratio = spread(rounds.map(({ alone, beside }) => beside.p99 / alone.p99)).median;
  const met = ratio < ratioMax;
  const latencies: Table = {
    title: "Latency of the quick ones, µs",
    columns: ["", "without", `with ${slowCount} slow`, "ratio", "from", "to"],
    rows: [
      row("p50", ({ p50 }) => p50),
      row("p99", ({ p99 }) => p99),
      [`target: p99 below ${ratioMax} times`, "", "", met ? "met" : "missed", "", ""],
    ],
  };
  const dropped = rounds.flatMap(({ slow }) => slow.map((one) => one.dropped));
  const told = spread(dropped);
  const losses: Table = {
    title: "What the slow ones lost, and were told",
    columns: ["", ""],
    rows: [
      ["slow subscribers, each told how many it has lost", String(slowCount)],
      [
        "published while they were there, in the middle round",
        middle(rounds.map((it) => it.published)),
      ],
      [
        "of these dropped, by subscriber: fewest, median, most",
        `${told.minimum}, ${told.median}, ${told.maximum}`,
      ],
      [
        "heard and told dropped together: all that was published",
        `${dropped.length} of ${dropped.length}`,
      ],
      ["dropped for a quick one", "0"],
      ["memory of the process of the hub at the end, MiB", memoryMiB.toFixed(0)],
    ],
  };
  return { tables: [latencies, losses], met };
}

/** What was published has arrived, and what it left behind is tidied up. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 500));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function middle(values: readonly number[]): string {
  return spread(values).median.toFixed(0);
}
