/** The three JetStream streams of a fabric: how they have to be, and that they are. */
import { ColloquyError } from "../../errors.ts";
import { apiCodeOf, apiCodes } from "./errors.ts";
import type { Names, StreamKind } from "./names.ts";

/** A stream's configuration, as far as this broker sets it. */
export interface StreamConfig {
  readonly name: string;
  readonly description?: string;
  readonly subjects: readonly string[];
  readonly retention: "limits" | "workqueue";
  readonly storage: "file" | "memory";
  readonly discard: "new";
  readonly num_replicas: number;
  readonly max_msgs_per_subject: number;
  /** Nanoseconds. */
  readonly duplicate_window: number;
  readonly allow_direct: boolean;
  readonly allow_msg_ttl: boolean;
  readonly allow_atomic: boolean;
  readonly allow_rollup_hdrs: boolean;
  readonly first_seq?: number;
  /** The server tells, on core NATS, what it has stored. */
  readonly republish?: { readonly src: string; readonly dest: string };
}

export interface StreamInfo {
  readonly config: StreamConfig;
  /** When it was made, as RFC 3339. */
  readonly created: string;
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
  readonly cluster?: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly name: string; readonly current: boolean }[];
  };
  /** The server's time, as RFC 3339. */
  readonly ts: string;
}

export type StreamInfos = Readonly<Record<StreamKind, StreamInfo>>;

/** Calls JetStream's API. */
export type CallApi = <Answer>(name: string, body?: unknown) => Promise<Answer>;

export interface StreamChoices {
  readonly replicas: number;
  readonly duplicateWindowMs: number;
}

const nanosecondsPerMs = 1_000_000;
/** How long one message that was sent again after a lost connection is recognised; see jetstream.ts. */
const repetitionsMs = 120_000;

/**
 * Revisions of volatile entries begin at the time in microseconds. A server that has lost its memory
 * makes the stream anew: they go on above those it gave before, and above those of kept entries.
 */
const revisionsPerMs = 1_000;

/** @param nowMs - by the server's clock. */
function configs(
  names: Names,
  { replicas, duplicateWindowMs }: StreamChoices,
  nowMs: number,
): Readonly<Record<StreamKind, StreamConfig>> {
  const { prefix, streams } = names;
  const common = {
    discard: "new",
    num_replicas: replicas,
    duplicate_window: repetitionsMs * nanosecondsPerMs,
    allow_direct: true,
    allow_msg_ttl: true,
    allow_atomic: true,
    allow_rollup_hdrs: true,
  } as const;
  return {
    work: {
      ...common,
      name: streams.work,
      description: "colloquy: messages that wait in queues",
      subjects: [`${prefix}.w.>`],
      retention: "workqueue",
      storage: "file",
      duplicate_window: Math.round(duplicateWindowMs * nanosecondsPerMs),
      max_msgs_per_subject: -1,
    },
    state: {
      ...common,
      name: streams.state,
      description: "colloquy: store, log, records of queues",
      subjects: [`${prefix}.s.>`, `${prefix}.l.>`, `${prefix}.m.>`],
      retention: "limits",
      storage: "file",
      max_msgs_per_subject: 1,
      republish: { src: `${prefix}.m.q.>`, dest: `${prefix}.n.r.>` },
    },
    volatile: {
      ...common,
      name: streams.volatile,
      description: "colloquy: volatile entries of the store, who receives",
      subjects: [`${prefix}.v.>`, `${prefix}.r.>`],
      retention: "limits",
      storage: "memory",
      max_msgs_per_subject: 1,
      first_seq: nowMs * revisionsPerMs,
    },
  };
}

/**
 * Makes the streams that are not there, and checks those that are.
 *
 * @throws INVALID_OPTION naming the setting of a stream that is other than this broker needs it.
 */
export async function ensureStreams(
  callApi: CallApi,
  names: Names,
  choices: StreamChoices,
): Promise<StreamInfos> {
  const ensure = (kind: StreamKind, nowMs: number) =>
    ensureStream(callApi, configs(names, choices, nowMs)[kind]);
  const state = await ensure("state", 0);
  const nowMs = Date.parse(state.ts);
  const [work, volatile] = await Promise.all([ensure("work", nowMs), ensure("volatile", nowMs)]);
  return { work, state, volatile };
}

async function ensureStream(callApi: CallApi, config: StreamConfig): Promise<StreamInfo> {
  const info = (await infoOf(callApi, config.name)) ?? (await create(callApi, config));
  assertConfig(info.config, config);
  return info;
}

async function infoOf(callApi: CallApi, name: string): Promise<StreamInfo | undefined> {
  try {
    return await callApi<StreamInfo>(`STREAM.INFO.${name}`);
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.streamNotFound) return undefined;
    throw error;
  }
}

async function create(callApi: CallApi, config: StreamConfig): Promise<StreamInfo> {
  try {
    return await callApi<StreamInfo>(`STREAM.CREATE.${config.name}`, config);
  } catch (error) {
    // Somebody else was quicker, with the same but for a moment.
    if (apiCodeOf(error) !== apiCodes.streamNameInUse) throw error;
    return await callApi<StreamInfo>(`STREAM.INFO.${config.name}`);
  }
}

/** An old server leaves out what it does not know, and takes messages that it then treats as others. */
const needed = [
  "retention",
  "storage",
  "discard",
  "max_msgs_per_subject",
  "allow_direct",
  "allow_msg_ttl",
  "allow_atomic",
] as const satisfies readonly (keyof StreamConfig)[];

function assertConfig(found: StreamConfig, wanted: StreamConfig): void {
  for (const field of needed) {
    if (found[field] === wanted[field]) continue;
    throw wrongStream(wanted.name, field, found[field], wanted[field]);
  }
  if (found.republish?.dest !== wanted.republish?.dest) {
    throw wrongStream(wanted.name, "republish", found.republish?.dest, wanted.republish?.dest);
  }
  const missing = wanted.subjects.find((subject) => !found.subjects.includes(subject));
  if (missing === undefined) return;
  throw wrongStream(wanted.name, "subjects", found.subjects, missing);
}

function wrongStream(stream: string, field: string, found: unknown, wanted: unknown) {
  const message = `nats: the stream ${stream} has ${field} ${found}, and must have ${wanted}; delete it, or choose another prefix`;
  return new ColloquyError("INVALID_OPTION", message, {
    details: { field: "prefix", stream, setting: field, found: String(found), limit: wanted },
  });
}
