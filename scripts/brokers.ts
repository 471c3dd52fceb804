/** `npm run brokers`: NATS and Redis on this machine, for programs, tests and measurements. `--help` says how. */
import { resolve } from "node:path";
import { down, type Status, status, up } from "./brokers/brokers.ts";
import { installServer } from "./brokers/install.ts";
import { type Options, parseOptions, usage } from "./brokers/options.ts";
import type { ServerName } from "./brokers/servers.ts";

const exitCodes = { done: 0, failed: 1, wrongUsage: 2 } as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${usage}`);
    return exitCodes.wrongUsage;
  }
  if (options === undefined) {
    process.stdout.write(usage);
    return exitCodes.done;
  }
  const home = resolve(options.home);
  const failed = (await Promise.all(options.names.map((name) => tried(name, home, options)))).some(
    (ok) => !ok,
  );
  const states = await Promise.all(options.names.map((name) => status(home, name)));
  process.stdout.write(options.json ? `${JSON.stringify(states, undefined, 2)}\n` : lines(states));
  return failed ? exitCodes.failed : exitCodes.done;
}

async function tried(name: ServerName, home: string, { command }: Options): Promise<boolean> {
  const say = (text: string): void => void process.stderr.write(`${name}: ${text}\n`);
  try {
    if (command === "up") await up(home, name, say);
    else if (command === "down") say((await down(home, name)) ? "stopped" : "was not up");
    else if (command === "install") await installServer(name, say);
    return true;
  } catch (error) {
    say(messageOf(error));
    return false;
  }
}

function lines(states: readonly Status[]): string {
  return states.map((state) => `${line(state)}\n`).join("");
}

function line(state: Status): string {
  const name = state.name.padEnd(6);
  if (state.state === "up") {
    const who = state.by === "process" ? `pid ${state.pid}` : "in a container";
    return `${name} up    ${state.url}   ${state.version}, ${who}`;
  }
  return `${name} down  ${state.installed === undefined ? "not installed" : `installed: ${state.installed}`}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
