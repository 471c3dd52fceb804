/** What `npm run brokers` does: up, down and status of servers on this machine. */
import { hasEngine, isContainerUp, startContainer, stopContainer } from "./compose.ts";
import { type Daemon, isAlive, startDaemon, stopDaemon } from "./daemon.ts";
import { type FoundServer, findOutdated, findServer } from "./find-server.ts";
import { freePort } from "./greeting.ts";
import { installServer } from "./install.ts";
import type { Say } from "./run.ts";
import { filesOf, forgetRunning, type Running, readRunning, writeRunning } from "./running.ts";
import { type ServerName, servers, urlOf } from "./servers.ts";

export type Status =
  | ({ readonly state: "up" } & Running)
  /** `installed`: the version that `up` would start. */
  | { readonly state: "down"; readonly name: ServerName; readonly installed?: string };

/** Starts it unless it runs: what is installed, else in a container, else what can be installed. */
export async function up(home: string, name: ServerName, say: Say): Promise<void> {
  if ((await runningNow(home, name)) !== undefined) return say("is up already");
  const found = findServer(name);
  if (found === undefined) {
    for (const { path, version } of findOutdated(name)) {
      say(`${path} ${version} is older than ${servers[name].versionMin}: passed over`);
    }
  }
  try {
    if (found === undefined && (await hasEngine())) await startInContainer(home, name, say);
    else await startHere(home, name, found ?? (await installServer(name, say)), say);
  } catch (error) {
    forgetRunning(home, name);
    throw error;
  }
}

async function startHere(
  home: string,
  name: ServerName,
  { path, version }: FoundServer,
  say: Say,
): Promise<void> {
  const server = servers[name];
  const files = filesOf(home, name);
  const port = await freePort(server.port);
  say(`${path} ${version}, its data in ${files.data}`);
  const url = urlOf(name, port);
  const onBegun = (daemon: Daemon): void =>
    writeRunning(home, { name, by: "process", url, version, ...daemon });
  await startDaemon(server, path, { files, port, onBegun });
}

async function startInContainer(home: string, name: ServerName, say: Say): Promise<void> {
  say("none is installed, and a container engine runs: the service of compose.yaml");
  await startContainer(name, say);
  const url = urlOf(name, servers[name].port);
  writeRunning(home, { name, by: "compose", url, version: "as in compose.yaml" });
}

/** Stops what `up` has started, and nothing else. Its data stay. @returns whether it ran. */
export async function down(home: string, name: ServerName): Promise<boolean> {
  const running = await runningNow(home, name);
  if (running?.by === "compose") await stopContainer(name);
  if (running?.by === "process") await stopDaemon(running);
  forgetRunning(home, name);
  return running !== undefined;
}

export async function status(home: string, name: ServerName): Promise<Status> {
  const running = await runningNow(home, name);
  if (running !== undefined) return { state: "up", ...running };
  const installed = findServer(name)?.version;
  return { state: "down", name, ...(installed === undefined ? {} : { installed }) };
}

async function runningNow(home: string, name: ServerName): Promise<Running | undefined> {
  const running = readRunning(home, name);
  if (running === undefined) return undefined;
  const alive = running.by === "process" ? isAlive(running) : await isContainerUp(name);
  return alive ? running : undefined;
}
