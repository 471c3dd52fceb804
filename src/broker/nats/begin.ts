/** The beginning of every connection: what the server is, the streams that have to be there, its time. */
import type { NatsClient } from "./client.ts";
import type { Names } from "./names.ts";
import type { NatsSettings } from "./options.ts";
import { assertServer, type ProbeFacts } from "./probe.ts";
import { type CallApi, ensureStreams } from "./streams.ts";
import { readSyncFacts } from "./sync-facts.ts";

export interface Beginning {
  readonly facts: ProbeFacts;
  /** What makes this process's monotonic clock the server's wall clock, milliseconds. */
  readonly aheadMs: number;
}

/**
 * @param inbox - below which answers to this broker object come.
 * @throws what is wrong with the server: INVALID_VERSION, UNSUPPORTED, INVALID_OPTION; what calls throw.
 */
export async function beginWith(
  client: NatsClient,
  inbox: string,
  settings: NatsSettings,
  names: Names,
  callApi: CallApi,
): Promise<Beginning> {
  const server = assertServer(client.info);
  const { clock, system, connect, duplicateWindowMs } = settings;
  const { replicas = server.cluster === undefined ? 1 : 3 } = settings;
  const streams = await ensureStreams(callApi, names, { replicas, duplicateWindowMs });
  const aheadMs = await readTime(settings, names, callApi);
  const serverName = server.server_name;
  const asking = { clock, system, connect, client, inbox: `${inbox}.sync` };
  const sync = await readSyncFacts({ ...asking, serverName, streams });
  return { facts: { server, streams, sync }, aheadMs };
}

const timeQuestions = 3;

/**
 * The server tells its time with a stream. As if it had done so just now: its clock may be further by what the
 * answer took, so nothing is early by it. The wall clock of this process may jump.
 */
async function readTime(
  { clock }: NatsSettings,
  { streams }: Names,
  callApi: CallApi,
): Promise<number> {
  let aheadMs = Number.NEGATIVE_INFINITY;
  // The quickest answer says it best.
  for (let asked = 0; asked < timeQuestions; asked++) {
    const { ts } = await callApi<{ ts: string }>(`STREAM.INFO.${streams.volatile}`);
    aheadMs = Math.max(aheadMs, Date.parse(ts) - clock.monotonicMs());
  }
  return aheadMs;
}
