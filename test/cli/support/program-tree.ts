/** The program as a tree of commands, with the examples in their help. */
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { buildProgram } from "../../../src/cli/program.ts";

export function programTree(): Command {
  return buildProgram({ out: new PassThrough(), err: new PassThrough() }, () => {});
}

/** A command and all below it, those for help left out. */
export function commandsOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

/** `colloquy queues browse` */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** What `--help` prints. */
export function helpOf(command: Command): string {
  let help = "";
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
    getOutHelpWidth: () => 100,
  });
  command.outputHelp();
  return help;
}

/** Command lines in a help, without the dollar. */
export function examplesIn(help: string): readonly string[] {
  return [...help.matchAll(/^ {2}\$ (.+)$/gm)].map(([, line = ""]) => line);
}

/** The arguments of the call of `colloquy` in a command line; quotes are understood, and nothing else. */
export function argumentsOf(line: string): readonly string[] {
  const words: string[] = [];
  const [, called = line] = /\$\((.+)\)/.exec(line) ?? [];
  for (const [, single, double, plain = ""] of called.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)) {
    const begun = words.includes("colloquy");
    if (begun && /^[|&;<>]+$/.test(plain)) break;
    words.push(single ?? double ?? plain);
  }
  return words.slice(words.indexOf("colloquy") + 1);
}
