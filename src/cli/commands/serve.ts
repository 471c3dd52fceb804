/** `colloquy serve`: a hub that is there until it is ended. */
import { resolve } from "node:path";
import { Option } from "commander";
import { ColloquyError } from "../../errors.ts";
import type { Endpoint, ListenOptions } from "../../hub/embedded/listening.ts";
import { type HubServer, serveHub } from "../../hub/embedded/server.ts";
import type { HostPort } from "../../link/host-port.ts";
import type { ServerTls } from "../../link/tls-options.ts";
import { homeDirectory } from "../../network/home-directory.ts";
import { tcpPortDefault } from "../../network/hub-url.ts";
import { onAbort } from "../../runtime/abort.ts";
import { systemClock } from "../../runtime/clock.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import { sleep } from "../../runtime/sleep.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { givenLimits, hubLimitOptions } from "../shell/hub-limits.ts";
import { readOptionFile } from "../shell/option-file.ts";
import { remark } from "../shell/output.ts";
import { byteCount, duration, hostPort } from "../shell/values.ts";
import { jsonLine, type Terminal, writeLine } from "../terminal.ts";

interface Flags {
  readonly dir?: string;
  readonly memory?: true;
  readonly unix?: string;
  readonly tcp?: HostPort | true;
  readonly http: HostPort | false;
  readonly ws?: true;
  readonly wsPath?: string;
  readonly origin?: readonly string[];
  readonly tokenFile?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly reserveBytes?: number;
  readonly drainDelay: number;
  readonly json?: true;
}

const notes = `
It is the same hub that join() runs where nobody else does: programs that join the directory find it
and use it, and one of them takes over if it is killed. Where one of them owns the directory already,
it is asked to hand it over; another server is waited for.

Once it serves it writes one line to standard output: "ready", then the addresses.
SIGTERM and Ctrl-C end it in order: /readyz answers 503, then, after --drain-delay, clients are told and
what they sent is committed; exit code 0. A second signal ends it at once.

GET /healthz answers 200 while it runs, GET /readyz while it takes clients.

Exit codes: 0 ended in order; 1 it cannot listen, or its store cannot be used; 2 wrong usage.`;

const defaultTcp: HostPort = { host: "127.0.0.1", port: tcpPortDefault };
const defaultHttp: HostPort = { host: "127.0.0.1", port: 4_480 };

export const addServe: AddCommand = (program, terminal, ended) => {
  const command = program
    .command("serve")
    .summary("run a hub until it is ended")
    .description("Share a store with other programs until it is ended.")
    .option(
      "--dir <path>",
      "of the store (default: the nearest .colloquy upwards, or a new one here)",
    )
    .option("--memory", "keep everything in memory, and nothing afterwards")
    .option("--unix <path>", "listen at this Unix socket as well")
    .addOption(
      new Option("--tcp [[host:]port]", "listen at TCP (without a port: 127.0.0.1:4481)").argParser(
        hostPort,
      ),
    )
    .addOption(
      new Option("--http <[host:]port>", "health and readiness; 0 for any free port")
        .argParser(hostPort)
        .default(defaultHttp, "127.0.0.1:4480"),
    )
    .option("--no-http", "neither of them")
    .option("--ws", "take WebSockets at the port of --http")
    .option("--ws-path <path>", "of their URL (default: /)")
    .addOption(
      new Option("--origin <origin...>", "pages of these origins may connect; * for all").default(
        [],
        "none",
      ),
    )
    .option(
      "--token-file <file>",
      "ask for the token in this file; else for COLLOQUY_TOKEN, if set",
    )
    .option("--tls-cert <file>", "PEM file of a certificate: speak TLS 1.3 at TCP and HTTP")
    .option("--tls-key <file>", "PEM file of its key")
    .option("--tls-ca <file>", "ask clients for certificates signed by this authority")
    .addOption(
      new Option("--drain-delay <duration>", "from readiness turning to clients being told")
        .argParser(duration)
        .default(500, "500ms"),
    )
    .addOption(
      new Option(
        "--reserve-bytes <bytes>",
        "of the disk, kept for work that is there (default: 64MiB or 5% of the disk)",
      ).argParser(byteCount),
    )
    .option("--json", "write the ready line as one JSON object");
  hubLimitOptions(command)
    .addHelpText(
      "after",
      examplesText(
        [
          "colloquy serve",
          "colloquy serve --tcp --ws --origin http://localhost:5173",
          "colloquy serve --tcp 0.0.0.0:4481 --token-file ./token --tls-cert hub.crt --tls-key hub.key",
          "colloquy serve --dir ./data --http 0 --json",
          "colloquy serve --memory --unix ./hub.sock --connections-max 100",
        ],
        notes,
      ),
    )
    .action(async (flags: Flags) => {
      ended(await runServe(flags, terminal));
    });
};

async function runServe(flags: Flags, terminal: Terminal): Promise<ExitCode> {
  const { reserveBytes } = flags;
  const directory = directoryOf(flags);
  const server = await serveHub({
    ...(directory === undefined ? {} : { directory }),
    listen: listenOptions(flags),
    ...givenLimits(flags),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
    ...(terminal.signal === undefined ? {} : { signal: terminal.signal }),
    onWait: (owner) => {
      const who = owner === undefined ? "another process" : `process ${owner}`;
      remark(`${who} owns ${directory}: waiting until it hands it over, or ends`, terminal);
    },
  });
  await writeLine(terminal.out, readyLine(server.endpoints, directory, flags.json === true));
  return (await untilEnded(server, flags.drainDelay, terminal)) ?? exitCodes.done;
}

/** @throws what ended the hub, unless it was asked to end. */
async function untilEnded(
  server: HubServer,
  drainDelayMs: number,
  { signal }: Terminal,
): Promise<undefined> {
  const letGo = keepAlive();
  try {
    const asked = new Promise<undefined>((resolve) => onAbort(signal, () => resolve(undefined)));
    const failure = await Promise.race([server.ended, asked]);
    if (failure !== undefined) throw failure;
    server.drain();
    await sleep(systemClock, drainDelayMs);
    await server.close();
  } finally {
    letGo();
  }
}

/** @returns undefined for memory. */
function directoryOf({ memory, dir }: Flags): string | undefined {
  if (memory === undefined) return dir === undefined ? homeDirectory(process.cwd()) : resolve(dir);
  if (dir === undefined) return undefined;
  throw new ColloquyError(
    "INVALID_OPTION",
    "--memory keeps nothing in --dir: leave one of them out",
  );
}

function readyLine(endpoints: readonly Endpoint[], directory: string | undefined, json: boolean) {
  if (!json) return ["ready", ...endpoints.map(({ url }) => url)].join(" ");
  return jsonLine({ ready: true, process: process.pid, directory, endpoints });
}

/** @throws INVALID_OPTION naming what does not go together, or cannot be read. */
function listenOptions(flags: Flags): ListenOptions {
  const { unix, tcp, http, ws, wsPath, origin = [] } = flags;
  if (ws !== undefined && http === false) {
    throw new ColloquyError("INVALID_OPTION", "--ws uses the port of --http: leave out --no-http");
  }
  const token = tokenOf(flags);
  const tls = tlsOf(flags);
  return {
    ...(unix === undefined ? {} : { unix: resolve(unix) }),
    ...(tcp === undefined ? {} : { tcp: tcp === true ? defaultTcp : tcp }),
    ...(http === false ? {} : { http }),
    ...(ws === undefined
      ? {}
      : { webSocket: { origins: origin, ...(wsPath === undefined ? {} : { path: wsPath }) } }),
    ...(token === undefined ? {} : { token }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Here an empty COLLOQUY_TOKEN is one that is too short: a hub that was to ask must not stand open instead. */
function tokenOf({ tokenFile }: Flags): string | undefined {
  if (tokenFile === undefined) return process.env["COLLOQUY_TOKEN"];
  return readOptionFile("token-file", tokenFile).trim();
}

function tlsOf({ tlsCert, tlsKey, tlsCa }: Flags): ServerTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new ColloquyError("INVALID_OPTION", "--tls-cert and --tls-key go together");
  }
  return {
    cert: readOptionFile("tls-cert", tlsCert),
    key: readOptionFile("tls-key", tlsKey),
    ...(tlsCa === undefined ? {} : { ca: readOptionFile("tls-ca", tlsCa) }),
  };
}
