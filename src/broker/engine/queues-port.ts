/** The port `Queues` of one connection. */
import { ColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import type {
  EnqueueOutcome,
  MailboxInfo,
  QueuedMessage,
  Queues,
  ReceiveOptions,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
} from "../broker.ts";
import { GiveAnswer } from "./answer.ts";
import { browse } from "./browse.ts";
import { Cancel } from "./cancel.ts";
import { Purge, Replay } from "./dead-letter-operations.ts";
import { Enqueue } from "./intake.ts";
import { Receivers } from "./leases.ts";
import { checkQueueName, Declare, Remove } from "./mailboxes.ts";
import { Ask, note } from "./report.ts";
import { answer, type Session } from "./session.ts";
import { Settle, settlementBytes } from "./settle.ts";
import { track } from "./track.ts";

/** Messages or settlements in one operation; a longer batch becomes several. */
const batchMax = 1_024;

export function queuesPort(session: Session, onRemoved: (queueNumber: number) => void): Queues {
  const { core, check } = session;
  const { groupBytesMax } = core.limits;
  const receivers = new Receivers(core);
  onAbort(session.signal, () => receivers.close(session.signal.reason));
  const enqueueBatch = (queue: string, batch: readonly QueuedMessage[], signal?: AbortSignal) =>
    answer<readonly EnqueueOutcome[]>(session, signal, (resolve) =>
      core.groups.stage(new Enqueue(core, queue, batch, resolve)),
    );
  const settleBatch = (batch: readonly Settlement[]) =>
    answer<readonly SettleOutcome[]>(session, undefined, (resolve) =>
      core.groups.stage(new Settle(session, batch, resolve)),
    );
  return {
    declare: (queues, signal) =>
      answer(session, signal, (resolve, reject) => {
        for (const queue of queues) checkQueueName(queue);
        const tell = (error: unknown) => (error === undefined ? resolve() : reject(error));
        core.groups.stage(new Declare(core, queues, tell));
      }),
    remove: (queues, signal) =>
      answer(session, signal, (resolve, reject) => {
        const tell = (error: unknown) => (error === undefined ? resolve() : reject(error));
        core.groups.stage(new Remove(core, queues, onRemoved, tell));
      }),
    mailboxes: (signal) => answer(session, signal, (resolve) => resolve(mailboxes(session))),
    enqueue: (queue, messages, signal) =>
      inBatches(messages, frameBytes, groupBytesMax, (batch) => enqueueBatch(queue, batch, signal)),
    receive: (queue, options, signal) => ({
      [Symbol.asyncIterator]: () => {
        try {
          check();
          checkReceive(queue, options);
          return receivers.open(queue, options, signal);
        } catch (error) {
          return failing(error);
        }
      },
    }),
    settle: (settlements) => inBatches(settlements, settlementBytes, groupBytesMax, settleBatch),
    report: (reports) => report(session, reports),
    cancel: (queue, position, { signal, ...options } = {}) =>
      answer(session, signal, (resolve, reject) => {
        const input = { queue, position, ...options };
        core.groups.stage(new Cancel(core, input, resolve, reject));
      }),
    answer: (queue, position, given, signal) =>
      answer(session, signal, (resolve, reject) =>
        core.groups.stage(new GiveAnswer(core, { queue, position }, given, resolve, reject)),
      ),
    track: (queue, position, options = {}) => {
      try {
        check();
        throwIfAborted(options.signal);
        return track(core, queue, position, options, session.signal);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    browse: (queue, range, signal) => browse(session, queue, range, signal),
    deadLetters: async function* (range, signal) {
      let { after = 0, limit: left = Number.POSITIVE_INFINITY } = range;
      while (left > 0) {
        check();
        throwIfAborted(signal);
        const letters = core.deadLetters.list(after, Math.min(left, 64));
        const last = letters.at(-1);
        if (last === undefined) return;
        after = last.number;
        left -= letters.length;
        yield letters.map(({ message: _, ...letter }) => letter);
      }
    },
    replay: (numbers, signal) =>
      answer(session, signal, (resolve, reject) =>
        core.groups.stage(new Replay(core, numbers, resolve, reject)),
      ),
    purge: (numbers, signal) =>
      answer(session, signal, (resolve, reject) =>
        core.groups.stage(new Purge(core, numbers, resolve, reject)),
      ),
  };
}

/** What is volatile is noted at once, what is durable goes through a group. */
function report(session: Session, reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
  const { core } = session;
  return Promise.all(
    reports.map((each) =>
      answer<ReportOutcome>(session, undefined, (resolve) => {
        if (each.kind === "waiting-input") core.groups.stage(new Ask(core, each, resolve));
        else resolve(note(core, each));
      }),
    ),
  );
}

/** @throws INVALID_ADDRESS or INVALID_OPTION naming what cannot be received like that. */
function checkReceive(queue: string, { credit }: ReceiveOptions): void {
  checkQueueName(queue);
  if (credit >= 1) return;
  throw new ColloquyError("INVALID_OPTION", `credit: ${credit}`, {
    details: { field: "credit", value: credit },
  });
}

function failing(error: unknown): AsyncIterator<never, undefined> {
  return { next: () => Promise.reject(error) };
}

function mailboxes({ core }: Session): readonly MailboxInfo[] {
  return [...core.directory.all()].map((queue) => {
    let offered = 0;
    for (const slot of queue.active?.held.values() ?? []) if (slot.state === "held") offered++;
    const { name, live: waiting, receivers } = queue;
    return { queue: name, waiting, offered, receivers: receivers.length };
  });
}

function frameBytes({ frame }: QueuedMessage): number {
  return frame.length;
}

/** As it is, where it fits into one operation, and else in several, one after the other. */
function inBatches<Item, Result>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  bytesMax: number,
  run: (batch: readonly Item[]) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  const runs: Promise<readonly Result[]>[] = [];
  let from = 0;
  let bytes = 0;
  for (let index = 0; index < items.length; index++) {
    const more = bytesOf(items[index] as Item);
    if (index > from && (bytes + more > bytesMax || index - from === batchMax)) {
      runs.push(run(items.slice(from, index)));
      from = index;
      bytes = 0;
    }
    bytes += more;
  }
  const last = run(from === 0 ? items : items.slice(from));
  if (runs.length === 0) return last;
  return Promise.all([...runs, last]).then((results) => results.flat());
}
