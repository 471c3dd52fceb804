/** What a client can call. Parameters come from outside and are checked here. */

import type { Broker, Store } from "../broker/broker.ts";
import { logOf, storeOf } from "../broker/guarded.ts";
import { errorInfoFrom } from "../broker/hub/operations/error.ts";
import { ColloquyError } from "../errors.ts";
import type { BoundEntries } from "./bound-entries.ts";
import type { Cursors } from "./cursors.ts";
import { PacedChanges } from "./paced-changes.ts";
import {
  byteArrays,
  bytes,
  flag,
  members,
  number,
  numbers,
  optionalNumber,
  reports,
  storeWrites,
  text,
  texts,
} from "./parameters.ts";

export interface CallContext {
  readonly broker: Broker;
  readonly cursors: Cursors;
  readonly bound: BoundEntries;
  /** Of the call. */
  readonly number: number;
  /** Aborts when the client hangs up or its session ends. */
  readonly signal: AbortSignal;
  /** Sends more about the call. */
  readonly note: (value: unknown) => void;
  /** The call goes on after its answer, until `signal` aborts. */
  readonly stayOpen: () => void;
  /** True while as much waits for the client as may. */
  readonly slow: () => boolean;
  /** Resolves once nothing waits for it any more, or its link has ended. */
  readonly caughtUp: () => Promise<void>;
}

type Parameters = Readonly<Record<string, unknown>>;
type Method = (context: CallContext, parameters: Parameters) => Promise<unknown>;

const methods: Readonly<Record<string, Method>> = {
  "queues.declare": ({ broker, signal }, { queues }) =>
    broker.queues.declare(texts("queues", queues), signal),
  "queues.remove": ({ broker, signal }, { queues }) =>
    broker.queues.remove(texts("queues", queues), signal),
  "queues.mailboxes": ({ broker, signal }) => broker.queues.mailboxes(signal),
  "queues.report": ({ broker }, parameters) => broker.queues.report(reports(parameters["reports"])),
  "queues.cancel": ({ broker, signal }, { queue, position, ifUnstarted, reason }) =>
    broker.queues.cancel(text("queue", queue), number("position", position), {
      signal,
      ifUnstarted: flag("ifUnstarted", ifUnstarted),
      ...(reason === undefined ? {} : { reason: errorInfoFrom(reason) }),
    }),
  "queues.answer": ({ broker, signal }, { queue, position, number: question, data }) => {
    const answer = { number: number("number", question), data: bytes("data", data) };
    return broker.queues.answer(text("queue", queue), number("position", position), answer, signal);
  },
  "queues.browse": ({ broker, cursors, number: cursor }, { queue, after, limit }) =>
    cursors.open(
      cursor,
      (signal) => broker.queues.browse(text("queue", queue), range(after, limit), signal),
      ({ frame }) => frame.length,
    ),
  "queues.deadLetters": ({ broker, cursors, number: cursor }, { after, limit }) =>
    cursors.open(
      cursor,
      (signal) => broker.queues.deadLetters(range(after, limit), signal),
      ({ frame }) => frame.length,
    ),
  "queues.replay": ({ broker, signal }, parameters) =>
    broker.queues.replay(numbers("numbers", parameters["numbers"]), signal),
  "queues.purge": ({ broker, signal }, parameters) =>
    broker.queues.purge(numbers("numbers", parameters["numbers"]), signal),
  "store.get": async ({ broker, signal }, { keys }) => {
    const entries = await storeOf(broker).get(texts("keys", keys), signal);
    return entries.map((entry) => entry ?? null);
  },
  "store.put": ({ broker, bound, signal }, parameters) =>
    bound.put(storeOf(broker), storeWrites(parameters["writes"]), signal),
  "store.list": ({ broker, cursors, number: cursor }, { prefix, after }) =>
    cursors.open(
      cursor,
      (signal) => listAfter(storeOf(broker), text("prefix", prefix), text("after", after), signal),
      ({ value }) => value.length,
    ),
  "store.watch": async ({ broker, signal, note, stayOpen, slow, caughtUp }, { prefix }) => {
    stayOpen();
    const paced = new PacedChanges({ send: note, slow, caughtUp });
    await storeOf(broker).watch(text("prefix", prefix), (changes) => paced.tell(changes), signal);
  },
  "log.append": ({ broker, signal }, { stream, entries, at }) =>
    logOf(broker).append(
      text("stream", stream),
      byteArrays("entries", entries),
      optionalNumber("at", at),
      signal,
    ),
  "log.read": ({ broker, cursors, number: cursor }, { stream, from, follow }) =>
    cursors.open(
      cursor,
      (signal) =>
        logOf(broker).read(
          text("stream", stream),
          number("from", from),
          { follow: flag("follow", follow) },
          signal,
        ),
      ({ data }) => data.length,
    ),
  "cursor.more": ({ cursors }, { cursor }) => cursors.more(number("cursor", cursor)),
  "cursor.close": async ({ cursors }, { cursor }) => cursors.close(number("cursor", cursor)),
};

export const methodNames: readonly string[] = Object.keys(methods);

/** @throws UNSUPPORTED for an unknown method, INVALID_MESSAGE for parameters that it does not take. */
export async function callMethod(
  context: CallContext,
  method: string,
  parameters: unknown,
): Promise<unknown> {
  const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (run === undefined) throw new ColloquyError("UNSUPPORTED", `method: ${method} is unknown`);
  return run(context, members(parameters));
}

function range(after: unknown, limit: unknown): { after?: number; limit?: number } {
  const from = optionalNumber("after", after);
  const most = optionalNumber("limit", limit);
  return {
    ...(from === undefined ? {} : { after: from }),
    ...(most === undefined ? {} : { limit: most }),
  };
}

async function* listAfter(
  store: Store,
  prefix: string,
  after: string,
  signal: AbortSignal,
): AsyncGenerator<readonly { readonly key: string; readonly value: Uint8Array }[], void> {
  const behind = Buffer.from(after);
  for await (const batch of store.list(prefix, signal)) {
    yield after === "" ? batch : batch.filter(({ key }) => Buffer.from(key).compare(behind) > 0);
  }
}
