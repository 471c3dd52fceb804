/** `colloquy agents`: who is there. */
import type { AgentInfo } from "../../routing/card.ts";
import { systemClock } from "../../runtime/clock.ts";
import { sleep } from "../../runtime/sleep.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { remark, writeJsonLines, writeTable } from "../shell/output.ts";
import type { Column } from "../shell/table.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly id?: string;
  readonly type?: string;
  readonly can?: string;
  readonly watch?: true;
}

const notes = `
LOAD is handlers running and work waiting for one, of as many as may run at a time.
With --watch: whoever is there, then a line for each change: + came, - left, * changed.`;

/** Between two looks at what this process is told by itself. */
const lookMs = 250;

export const addAgents: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("agents"))
    .summary("who is there, and what they can do")
    .description(
      "List the agents of every process: what they can do, how they are, where they run.",
    )
    .option("--id <id>", "only the agent of this id")
    .option("--type <type>", "only those of this type")
    .option("--can <capability>", "only those with this capability")
    .option("--watch", "go on telling who comes, leaves and changes, until Ctrl-C")
    .addHelpText(
      "after",
      examplesText(
        ["colloquy agents", "colloquy agents --type execution --json", "colloquy agents --watch"],
        notes,
      ),
    )
    .action(async (flags: Flags) => {
      const endless = flags.watch === true;
      const work = (visit: FabricVisit) =>
        endless ? watch(visit, flags, terminal) : list(visit, flags, terminal);
      ended(await visitFabric(flags, terminal, work, { endless }));
    });
};

async function list({ net }: FabricVisit, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const agents = net.find(queryOf(flags)).toSorted(byId);
  if (flags.json) await writeJsonLines(agents, terminal);
  else if (agents.length === 0) remark("no agents", terminal);
  else await writeTable(columns, agents.map(rowOf), terminal);
  return exitCodes.done;
}

async function watch(visit: FabricVisit, flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const { net, signal } = visit;
  const known = new Map<string, string>();
  const tell = async (change: "came" | "left" | "changed", agent: AgentInfo | string) => {
    const { out } = terminal;
    if (flags.json) await writeLine(out, jsonLine({ change, agent }));
    else {
      const sign = { came: "+", left: "-", changed: "*" }[change];
      const text = typeof agent === "string" ? agent : rowOf(agent).join("  ");
      await writeLine(out, `${sign} ${text}`);
    }
  };
  for (; !signal.aborted; await sleep(systemClock, lookMs, signal)) {
    const gone = new Set(known.keys());
    for (const agent of net.find(queryOf(flags)).toSorted(byId)) {
      gone.delete(agent.id);
      const before = known.get(agent.id);
      const now = JSON.stringify(agent);
      known.set(agent.id, now);
      if (before === undefined) await tell("came", agent);
      else if (before !== now) await tell("changed", agent);
    }
    for (const id of gone) {
      known.delete(id);
      await tell("left", id);
    }
  }
  return exitCodes.done;
}

function queryOf({ id, type, can }: Flags): { id?: string; type?: string; capability?: string } {
  return {
    ...(id === undefined ? {} : { id }),
    ...(type === undefined ? {} : { type }),
    ...(can === undefined ? {} : { capability: can }),
  };
}

const columns: readonly Column[] = [
  { title: "AGENT" },
  { title: "TYPE" },
  { title: "STATUS", elastic: true },
  { title: "LOAD", align: "right" },
  { title: "PROCESS", elastic: true },
  { title: "CAN", elastic: true },
];

function rowOf({ id, type, status, reason, load, capacity, process, capabilities }: AgentInfo) {
  return [
    id,
    type,
    reason === undefined ? status : `${status}: ${reason}`,
    `${load}/${capacity}`,
    processText(process),
    capabilities.join(" "),
  ];
}

/** `ledger.ts 4711 on host`; the number once, also where the name has it, and not for a page, which has none. */
export function processText(process: AgentInfo["process"]): string {
  if (process === undefined) return "-";
  const { name, pid, host } = process;
  const isTold = pid === 0 || String(name).includes(String(pid));
  const numbered = isTold ? name : `${name} ${pid}`;
  return `${numbered} on ${host}`;
}

function byId(a: AgentInfo, b: AgentInfo): number {
  return a.id < b.id ? -1 : 1;
}
