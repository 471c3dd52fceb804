/** What a run found, as the part of a page. */
import type { BacklogRun, Footprint } from "./run.ts";

export interface Conditions {
  readonly command: string;
  readonly date: string;
  readonly machine: string;
  /** Name and version. */
  readonly server: string;
}

interface Wanted {
  readonly messages: number;
  readonly frameBytes: number;
}

export function isRight({ drained, waiting }: BacklogRun, { messages }: Wanted): boolean {
  return drained.received === messages && waiting[0] === messages && waiting[1] === 0;
}

export function reportOf(run: BacklogRun, wanted: Wanted, conditions: Conditions): string {
  const { messages, frameBytes } = wanted;
  const { fillMs, drainMs, restartMs, drained, waiting, server, clientBytesMax } = run;
  const { command, date, machine } = conditions;
  const verdict = isRight(run, wanted)
    ? "Every message came, and every one was settled."
    : `**Wrong**: ${count(drained.received)} came, ${count(waiting[1])} are left.`;
  return `${verdict} ${count(messages)} messages of ${frameBytes} bytes in one queue. ${count(drained.again)} came more than once.

| | seconds | messages/s | client's memory at most |
|---|--:|--:|--:|
| stored, each acknowledged | ${seconds(fillMs)} | ${rate(messages, fillMs)} | ${mebibytes(clientBytesMax.fill)} |
| the server started again | ${seconds(restartMs)} | | |
| received and settled, each acknowledged | ${seconds(drainMs)} | ${rate(messages, drainMs)} | ${mebibytes(clientBytesMax.drain)} |

The first message came ${drained.firstMs.toFixed(0)} ms after it was asked for.

| the server | memory | disk |
|---|--:|--:|
${Object.entries(server).map(footprintRow).join("\n")}

- ${date}, \`${command}\`, ${conditions.server} on this machine, with the settings of \`npm run brokers\`; sender and receiver are one process
- ${machine}
`;
}

function footprintRow([name, { memoryBytes, diskBytes }]: readonly [string, Footprint]): string {
  return `| ${name} | ${mebibytes(memoryBytes)} | ${mebibytes(diskBytes)} |`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

function rate(messages: number, ms: number): string {
  return count(Math.round(messages / (ms / 1_000)));
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
