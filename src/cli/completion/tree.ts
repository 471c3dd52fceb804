/** What can be completed where, read off the commands themselves. */
import type { Command } from "commander";

export interface Completable {
  /** `colloquy queues browse` */
  readonly path: string;
  readonly commands: readonly Described[];
  readonly options: readonly CompletableOption[];
  /** What its first argument may be, where that is one of a few. */
  readonly choices: readonly string[];
}

export interface Described {
  readonly name: string;
  readonly description: string;
}

export interface CompletableOption extends Described {
  /** `--json`, or `--json` and `-j`; `name` is the first of them. */
  readonly flags: readonly string[];
  /** It is followed by a value. */
  readonly takesValue: boolean;
  /** What that may be; none where it may be anything. */
  readonly choices: readonly string[];
}

/** The command and all below it. */
export function completables(command: Command, above = ""): readonly Completable[] {
  const path = `${above}${command.name()}`;
  const help = command.createHelp();
  const commands = help.visibleCommands(command).filter((it) => it.name() !== "help");
  return [
    {
      path,
      commands: commands.map((it) => ({ name: it.name(), description: it.summary() })),
      options: help.visibleOptions(command).map(({ long, short, ...option }) => {
        const flags = [long, short].filter((flag) => flag !== undefined && flag !== null);
        return {
          name: flags[0] ?? "",
          flags,
          description: option.description,
          takesValue: option.required || option.optional,
          choices: option.argChoices ?? [],
        };
      }),
      choices: command.registeredArguments[0]?.argChoices ?? [],
    },
    ...commands.flatMap((it) => completables(it, `${path} `)),
  ];
}
