/**
 * The seeds of every run carry what each promise asks for. A seed says which scenario it is, how many
 * messages and which faults: so this is known without running any of them.
 */
import { expect, test } from "vitest";
import { planOf } from "../../../src/testing/simulator/plan.ts";

/** What the default number of seeds draws; those of `npm test`. */
const seeds = 10_000;

interface Tally {
  runs: number;
  messages: number;
  kills: number;
  diskFaults: number;
  clockJumps: number;
}

const tallies = new Map<string, Tally>();
for (let seed = 0; seed < seeds; seed++) {
  const { scenario, messages, faults } = planOf(seed);
  const tally = tallies.get(scenario.name) ?? emptyTally();
  tallies.set(scenario.name, tally);
  tally.runs++;
  tally.messages += messages;
  for (const { kind } of faults) {
    if (kind === "kill" || kind === "kill-in-commit" || kind === "power-cut") tally.kills++;
    if (kind === "disk") tally.diskFaults++;
    if (kind === "wall-clock") tally.clockJumps++;
  }
}

function emptyTally(): Tally {
  return { runs: 0, messages: 0, kills: 0, diskFaults: 0, clockJumps: 0 };
}

function sum(...names: readonly string[]): Tally {
  const total = emptyTally();
  for (const name of names) {
    const tally = tallies.get(name);
    if (tally === undefined) throw new Error(`no seed plays ${name}`);
    for (const field of Object.keys(total) as (keyof Tally)[]) total[field] += tally[field];
  }
  return total;
}

test("G1: at least 2,000 seeds and 30 kills with messages sent at most once", () => {
  const { runs, kills } = sum("at-most-once", "takeover", "mailbox-churn");
  expect(runs).toBeGreaterThanOrEqual(2_000);
  expect(kills).toBeGreaterThanOrEqual(30);
});

test("G2: at least 5,000 seeds, 30 kills and 100 disk errors under its checker", () => {
  const { runs, kills, diskFaults } = sum(
    "at-least-once",
    "at-most-once",
    "exactly-once",
    "key-order",
    "expiry",
    "schedule",
    "dead-letters",
    "takeover",
    "long-turns",
    "withdrawals",
  );
  expect(runs).toBeGreaterThanOrEqual(5_000);
  expect(kills).toBeGreaterThanOrEqual(30);
  expect(diskFaults).toBeGreaterThanOrEqual(100);
});

test("G6: at least 20,000 messages with a time to live, and clocks that jump", () => {
  const { messages, clockJumps } = sum("expiry");
  // Three in four have one.
  expect(messages * 0.7).toBeGreaterThanOrEqual(20_000);
  expect(clockJumps).toBeGreaterThanOrEqual(100);
});

test("G7: at least 20,000 timers and 10 kills", () => {
  const { messages, kills } = sum("schedule");
  expect(messages).toBeGreaterThanOrEqual(20_000);
  expect(kills).toBeGreaterThanOrEqual(10);
});

test("G8: at least 2,000 poisoned messages and 20 kills, with room for six dead letters", () => {
  const { messages, kills } = sum("dead-letters");
  // One in four is poisoned.
  expect(messages * 0.2).toBeGreaterThanOrEqual(2_000);
  expect(kills).toBeGreaterThanOrEqual(20);
});
