/**
 * Reads whether the servers flush every write before they acknowledge it (`sync_interval: always`). An
 * ordinary account is told where it imports the question from the system account; elsewhere it takes the
 * monitoring port or a user of the system account.
 */
import { isColloquyError } from "../../errors.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { type ConnectOptions, connectClient, type NatsClient } from "./client.ts";
import { jsonObject } from "./json-object.ts";
import type { NatsSystemOptions } from "./options.ts";
import type { SyncFacts } from "./probe.ts";
import type { StreamInfos } from "./streams.ts";

/** What servers tell about themselves, as far as it matters here. */
interface ServerVariables {
  readonly server_name?: string;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } };
}

/** How long it may take to the first answer, which an account that may not ask does not get, and to each next one. */
const stallMs = 300;
/** How long a connection is held up by who does not answer. */
const timeoutMs = 2_000;

export interface SyncQuestion {
  readonly clock: Clock;
  readonly system: NatsSystemOptions | undefined;
  readonly connect: ConnectOptions;
  /** Of the broker itself; an account can be given the right to ask, see docs/brokers.md. */
  readonly client: NatsClient;
  /** Subject below which answers to it come. */
  readonly inbox: string;
  /** Of the server that this process is connected to. */
  readonly serverName: string;
  readonly streams: StreamInfos;
}

/** Never throws: what cannot be read is told as that. */
export async function readSyncFacts(question: SyncQuestion): Promise<SyncFacts> {
  const { system } = question;
  try {
    if (system === undefined) return await fromOwnAccount(question);
    const isMonitored = system.monitor !== undefined;
    const told = isMonitored
      ? await fromMonitor(question, system)
      : await fromSystemAccount(question);
    return judge(told, question, isMonitored ? "monitoring port" : "system account");
  } catch (error) {
    const why = isColloquyError(error) || error instanceof Error ? error.message : String(error);
    return { always: undefined, source: why };
  }
}

async function fromOwnAccount(question: SyncQuestion): Promise<SyncFacts> {
  const { client, inbox } = question;
  const told = await askServers(client, inbox, question);
  if (told.length > 0) return judge(told, question, "own account");
  const source =
    "the account may not ask, and neither `system.monitor` nor `system.user` was given";
  return { always: undefined, source };
}

/** The servers that keep the streams have to be among those that told. */
function judge(
  told: readonly ServerVariables[],
  question: SyncQuestion,
  source: string,
): SyncFacts {
  const always = new Map(
    told.map(({ server_name: name, jetstream }) => [name, jetstream?.config?.sync_always === true]),
  );
  const keepers = keepersOf(question);
  if (keepers.some((name) => always.get(name) === false)) return { always: false, source };
  const silent = keepers.filter((name) => !always.has(name));
  if (silent.length === 0) return { always: true, source };
  return { always: undefined, source: `${source}: nothing heard of ${silent.join(", ")}` };
}

/** The servers that keep the streams. */
function keepersOf({ streams, serverName }: SyncQuestion): readonly string[] {
  const keepers = new Set<string>();
  for (const { cluster } of [streams.state, streams.work]) {
    const { leader = "", replicas = [] } = cluster ?? {};
    if (leader !== "") keepers.add(leader);
    for (const { name } of replicas) keepers.add(name);
  }
  return keepers.size === 0 ? [serverName] : [...keepers];
}

async function fromMonitor(
  { clock }: SyncQuestion,
  { monitor = [] }: NatsSystemOptions,
): Promise<readonly ServerVariables[]> {
  const urls = typeof monitor === "string" ? monitor.split(",") : monitor;
  const patience = new AbortController();
  const timer = clock.setTimer(timeoutMs, () => patience.abort(new Error("it does not answer")));
  try {
    return await Promise.all(urls.map((url) => readMonitor(url.trim(), patience.signal)));
  } finally {
    timer.cancel();
  }
}

async function readMonitor(url: string, signal: AbortSignal): Promise<ServerVariables> {
  try {
    const answer = await fetch(new URL("/varz", url), { signal });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    return (await answer.json()) as ServerVariables;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the monitoring port ${url}: ${why}`, { cause: error });
  }
}

async function fromSystemAccount(question: SyncQuestion): Promise<readonly ServerVariables[]> {
  const { connect, system = {} } = question;
  const { servers, tls } = connect;
  const { user, pass, creds } = system;
  const client = await connectClient({
    name: "colloquy probe",
    delayMs: () => timeoutMs,
    connect: {
      servers,
      timeoutMs,
      ...(tls === undefined ? {} : { tls }),
      ...(user === undefined ? {} : { user }),
      ...(pass === undefined ? {} : { pass }),
      ...(creds === undefined ? {} : { creds }),
    },
  });
  try {
    return await askServers(client, `_INBOX.${client.info?.server_id ?? ""}`, question);
  } finally {
    await client.close();
  }
}

/**
 * Asks all servers over a connection whose account may; nobody answers where it may not. Each answers for
 * itself, and nobody says how many there are: those that keep the streams are enough.
 */
async function askServers(
  client: NatsClient,
  inbox: string,
  question: SyncQuestion,
): Promise<readonly ServerVariables[]> {
  const { clock } = question;
  const told: ServerVariables[] = [];
  const silent = new Set(keepersOf(question));
  const ended = new Deferred<void>();
  const patience = () => clock.setTimer(stallMs, () => ended.resolve());
  let timer: Timer | undefined;
  const reply = `${inbox}.${clock.nowMs().toString(36)}`;
  const subscription = client.subscribe(reply, {
    callback: (error, { data }) => {
      const variables = error === null ? variablesOf(data) : undefined;
      if (variables !== undefined) {
        told.push(variables);
        silent.delete(variables.server_name ?? "");
      }
      if (variables === undefined || silent.size === 0) ended.resolve();
      timer?.cancel();
      timer = patience();
    },
  });
  try {
    client.publish("$SYS.REQ.SERVER.PING.JSZ", new TextEncoder().encode("{}"), { reply });
    await client.flush();
    timer ??= patience();
    await ended.promise;
    return told;
  } finally {
    timer?.cancel();
    subscription.unsubscribe();
  }
}

/** Undefined where nobody was there to answer, or it says nothing of a server. */
function variablesOf(bytes: Uint8Array): ServerVariables | undefined {
  const answer = jsonObject(bytes) as
    | { readonly server?: { readonly name?: string }; readonly data?: ServerVariables["jetstream"] }
    | undefined;
  if (answer?.server?.name === undefined) return undefined;
  return {
    server_name: answer.server.name,
    ...(answer.data === undefined ? {} : { jetstream: answer.data }),
  };
}
