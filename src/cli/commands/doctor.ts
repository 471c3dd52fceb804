/** `colloquy doctor`: says what is wrong, and what to do about it. */
import { resolve } from "node:path";
import { Option } from "commander";
import type { Durability } from "../../broker/broker.ts";
import { durabilities } from "../../broker/durability.ts";
import { homeDirectory } from "../../network/home-directory.ts";
import { isServerUrl } from "../../network/server-broker.ts";
import { environmentVariable } from "../../runtime/environment.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { checkDisk, checkOwner, checkStore, checkSurvival } from "../shell/diagnosis/directory.ts";
import type { Finding } from "../shell/diagnosis/finding.ts";
import { checkHub } from "../shell/diagnosis/hub.ts";
import { checkRuntime } from "../shell/diagnosis/runtime.ts";
import { checkServer } from "../shell/diagnosis/server.ts";
import { type HubFlags, hubOptions } from "../shell/fabric.ts";
import { writeJsonLines, writeTable } from "../shell/output.ts";
import type { Terminal } from "../terminal.ts";

interface Flags extends HubFlags {
  readonly dir?: string;
  readonly broker?: string;
  readonly durability?: Durability;
}

const notes = `
Looked at are the versions of Node and SQLite; of a directory its permissions, its disk, who owns it and
whether that process lives, and, where nobody has it open, every record of the store; of a hub whether it
is there and lets this client in, and what it promises to survive; of a server such as NATS or Redis also
each setting that this depends on, with what to change. Nothing is changed, but that a broker sets up what it
needs where it is missing: over NATS empty streams, over Redis its functions and three small keys.

Exit codes: 0 nothing is wrong, warnings aside; 1 something is, or less is survived than --durability asks
for; 2 wrong usage.`;

export const addDoctor: AddCommand = (program, terminal, ended) => {
  hubOptions(program.command("doctor"))
    .summary("say what is wrong, and what to do")
    .description("Look at a fabric and what it stands on, and say what is wrong and what to do.")
    .addOption(
      new Option("--dir <path>", "of the store (default: the nearest .colloquy upwards)").conflicts(
        ["url", "broker"],
      ),
    )
    .addOption(
      new Option("--broker <url>", "the same as --url: nats://HOST, redis://HOST, ...").conflicts(
        "url",
      ),
    )
    .addOption(
      new Option("--durability <level>", "what has to be survived").choices([...durabilities]),
    )
    .addHelpText(
      "after",
      examplesText(
        [
          "colloquy doctor",
          "colloquy doctor --url tls://hub.example --json",
          "colloquy doctor --broker nats://nats.internal --durability os",
        ],
        notes,
      ),
    )
    .action(async (flags: Flags) => {
      ended(await examine(flags, terminal));
    });
};

async function examine(flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const findings = [...checkRuntime()];
  const around = flags.dir === undefined ? environmentVariable("COLLOQUY_URL") : undefined;
  const url = flags.broker ?? flags.url ?? around;
  const embedded = /^embedded:(.*)$/s.exec(url ?? "embedded:")?.[1];
  const { durability: wanted } = flags;
  if (embedded === undefined) {
    const check = isServerUrl(url ?? "") ? checkServer : checkHub;
    findings.push(...(await check(url ?? "", flags, wanted, terminal.signal)));
  } else {
    const given = flags.dir ?? (embedded === "" ? undefined : embedded);
    const directory = given === undefined ? homeDirectory(process.cwd()) : resolve(given);
    findings.push(...checkDisk(directory));
    const owner = checkOwner(directory);
    findings.push(...owner.findings);
    if (owner.url !== undefined) {
      findings.push(...(await checkHub(owner.url, flags, wanted, terminal.signal)));
    } else {
      findings.push(...checkStore(directory));
      if (wanted !== undefined) findings.push(checkSurvival(directory, wanted));
    }
  }
  await tell(findings, flags.json === true, terminal);
  const failed = findings.some(({ verdict }) => verdict === "fail");
  return failed ? exitCodes.failed : exitCodes.done;
}

async function tell(
  findings: readonly Finding[],
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  if (json) return writeJsonLines(findings, terminal);
  const columns = [{ title: "" }, { title: "CHECK" }, { title: "FOUND, AND WHAT TO DO" }];
  const rows = findings.flatMap(({ verdict, check, found, remedy }) => [
    [verdict, check, found],
    ...(remedy === undefined ? [] : [["", "", `→ ${remedy}`]]),
  ]);
  // In full: a terminal folds what is too long for it, and what to do is told last.
  await writeTable(columns, rows, terminal, Number.POSITIVE_INFINITY);
}
