/** What a run found, as the part of a page. */
import type { Account } from "./load.ts";
import type { ClusterRun } from "./run.ts";

export interface Conditions {
  readonly command: string;
  readonly date: string;
  readonly machine: string;
  /** Of nats-server. */
  readonly version: string;
  /** What the broker claimed when it was opened. */
  readonly durability: string;
}

export function isRight({ accounts }: ClusterRun): boolean {
  return Object.values(accounts).every(
    ({ lost, doubled, unsettled }) => lost + doubled + unsettled === 0,
  );
}

export function reportOf(run: ClusterRun, conditions: Conditions): string {
  const { kills, accounts } = run;
  const { command, date, machine, version, durability } = conditions;
  const verdict = isRight(run)
    ? "Nothing that was acknowledged was lost, and nothing was done twice."
    : "**Wrong**: see the columns that must be 0.";
  return `${verdict} ${kills.length} leaders were killed with SIGKILL under load, one after the other.

| work | acknowledged | received | lost | done twice | left undone | offered again |
|---|--:|--:|--:|--:|--:|--:|
${Object.entries(accounts).map(accountRow).join("\n")}

Time without progress: the longest pause between two acknowledgements around each kill.

| acknowledged | p50 | max |
|---|--:|--:|
${gapRows(run).join("\n")}

| kill | leader of | ${kindsOf(run).join(" | ")} |
|--:|---|${"--:|".repeat(kindsOf(run).length)}
${kills
  .map(
    ({ stream, gapsMs }, index) =>
      `| ${index + 1} | ${stream} | ${kindsOf(run)
        .map((kind) => text(gapsMs[kind]))
        .join(" | ")} |`,
  )
  .join("\n")}

- ${date}, \`${command}\`; three nats-servers ${version} on one machine, on loopback; three copies, \`sync_interval: always\`; durability found: ${durability}
- ${machine}
`;
}

function accountRow([name, account]: readonly [string, Account]): string {
  const { acknowledged, received, lost, doubled, unsettled, redelivered } = account;
  const cells = [acknowledged, received, lost, doubled, unsettled, redelivered];
  return `| ${name} | ${cells.map((cell) => cell.toLocaleString("en")).join(" | ")} |`;
}

function gapRows(run: ClusterRun): readonly string[] {
  return kindsOf(run).map((kind) => {
    const sorted = run.kills.map(({ gapsMs }) => gapsMs[kind] ?? 0).toSorted((a, b) => a - b);
    return `| ${kind} | ${text(sorted[Math.floor((sorted.length - 1) / 2)])} | ${text(sorted.at(-1))} |`;
  });
}

function kindsOf({ kills }: ClusterRun): readonly string[] {
  return Object.keys(kills[0]?.gapsMs ?? {});
}

function text(ms: number | undefined): string {
  return ms === undefined ? "–" : `${ms.toFixed(0)} ms`;
}
