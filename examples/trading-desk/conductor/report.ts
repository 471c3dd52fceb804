/** What the run has to say for itself. */
import type { Bar, Statement } from "../protocol.ts";
import { profitCents } from "../rules/accounts.ts";
import type { Check } from "../rules/reconcile.ts";
import { quantile } from "../rules/statistics.ts";
import { ledger } from "./cast.ts";
import { allPassed } from "./checks.ts";
import type { Run } from "./run.ts";
import { bold, count, dollars, green, milliseconds, red, table } from "./terminal.ts";

/** Of a long list so many are named. */
const namedMax = 3;

export function report(run: Run, bars: readonly Bar[], checks: readonly Check[]): string {
  const { date = "", closeCents = Number.NaN } = bars.at(-1) ?? {};
  const sections = [
    ["Messages", messages(run)],
    ["Latency in milliseconds", latencies(run)],
    [`Positions and profit at the close of ${date}`, positions(run.statement, closeCents)],
    ["Killed on purpose, half-way", killed(run)],
    ["Reconciliation with a replay in a single process", checks.map(checkLine).join("\n")],
  ];
  return sections.map(([title = "", text]) => `\n${bold(title)}\n${text}`).join("\n");
}

export function verdict(run: Run, checks: readonly Check[], elapsedMs: number): string {
  const seconds = (elapsedMs / 1_000).toFixed(1);
  if (!allPassed(checks)) return red(bold(`\nFAILED after ${seconds} s: see the reconciliation.`));
  const orders = count(run.booked.length);
  return green(bold(`\nPASSED in ${seconds} s: ${orders} orders, each booked exactly once.`));
}

function messages({ figures, booked, starts, ticks }: Run): string {
  const days = sum(figures.map((each) => each.days));
  const questions = sum(figures.map(({ assessMs }) => assessMs.length));
  const orders = sum(figures.map(({ settleMs }) => settleMs.length));
  return table([
    ["log", "market.ticks", count(days), "read by the strategies"],
    ["event", "market.tick", count(ticks), "heard by the conductor"],
    ["request", "risk.assess", count(questions), "answered"],
    ["command", "execution.executeOrder", count(orders), "settled"],
    ["command", "ledger.bookFill", count(booked.length), "booked"],
    ["event", "work.begun", count(sum([...starts.values()])), "heard by the conductor"],
  ]);
}

function latencies({ figures }: Run): string {
  const assess = figures.flatMap(({ assessMs }) => assessMs);
  const accept = figures.flatMap(({ acceptMs }) => acceptMs);
  const settle = figures.flatMap(({ settleMs }) => settleMs);
  return table([
    ["", "p50", "p90", "p99", "max"],
    ["risk.assess, until answered", ...quantiles(assess)],
    ["execution.executeOrder, until it is stored", ...quantiles(accept)],
    ["execution.executeOrder, until settled", ...quantiles(settle)],
  ]);
}

function quantiles(values: readonly number[]): readonly string[] {
  const sorted = values.toSorted((a, b) => a - b);
  return [0.5, 0.9, 0.99, 1].map((fraction) => milliseconds(quantile(sorted, fraction)));
}

function positions({ accounts }: Statement, closeCents: number): string {
  const rows = accounts.map((account) => [
    account.strategy,
    count(account.fills),
    count(account.shares),
    dollars(account.cashCents),
    dollars(profitCents(account, closeCents)),
  ]);
  return table([["", "orders", "shares", "cash", "profit"], ...rows]);
}

function killed({ disaster, handedOnMs, starts }: Run): string {
  const { ledgerProcess, workerProcess, worker, orderId, takeoverMs } = disaster;
  const repeated = [...starts.keys()].filter((command) => starts.get(command) !== 1);
  const named = repeated.length === 0 ? "" : `: ${someOf(repeated)}`;
  return table([
    [
      ledger.name,
      `process ${ledgerProcess}${takeoverMs === undefined ? "" : ", which owned the store"}`,
    ],
    [worker, `process ${workerProcess}, while it executed ${orderId}`],
    ...(takeoverMs === undefined
      ? []
      : [
          [
            "takeover",
            `${milliseconds(takeoverMs)} ms from SIGKILL to the first durable acknowledgement`,
          ],
        ]),
    [
      "its order",
      handedOnMs === undefined
        ? "had just been done"
        : `${milliseconds(handedOnMs)} ms from SIGKILL until another worker began with it`,
    ],
    ["handler starts", `${count(repeated.length)} repeated${named}`],
  ]);
}

function checkLine({ what, wrong }: Check): string {
  if (wrong.length === 0) return `  ${green("✓")} ${what}`;
  return `  ${red("✗")} ${what}: ${count(wrong.length)} wrong: ${someOf(wrong)}`;
}

function someOf(names: readonly string[]): string {
  const rest = names.length - namedMax;
  return names.slice(0, namedMax).join(", ") + (rest > 0 ? ` and ${count(rest)} more` : "");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
