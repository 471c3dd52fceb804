/** A command's place in the fabric: it joins, does its work, and leaves again, whatever happens. */
import { type Command, Option } from "commander";
import type { Agent } from "../../agent/agent.ts";
import { ColloquyError } from "../../errors.ts";
import type { ClientTls } from "../../link/tls-options.ts";
import { type JoinOptions, join } from "../../network/join.ts";
import type { Network } from "../../network/network.ts";
import { onAbort, withAbort } from "../../runtime/abort.ts";
import { systemClock } from "../../runtime/clock.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";
import { readOptionFile } from "./option-file.ts";
import { duration } from "./values.ts";

export interface HubFlags {
  readonly json?: true;
  readonly url?: string;
  readonly token?: string;
  /** Path of certificates that are trusted. */
  readonly ca?: string;
  /** Paths of a certificate of this client's, and of its key. */
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface FabricFlags extends HubFlags {
  readonly space?: string;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** How a hub is found, and comes to let this client in. */
export function hubOptions(command: Command): Command {
  return command
    .option("--json", "write JSON, one value a line")
    .option("--url <url>", "the fabric; else COLLOQUY_URL, else the nearest .colloquy upwards")
    .option("--token <token>", "shown to a hub or server that asks who comes; else COLLOQUY_TOKEN")
    .option("--ca <file>", "PEM file of who signed the certificate of the hub or server")
    .option("--tls-cert <file>", "PEM file of a certificate, for where one is asked for")
    .option("--tls-key <file>", "PEM file of its private key");
}

/** @throws INVALID_OPTION naming the option whose file cannot be read. */
export function tlsOf({ ca, tlsCert, tlsKey }: HubFlags): ClientTls | undefined {
  if (ca === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca: readOptionFile("ca", ca) }),
    ...(tlsCert === undefined ? {} : { cert: readOptionFile("tls-cert", tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: readOptionFile("tls-key", tlsKey) }),
  };
}

export function spaceOption(command: Command): Command {
  return command.option("--space <name>", "the space to look into (default: default)");
}

/** The options that every command has which looks at a fabric. */
export function fabricOptions(command: Command): Command {
  return spaceOption(hubOptions(command)).addOption(
    new Option("--timeout <duration>", "give up after so long, with exit code 3").argParser(
      duration,
    ),
  );
}

export interface FabricVisit {
  readonly net: Network;
  /** Aborts on Ctrl-C and when `--timeout` has passed. */
  readonly signal: AbortSignal;
}

export interface VisitOptions {
  /** It goes on until it is ended: Ctrl-C is its proper end. */
  readonly endless?: boolean;
  /** `--timeout` limits the work itself, in its own way; not the whole visit. */
  readonly ownTimeout?: boolean;
}

/**
 * Joins what the flags name, without ever making a store. Where no other process has the store open,
 * this one does as long as the work takes, as any that joins would, and hands it over at the end.
 *
 * @throws NOT_FOUND where there is no store, TIMEOUT, CANCELLED, and what `work` throws.
 */
export async function visitFabric(
  flags: FabricFlags,
  terminal: Terminal,
  work: (visit: FabricVisit) => Promise<ExitCode>,
  options: VisitOptions = {},
): Promise<ExitCode> {
  const limit = new AbortController();
  const timer = options.ownTimeout ? undefined : limitAfter(flags.timeout, limit);
  const forget = onAbort(terminal.signal, () => limit.abort(new Error("interrupted")));
  const { signal } = limit;
  let net: Network | undefined;
  try {
    net = await joinFabric(flags, terminal, signal);
    const done = work({ net, signal });
    return await withAbort(Promise.race([done, endOf(net)]), signal);
  } catch (error) {
    if (signal.reason instanceof ColloquyError) throw signal.reason;
    if (signal.aborted && options.endless === true && net !== undefined) return exitCodes.done;
    throw error;
  } finally {
    timer?.cancel();
    forget();
    await net?.close();
  }
}

/** Rejects with the reason when the broker is lost for good; until then nobody has to know. */
export async function endOf(net: Network): Promise<never> {
  for await (const status of net.statuses(new AbortController().signal)) {
    if (status.kind === "closed" && status.cause !== undefined) throw status.cause;
  }
  return new Promise(() => {});
}

/** For a command that needs more than one member; it has to close this one. */
export function joinFabric(
  flags: FabricFlags,
  terminal: Terminal,
  signal: AbortSignal,
  more: Pick<JoinOptions, "create" | "name"> = {},
): Promise<Network> {
  const tls = tlsOf(flags);
  return join({
    ...(flags.url === undefined ? {} : { url: flags.url }),
    ...(flags.token === undefined ? {} : { token: flags.token }),
    ...(tls === undefined ? {} : { tls }),
    ...(flags.space === undefined ? {} : { space: flags.space }),
    name: "colloquy",
    create: false,
    ...more,
    drainOnSignals: false,
    signal,
    onError: (error, where) => {
      const text = error instanceof Error ? error.message : String(error);
      terminal.err.write(`colloquy: ${where}: ${text}\n`);
    },
  });
}

/** Who asks, sends and publishes on behalf of the person at the shell. */
export function visitor(net: Network, id = `shell-${process.pid}`): Promise<Agent> {
  return net.agent(id, { type: "shell" });
}

function limitAfter(ms: number | undefined, limit: AbortController) {
  if (ms === undefined) return undefined;
  return systemClock.setTimer(ms, () => {
    const message = `not done after ${ms} ms`;
    limit.abort(new ColloquyError("TIMEOUT", message, { details: { timeoutMs: ms } }));
  });
}
