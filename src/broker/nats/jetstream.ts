/** Writing to and reading from JetStream streams, without the queues' consumers. */
import type { ColloquyError } from "../../errors.ts";
import { isColloquyError } from "../../errors.ts";
import { cancelledError, onAbort, throwIfAborted } from "../../runtime/abort.ts";
import { sleep } from "../../runtime/sleep.ts";
import { parseAnswer } from "./api-answer.ts";
import type { HeaderPairs, NatsMessage } from "./client.ts";
import type { NatsLink } from "./connection.ts";
import { apiCodes, apiError, noResponders, unanswered } from "./errors.ts";
import type { StreamKind } from "./names.ts";
import { Tries, tryAgain } from "./tries.ts";

export interface StreamMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers?: HeaderPairs;
}

export interface PublishAcknowledgement {
  readonly seq: number;
  /** It was stored before, under the same id. */
  readonly duplicate: boolean;
}

/** A message as a stream keeps it. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  /** When the server stored it, milliseconds since 1970. */
  readonly atMs: number;
  readonly data: Uint8Array;
  /** Of a header; "" where there is none. */
  header(name: string): string;
}

/** Messages of one atomic batch. */
export const batchMessagesMax = 1_000;

/** How long a publication may be repeated: well within the window in which the server knows it again. */
const publishRepeatMs = 60_000;
/** Subjects that one reading may name. */
const subjectsMax = 512;
/** Messages and bytes of one page. */
const pageMessages = 512;
const pageBytes = 4 * 2 ** 20;

/** Headers of JetStream that this broker sets. */
export const jsHeaders = {
  /** Refused with CONFLICT unless the last message of the subject has this sequence; 0: there is none. */
  expectedLast: "Nats-Expected-Last-Subject-Sequence",
  messageId: "Nats-Msg-Id",
  /** Whole seconds, as "5s"; at least one. */
  ttl: "Nats-TTL",
} as const;

export interface PublishOptions {
  readonly signal?: AbortSignal | undefined;
  /** Nobody ever writes to the subjects again: a conflict is another's message, whatever was lost before. */
  readonly immutable?: boolean;
}

/**
 * Stores one message, durably as the stream is. After a lost connection it is sent again under the same
 * id, by which it is recognised.
 *
 * @throws CONFLICT where the expected sequence is not the last; INDETERMINATE; QUEUE_FULL; and what
 *   `NatsLink.request` throws.
 */
export async function publish(
  link: NatsLink,
  message: StreamMessage,
  what: string,
  given: AbortSignal | PublishOptions = {},
): Promise<PublishAcknowledgement> {
  const options = given instanceof AbortSignal ? { signal: given } : given;
  const { subject, payload } = message;
  const id = message.headers?.[jsHeaders.messageId] ?? link.newId();
  const headers = { ...message.headers, [jsHeaders.messageId]: id };
  return await untilKnown(link, what, options, {
    send: async () => {
      const { signal } = options;
      return acknowledgement(
        await link.requestOnce(subject, payload, { what, headers, signal }),
        what,
      );
    },
    maySendAgain: true,
    find: async () => await find(link, subject, jsHeaders.messageId, id, 0),
  });
}

/**
 * Stores up to 1,000 messages of one stream at once: all of them, in consecutive sequences, or none. A
 * message may come with an expected sequence, but not with an id. After a lost connection a batch in
 * which one does is sent again: it cannot be stored twice.
 *
 * On a stream in a file the server takes tens of milliseconds for a batch, however long it is; a single
 * message is better published alone.
 *
 * @returns of the last message.
 * @throws CONFLICT, and nothing was stored; INDETERMINATE when the connection was lost on the way.
 */
export async function publishBatch(
  link: NatsLink,
  messages: readonly StreamMessage[],
  what: string,
  given: AbortSignal | PublishOptions = {},
): Promise<PublishAcknowledgement> {
  const options = given instanceof AbortSignal ? { signal: given } : given;
  if (messages.length === 0) throw new TypeError("an empty batch");
  if (messages.length > batchMessagesMax) {
    const description = `${messages.length} messages at once, the limit is ${batchMessagesMax}`;
    throw apiError({ code: 400, err_code: apiCodes.batchTooLarge, description }, what);
  }
  const id = link.newId();
  const guard = guardOf(messages);
  return await untilKnown(link, what, options, {
    send: () => sendBatch(link, messages, { what, id, guard, signal: options.signal }),
    maySendAgain: guard !== undefined,
    find: async () => {
      if (guard === undefined) return undefined;
      const { subject } = messages[guard] as StreamMessage;
      return await find(link, subject, writeHeader, id, messages.length - 1 - guard);
    },
  });
}

/** Which batch it was, on the message by which a batch is recognised. */
const writeHeader = "Colloquy-Write";

/** Index of a message that is refused when it comes twice, and stays the last of its subject. */
function guardOf(messages: readonly StreamMessage[]): number | undefined {
  const lastAt = new Map(messages.map(({ subject }, index) => [subject, index]));
  const index = messages.findIndex(
    ({ subject, headers }, at) =>
      headers?.[jsHeaders.expectedLast] !== undefined && lastAt.get(subject) === at,
  );
  return index === -1 ? undefined : index;
}

/** What was published, where it is the last of `subject` now. */
async function find(
  link: NatsLink,
  subject: string,
  header: string,
  id: string,
  behind: number,
): Promise<PublishAcknowledgement | undefined> {
  const [found] = await lastOf(link, link.names.streamOf(subject), [subject]);
  if (found?.header(header) !== id) return undefined;
  return { seq: found.seq + behind, duplicate: true };
}

interface Sending {
  readonly send: () => Promise<PublishAcknowledgement>;
  /** It is not stored twice when it comes twice. */
  readonly maySendAgain: boolean;
  /** Looks for what was sent. */
  readonly find: () => Promise<PublishAcknowledgement | undefined>;
}

/** Sends until it is known what has become of it, or that cannot be known any more. */
async function untilKnown(
  link: NatsLink,
  what: string,
  { signal, immutable = false }: PublishOptions,
  { send, maySendAgain, find }: Sending,
): Promise<PublishAcknowledgement> {
  const tries = new Tries(link, { forMs: publishRepeatMs, maySendAgain });
  for (;;) {
    await link.whenReady(signal);
    try {
      return await send();
    } catch (error) {
      if (isColloquyError(error, "CONFLICT") && tries.mayHaveHappened) {
        const found = await find();
        if (found !== undefined) return found;
        // It was stored, and written over since; or never.
        throw immutable ? error : unanswered(what, "the connection was lost", error);
      }
      const delayMs = tries.delayMs(error);
      if (delayMs === undefined) throw tries.mayHaveHappened ? orUnanswered(error, what) : error;
      if (delayMs > 0) await sleep(link.clock, delayMs, signal);
    }
  }
}

/** What is refused now may have been stored before. */
function orUnanswered(error: unknown, what: string): unknown {
  const { code = "" } = error as { readonly code?: string };
  const isKnown = ["INDETERMINATE", "CLOSED", "CANCELLED"].includes(code);
  return isKnown ? error : unanswered(what, "the connection was lost", error);
}

/**
 * Before who has lost against others looks again. A cluster refuses what meets something that is still on
 * its way through it, which nobody can see yet.
 */
export async function afterConflict(
  link: NatsLink,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (attempt === 1) return;
  const delayMs = link.random.float() * Math.min(conflictMsMax, 2 ** attempt);
  await sleep(link.clock, delayMs, signal);
}

const conflictMsMax = 200;

interface BatchSending {
  readonly what: string;
  /** By which `guard`, the index of a message, can be found again. */
  readonly id?: string;
  readonly guard?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** As `publishBatch`, once, over the connection that there is now. */
export async function sendBatch(
  link: NatsLink,
  messages: readonly StreamMessage[],
  { what, id = "", guard, signal }: BatchSending,
): Promise<PublishAcknowledgement> {
  // Another one each time: of the last the server may still have a part.
  const batch = link.newId();
  const last = messages.length - 1;
  const headersOf = (index: number): HeaderPairs => ({
    ...messages[index]?.headers,
    ...(index === guard ? { [writeHeader]: id } : {}),
    "Nats-Batch-Id": batch,
    "Nats-Batch-Sequence": `${index + 1}`,
    ...(index === last ? { "Nats-Batch-Commit": "1" } : {}),
  });
  // In one go: what is lost of it is lost from some point on, and without its end it is nothing.
  throwIfAborted(signal);
  for (const [index, { subject, payload }] of messages.slice(0, -1).entries()) {
    link.publish(subject, payload, { headers: headersOf(index) });
  }
  const { subject, payload } = messages[last] as StreamMessage;
  return acknowledgement(
    await link.requestOnce(subject, payload, { what, headers: headersOf(last), signal }),
    what,
  );
}

function acknowledgement(answer: NatsMessage, what: string): PublishAcknowledgement {
  const { seq, duplicate = false } = parseAnswer<Partial<PublishAcknowledgement>>(answer, what);
  return { seq: seq as number, duplicate };
}

/**
 * The last message of each subject, or undefined. Where the stream has one copy it is read from there in
 * one question; else from its leader, one question each, so that what was acknowledged is seen.
 */
export async function lastOf(
  link: NatsLink,
  kind: StreamKind,
  subjects: readonly string[],
  signal?: AbortSignal,
): Promise<readonly (StoredMessage | undefined)[]> {
  if (link.facts.streams[kind].config.num_replicas > 1) {
    return await Promise.all(subjects.map((subject) => lastOfLeader(link, kind, subject, signal)));
  }
  const found = new Map<string, StoredMessage>();
  for (let begin = 0; begin < subjects.length; begin += subjectsMax) {
    const question = { multi_last: [...new Set(subjects.slice(begin, begin + subjectsMax))] };
    const { messages } = await getDirectly(link, kind, question, signal);
    for (const message of messages) found.set(message.subject, message);
  }
  return subjects.map((subject) => found.get(subject));
}

/** The last message of all subjects that `filter` matches. */
export async function lastMatching(
  link: NatsLink,
  kind: StreamKind,
  filter: string,
  signal?: AbortSignal,
): Promise<StoredMessage | undefined> {
  return await lastOfLeader(link, kind, filter, signal);
}

async function lastOfLeader(
  link: NatsLink,
  kind: StreamKind,
  subject: string,
  signal: AbortSignal | undefined,
): Promise<StoredMessage | undefined> {
  const name = `STREAM.MSG.GET.${link.names.streams[kind]}`;
  try {
    const answer = await link.api<LeaderAnswer>(name, { last_by_subj: subject }, signal);
    return leaderMessage(answer.message);
  } catch (error) {
    if (isColloquyError(error, "NOT_FOUND") && link.isReady) return undefined;
    throw error;
  }
}

interface LeaderAnswer {
  readonly message: {
    readonly subject: string;
    readonly seq: number;
    readonly time: string;
    /** Base 64. */
    readonly data?: string;
    readonly hdrs?: string;
  };
}

function leaderMessage({
  subject,
  seq,
  time,
  data = "",
  hdrs,
}: LeaderAnswer["message"]): StoredMessage {
  let headers: ReadonlyMap<string, string> | undefined;
  const parse = () =>
    new Map(
      Buffer.from(hdrs ?? "", "base64")
        .toString()
        .split("\r\n")
        .slice(1)
        .map((line): [string, string] => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon), line.slice(colon + 1).trim()];
        }),
    );
  return {
    subject,
    seq,
    atMs: Date.parse(time),
    data: Buffer.from(data, "base64"),
    header: (header) => {
      headers ??= parse();
      return headers.get(header) ?? "";
    },
  };
}

export interface Page {
  readonly messages: readonly StoredMessage[];
  /** Messages behind them that match, as of now. */
  readonly pending: number;
}

/**
 * Messages that `filter` matches, from the sequence `from` on, in order of sequence: as many as fit into
 * one page. `pending` above 0 says that there are more.
 */
export async function readPage(
  link: NatsLink,
  kind: StreamKind,
  filter: string,
  from: number,
  signal?: AbortSignal,
  messagesMax: number = pageMessages,
): Promise<Page> {
  const question = { seq: from, next_by_subj: filter, batch: messagesMax, max_bytes: pageBytes };
  return await getDirectly(link, kind, question, signal);
}

/** @throws as `NatsLink.request`; reading is repeated after a lost connection. */
async function getDirectly(
  link: NatsLink,
  kind: StreamKind,
  question: object,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const payload = new TextEncoder().encode(JSON.stringify(question));
  const collecting = () => collect(link, link.names.streams[kind], payload, signal);
  return await tryAgain(link, signal, collecting);
}

function collect(
  link: NatsLink,
  stream: string,
  payload: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const what = `reading ${stream}`;
  const messages: StoredMessage[] = [];
  return new Promise((resolve, reject) => {
    const settle = (error: ColloquyError | undefined, pending = 0): false => {
      forget();
      if (error === undefined) resolve({ messages, pending });
      else reject(error);
      return false;
    };
    const giveUp = link.ask(`$JS.API.DIRECT.GET.${stream}`, payload, {
      answered: (message) => {
        const { code = 0, description = "" } = message.headers ?? {};
        if (code === 0) {
          messages.push(storedMessage(message));
          return true;
        }
        if (code === 404) return settle(undefined);
        if (code === 204)
          return settle(undefined, Number(message.headers?.get("Nats-Num-Pending")));
        return settle(code === 503 ? noResponders(what) : apiError({ code, description }, what));
      },
      failed: (why, refusal) => settle(refusal ?? link.failure ?? unanswered(what, why)),
    });
    const forget = onAbort(signal, () => {
      giveUp();
      reject(cancelledError(signal as AbortSignal));
    });
  });
}

/** What the server has sent a copy of: read directly, or told of when it was stored. */
export function storedMessage({ headers, data }: NatsMessage): StoredMessage {
  const header = (name: string): string => headers?.get(name) ?? "";
  return {
    subject: header("Nats-Subject"),
    seq: Number(header("Nats-Sequence")),
    get atMs() {
      return Date.parse(header("Nats-Time-Stamp"));
    },
    data,
    header,
  };
}
