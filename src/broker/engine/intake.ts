/** Taking messages in: checked, recognised when they are repeated, given a position. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import type { EnqueueOutcome, Origin, QueuedMessage } from "../broker.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { full, short } from "./limits.ts";
import type { Queue } from "./queue.ts";
import type { QueueChanges } from "./queue-changes.ts";

/** Characters of an order key, which the network layer makes of a sender and the user's key. */
const keyCharactersMax = 1_024;
const idCharactersMax = 256;

export class Enqueue implements Operation {
  readonly messages: number;
  readonly bytes: number;
  readonly #core: Core;
  readonly #queue: string;
  readonly #batch: readonly QueuedMessage[];
  readonly #tell: (outcomes: readonly EnqueueOutcome[]) => void;
  #outcomes: readonly EnqueueOutcome[] = [];

  constructor(
    core: Core,
    queue: string,
    batch: readonly QueuedMessage[],
    tell: (outcomes: readonly EnqueueOutcome[]) => void,
  ) {
    this.#core = core;
    this.#queue = queue;
    this.#batch = batch;
    this.#tell = tell;
    this.messages = batch.length;
    let bytes = 0;
    for (const { frame } of batch) bytes += frame.length;
    this.bytes = bytes;
  }

  decide(group: Group): void {
    const core = this.#core;
    const queue = core.directory.declared(this.#queue);
    if (queue === undefined) {
      // What is repeated may have been delivered before the mailbox was removed.
      const outcome: EnqueueOutcome = { kind: "rejected", error: undeclared(this.#queue) };
      this.#outcomes = this.#batch.map((each) => storedBefore(core, undefined, each) ?? outcome);
      return;
    }
    const changes = core.changes.of(queue, group);
    const outcomes: EnqueueOutcome[] = [];
    for (const message of this.#batch) outcomes.push(take(core, group, changes, message));
    this.#outcomes = outcomes;
  }

  committed(): void {
    this.#tell(this.#outcomes);
  }

  /** What an earlier group has stored is stored, whatever became of the group of its repetition. */
  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "rejected";
    const outcome: EnqueueOutcome = { kind, error: errorInfo(error) };
    const queue = this.#core.directory.declared(this.#queue);
    this.#tell(this.#batch.map((message) => storedBefore(this.#core, queue, message) ?? outcome));
  }
}

function storedBefore(
  { producers, markers }: Core,
  queue: Queue | undefined,
  { origin, guarantee, id }: QueuedMessage,
): EnqueueOutcome | undefined {
  const before = origin === undefined ? undefined : producers.find(origin);
  const once = queue !== undefined && guarantee === "exactly-once";
  const position = before?.position ?? (once ? markers.find(queue.number, id) : 0);
  return position === 0 ? undefined : { kind: "stored", position, duplicate: true };
}

export function undeclared(queue: string): ErrorInfo {
  return errorInfo(
    new ColloquyError("NO_ELIGIBLE_AGENT", `no mailbox "${queue}" was declared`, {
      details: { queue },
    }),
  );
}

/** Stores the message, unless it was stored before or there is a reason against it. */
function take(
  core: Core,
  group: Group,
  changes: QueueChanges,
  message: QueuedMessage,
): EnqueueOutcome {
  const before = message.origin === undefined ? undefined : core.producers.find(message.origin);
  if (before !== undefined) return { kind: "stored", position: before.position, duplicate: true };
  const problem = problemOf(core, changes.queue, message) ?? shortageOf(core);
  if (problem !== undefined) return { kind: "rejected", error: errorInfo(problem) };
  return store(core, group, changes, message);
}

/** Stores the message, unless it is an exactly-once message that was stored before. */
export function store(
  core: Core,
  group: Group,
  changes: QueueChanges,
  message: QueuedMessage,
): EnqueueOutcome {
  const { markers, producers } = core;
  const { queue } = changes;
  const { origin, notBeforeMs } = message;
  const once = message.guarantee === "exactly-once";
  const first = once ? markers.find(queue.number, message.id) : 0;
  if (first !== 0) return { kind: "stored", position: first, duplicate: true };
  const scheduled = notBeforeMs !== undefined && notBeforeMs > group.nowMs;
  const position = scheduled ? changes.schedule(message, notBeforeMs) : changes.arrive(message);
  if (once) markers.add(group, position);
  if (origin !== undefined) producers.add(group, origin, { queueNumber: queue.number, position });
  return { kind: "stored", position, duplicate: false };
}

/** What a settlement has as its effect is taken even then: it ends work. */
export function shortageOf({ storage }: Core): ColloquyError<"QUEUE_FULL"> | undefined {
  const { shortage } = storage;
  return shortage === undefined ? undefined : short(shortage);
}

/** Why the message cannot be stored now; undefined when it can, or is a duplicate. */
export function problemOf(
  core: Core,
  queue: Queue,
  message: QueuedMessage,
): ColloquyError | undefined {
  const { limits, markers, producers, deadLetters } = core;
  const field = invalidField(message);
  if (field !== undefined) return invalid(field, message[field]);
  const frameBytes = message.frame.length;
  if (frameBytes > limits.frameBytesMax) return tooLarge("frame", frameBytes, limits.frameBytesMax);
  if (queue.live >= limits.queueMessagesMax) {
    return full("queueMessagesMax", limits.queueMessagesMax);
  }
  if (queue.bytes + frameBytes > limits.queueBytesMax) {
    return full("queueBytesMax", limits.queueBytesMax);
  }
  if (deadLetters.full) return full("deadLettersMax", limits.deadLettersMax);
  if (
    message.guarantee === "exactly-once" &&
    markers.full &&
    markers.find(queue.number, message.id) === 0
  ) {
    return full("dedupeIdsMax", limits.dedupeIdsMax);
  }
  const obstacle = message.origin === undefined ? undefined : producers.obstacle(message.origin);
  if (obstacle === "producersMax") return full("producersMax", limits.producersMax);
  return obstacle === undefined ? undefined : invalid("origin", message.origin);
}

export function tooLarge(field: string, bytes: number, limit: number): ColloquyError {
  return new ColloquyError("MESSAGE_TOO_LARGE", `${field}: ${bytes} bytes, more than ${limit}`, {
    details: { field, limit, unit: "bytes", size: bytes },
  });
}

function invalid(field: keyof QueuedMessage, value: unknown): ColloquyError {
  const shown = JSON.stringify(value)?.slice(0, 200);
  return new ColloquyError("INVALID_MESSAGE", `${field}: ${shown} is not ${expected[field]}`, {
    details: { field, value: shown, limit: expected[field] },
  });
}

/** What each field has to be, for the error. */
const expected: Readonly<Record<keyof QueuedMessage, string>> = {
  frame: "bytes",
  lane: "0, 1, 2 or 3",
  guarantee: "at-most-once, at-least-once or exactly-once",
  id: `at most ${idCharactersMax} characters`,
  key: `at most ${keyCharactersMax} characters`,
  notBeforeMs: "a time, milliseconds since 1970",
  expiresAtMs: "a time, milliseconds since 1970",
  origin: "an incarnation, and a sequence that repeatsFrom allows",
};

function invalidField(message: QueuedMessage): keyof QueuedMessage | undefined {
  const { lane, key, id, notBeforeMs, expiresAtMs, origin } = message;
  if (lane !== 0 && lane !== 1 && lane !== 2 && lane !== 3) return "lane";
  if (id.length > idCharactersMax) return "id";
  if (key !== undefined && key.length > keyCharactersMax) return "key";
  if (notBeforeMs !== undefined && !(notBeforeMs >= 0)) return "notBeforeMs";
  if (expiresAtMs !== undefined && !(expiresAtMs > 0)) return "expiresAtMs";
  return origin === undefined || isOrigin(origin) ? undefined : "origin";
}

function isOrigin({ incarnation, sequence, repeatsFrom }: Origin): boolean {
  const { length } = incarnation;
  return (
    length > 0 &&
    length <= idCharactersMax &&
    Number.isSafeInteger(sequence) &&
    Number.isSafeInteger(repeatsFrom) &&
    repeatsFrom >= 0
  );
}
