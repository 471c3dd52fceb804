import { parseArgs } from "node:util";
import { homeDirectory } from "./running.ts";
import { isServerName, type ServerName, serverNames, servers } from "./servers.ts";

export interface Options {
  readonly command: Command;
  /** Each once, in the order of the table of servers. */
  readonly names: readonly ServerName[];
  readonly home: string;
  readonly json: boolean;
}

const commands = ["up", "down", "status", "install"] as const;
export type Command = (typeof commands)[number];

export const usage: string = `npm run brokers -- COMMAND [NAME...] [options]

  up        start NATS and Redis on this machine with the settings that Colloquy's promises need,
            and print their URLs; what is missing is installed first
  down      stop what "up" has started; its data stay
  status    what is up, and what is installed
  install   only install what is missing

  NAME      ${serverNames.join(" or ")}; without one, all

  --json             for programs
  --directory DIR    where data, logs and pids are; default .brokers in this checkout
  --help

They listen on 127.0.0.1 only, on port ${serverNames.map((name) => `${servers[name].port} (${name})`).join(" and ")} where it is free, else on another.
Ends with 0, with 1 when something failed, with 2 for wrong usage.
`;

/** @returns undefined where help is asked for. @throws Error that says what is wrong. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      directory: { type: "string", default: homeDirectory },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const [command, ...names] = positionals;
  if (!isCommand(command)) {
    throw new Error(`${command ?? "no command"}: one of ${commands.join(", ")} is needed`);
  }
  const unknown = names.find((name) => !isServerName(name));
  if (unknown !== undefined) throw new Error(`${unknown}: no broker that this command knows`);
  const chosen = serverNames.filter((name) => names.length === 0 || names.includes(name));
  return { command, names: chosen, home: values.directory, json: values.json };
}

function isCommand(text: string | undefined): text is Command {
  return (commands as readonly (string | undefined)[]).includes(text);
}
