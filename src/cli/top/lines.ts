/** A frame of `colloquy top` as lines. */
import { processText } from "../commands/agents.ts";
import { type Column, table } from "../shell/table.ts";
import { countText, millisecondsText } from "../shell/text.ts";
import { cut } from "../shell/width.ts";
import type { TopAgent, TopFrame } from "./sample.ts";

export interface Size {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

/** Lines that are neither agents nor mailboxes. */
const restLines = 6;

/** @param note - what the person has to know before all else. */
export function linesOf(
  frame: TopFrame,
  { columns, rows }: Size,
  note: string | undefined,
): readonly string[] {
  const room = rows === undefined ? Number.POSITIVE_INFINITY : Math.max(2, rows - restLines);
  const forMailboxes = Math.min(frame.mailboxes.length, Math.max(1, Math.floor(room / 3)));
  const agents = shortened(frame.agents, room - forMailboxes);
  const mailboxes = shortened(frame.mailboxes, room - Math.min(agents.length, room - forMailboxes));
  const agentRows = agents.map(agentRow);
  const mailboxRows = mailboxes.map(({ address, waiting, offered, receivers }) => [
    address,
    countText(waiting),
    countText(offered),
    countText(receivers),
  ]);
  const lines = [
    header(frame, note),
    rates(frame),
    "",
    ...table(agentColumns, agentRows, columns),
    ...(frame.agents.length > agents.length
      ? [`… ${frame.agents.length - agents.length} more`]
      : []),
    "",
    ...table(mailboxColumns, mailboxRows, columns),
  ];
  return columns === undefined ? lines : lines.map((line) => cut(line, columns));
}

/** All, or the first of them, with room for the line that says how many more there are. */
function shortened<Item>(items: readonly Item[], room: number): readonly Item[] {
  return items.length <= room ? items : items.slice(0, Math.max(1, room - 1));
}

function header(frame: TopFrame, note: string | undefined): string {
  const { atMs, processes, silent, agents, mailboxes, dead, deadMore, status } = frame;
  const parts = [
    new Date(atMs).toISOString().slice(11, 19),
    `${counted(processes, "process", "processes")}${silent > 0 ? ` (${silent} silent)` : ""}`,
    counted(agents.length, "agent", "agents"),
    counted(mailboxes.length, "mailbox", "mailboxes"),
    `${countText(dead)}${deadMore ? "+" : ""} dead`,
    ...(status === "ready" ? [] : [`broker ${status}`]),
    ...(note === undefined ? [] : [note]),
  ];
  return parts.join("  ");
}

function rates({ rates: { requests, streams, commands, published, started } }: TopFrame): string {
  const each = [
    `requests ${rateText(requests)}`,
    `streams ${rateText(streams)}`,
    `commands ${rateText(commands)}`,
    `published ${rateText(published)}`,
    `handlers ${rateText(started)}`,
  ];
  return `each second: ${each.join("  ")}`;
}

const agentColumns: readonly Column[] = [
  { title: "AGENT", elastic: true },
  { title: "STATUS" },
  { title: "LOAD", align: "right" },
  { title: "/S", align: "right" },
  { title: "FAIL/S", align: "right" },
  { title: "AVG MS", align: "right" },
  { title: "P99 MS", align: "right" },
  { title: "HANDLED", align: "right" },
  { title: "FAILED", align: "right" },
  { title: "PROCESS", elastic: true },
];

const mailboxColumns: readonly Column[] = [
  { title: "MAILBOX", elastic: true },
  { title: "WAITING", align: "right" },
  { title: "HELD", align: "right" },
  { title: "RECEIVERS", align: "right" },
];

function agentRow(agent: TopAgent): readonly string[] {
  const { id, status, load, capacity, perSecond, failedPerSecond, averageMs, p99Ms } = agent;
  return [
    id,
    status,
    `${load}/${capacity}`,
    rateText(perSecond),
    rateText(failedPerSecond),
    millisecondsText(averageMs),
    millisecondsText(p99Ms),
    countText(agent.handled),
    countText(agent.failed),
    processText(agent.process),
  ];
}

/** 0, 0.4, 12.5, 1,204; "-" for what nobody knows. */
function rateText(perSecond: number | undefined): string {
  if (perSecond === undefined) return "-";
  if (perSecond >= 100) return countText(Math.round(perSecond));
  return String(Number(perSecond.toFixed(1)));
}

function counted(count: number, one: string, many: string): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
