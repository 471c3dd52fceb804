/** Taking messages in: checked, recognised when they are repeated, given a position. */
import { ColloquyError, type ErrorInfo, errorInfo } from "../../errors.ts";
import type { EnqueueOutcome, QueuedMessage } from "../broker.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { full } from "./limits.ts";
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
      const outcome: EnqueueOutcome = { kind: "rejected", error: undeclared(this.#queue) };
      this.#outcomes = this.#batch.map(() => outcome);
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

  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "rejected";
    const outcome: EnqueueOutcome = { kind, error: errorInfo(error) };
    this.#tell(this.#batch.map(() => outcome));
  }
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
  const problem = problemOf(core, changes.queue, message);
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

/** Why the message cannot be stored now; undefined when it can, or is a duplicate. */
export function problemOf(
  core: Core,
  queue: Queue,
  message: QueuedMessage,
): ColloquyError | undefined {
  const { limits, markers, producers, deadLetters } = core;
  const invalid = invalidField(message);
  if (invalid !== undefined) {
    return new ColloquyError("INVALID_MESSAGE", invalid, { details: { queue: queue.name } });
  }
  const frameBytes = message.frame.length;
  if (frameBytes > limits.frameBytesMax) return tooLarge("frame", frameBytes, limits.frameBytesMax);
  if (queue.live >= limits.queueMessagesMax)
    return full("queueMessagesMax", limits.queueMessagesMax);
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
  if (obstacle === undefined) return undefined;
  return new ColloquyError(
    "INVALID_MESSAGE",
    `origin: sequence ${message.origin?.sequence} does not follow from repeatsFrom`,
    { details: { field: "origin", ...message.origin } },
  );
}

export function tooLarge(field: string, bytes: number, limit: number): ColloquyError {
  return new ColloquyError("MESSAGE_TOO_LARGE", `${field}: ${bytes} bytes, more than ${limit}`, {
    details: { field, limit, unit: "bytes", size: bytes },
  });
}

function invalidField(message: QueuedMessage): string | undefined {
  const { lane, key, id, notBeforeMs, expiresAtMs } = message;
  if (lane !== 0 && lane !== 1 && lane !== 2 && lane !== 3) return `lane: ${String(lane)}`;
  if (key !== undefined && key.length > keyCharactersMax) {
    return `key: ${key.length} characters, more than ${keyCharactersMax}`;
  }
  if (id.length > idCharactersMax) {
    return `id: ${id.length} characters, more than ${idCharactersMax}`;
  }
  if (notBeforeMs !== undefined && !(notBeforeMs >= 0)) return `notBeforeMs: ${notBeforeMs}`;
  if (expiresAtMs !== undefined && !(expiresAtMs > 0)) return `expiresAtMs: ${expiresAtMs}`;
  return undefined;
}
