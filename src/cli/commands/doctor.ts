/** `colloquy doctor`: says what is wrong, and what to do about it. */
import { resolve } from "node:path";
import { homeDirectory } from "../../network/home-directory.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { checkDisk, checkOwner, checkStore } from "../shell/diagnosis/directory.ts";
import type { Finding } from "../shell/diagnosis/finding.ts";
import { checkHub } from "../shell/diagnosis/hub.ts";
import { checkRuntime } from "../shell/diagnosis/runtime.ts";
import { type HubFlags, hubOptions } from "../shell/fabric.ts";
import { writeJsonLines, writeTable } from "../shell/output.ts";
import type { Terminal } from "../terminal.ts";

interface Flags extends HubFlags {
  readonly dir?: string;
}

const notes = `
Looked at are the versions of Node and SQLite; of a directory its permissions, its disk, who owns it and
whether that process lives, and, where nobody has it open, every record of the store; of a hub whether it
is there and lets this client in, and what it promises to survive. Nothing is changed.

Exit codes: 0 nothing is wrong, warnings aside; 1 something is; 2 wrong usage.`;

export const addDoctor: AddCommand = (program, terminal, ended) => {
  hubOptions(program.command("doctor"))
    .summary("say what is wrong, and what to do")
    .description("Look at a fabric and what it stands on, and say what is wrong and what to do.")
    .option("--dir <path>", "of the store (default: the nearest .colloquy upwards)")
    .addHelpText(
      "after",
      examplesText(["colloquy doctor", "colloquy doctor --url tls://hub.example --json"], notes),
    )
    .action(async (flags: Flags) => {
      ended(await examine(flags, terminal));
    });
};

async function examine(flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const findings = [...checkRuntime()];
  const url = flags.url ?? process.env["COLLOQUY_URL"];
  const embedded = /^embedded:(.*)$/s.exec(url ?? "embedded:")?.[1];
  if (embedded === undefined) {
    findings.push(...(await checkHub(url ?? "", flags, terminal.signal)));
  } else {
    const given = flags.dir ?? (embedded === "" ? undefined : embedded);
    const directory = given === undefined ? homeDirectory(process.cwd()) : resolve(given);
    findings.push(...checkDisk(directory));
    const owner = checkOwner(directory);
    findings.push(...owner.findings);
    if (owner.url === undefined) findings.push(...checkStore(directory));
    else findings.push(...(await checkHub(owner.url, flags, terminal.signal)));
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
  const columns = [{ title: "" }, { title: "CHECK" }, { title: "FOUND" }, { title: "TO DO" }];
  const rows = findings.map(({ verdict, check, found, remedy = "" }) => [
    verdict,
    check,
    found,
    remedy,
  ]);
  await writeTable(columns, rows, terminal);
}
