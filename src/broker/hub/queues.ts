/** The Queues of a hub: the hot operations have frames of their own, the rest are calls. */
import type {
  Answer,
  AnswerOutcome,
  BrowseRange,
  CancelOptions,
  CancelOutcome,
  DeadLetter,
  Delivery,
  EnqueueOutcome,
  MailboxInfo,
  MessageState,
  QueuedMessage,
  Queues,
  ReceiveOptions,
  Report,
  ReportOutcome,
  Settlement,
  SettleOutcome,
  StoredMessage,
  TrackOptions,
} from "../broker.ts";
import { unclearAnswer } from "../unclear.ts";
import type { Calls } from "./calls.ts";
import { readCursor } from "./cursor.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Intake } from "./intake.ts";
import type { Settlements } from "./settlements.ts";
import type { Tracks } from "./tracks.ts";

export interface HubQueuesParts {
  readonly intake: Intake;
  readonly deliveries: Deliveries;
  readonly settlements: Settlements;
  readonly tracks: Tracks;
  readonly calls: Calls;
}

export class HubQueues implements Queues {
  readonly #parts: HubQueuesParts;

  constructor(parts: HubQueuesParts) {
    this.#parts = parts;
  }

  enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    return this.#parts.intake.enqueue(queue, messages, signal);
  }

  receive(
    queue: string,
    options: ReceiveOptions,
    signal: AbortSignal,
  ): AsyncIterable<readonly Delivery[]> {
    return this.#parts.deliveries.receive(queue, options, signal);
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    return this.#parts.settlements.settle(settlements);
  }

  async report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    const { calls } = this.#parts;
    const batches = inBatches(reports).map((batch) =>
      calls.call("queues.report", { reports: batch }, { repeatable: true }),
    );
    return ((await Promise.all(batches)) as (readonly ReportOutcome[])[]).flat();
  }

  async cancel(
    queue: string,
    position: number,
    { signal, ...options }: CancelOptions = {},
  ): Promise<CancelOutcome> {
    const parameters = { queue, position, ...options };
    const how = { signal, repeatable: true, urgent: true };
    return (await this.#parts.calls.call("queues.cancel", parameters, how)) as CancelOutcome;
  }

  async answer(
    queue: string,
    position: number,
    answer: Answer,
    signal?: AbortSignal,
  ): Promise<AnswerOutcome> {
    const parameters = { queue, position, ...answer };
    const unclear = (value: unknown) => (value === "too-late" ? unclearAnswer() : undefined);
    const how = { signal, repeatable: true, unclear };
    return (await this.#parts.calls.call("queues.answer", parameters, how)) as AnswerOutcome;
  }

  async declare(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#parts.calls.call("queues.declare", { queues }, { signal, repeatable: true });
  }

  /** What was removed and declared again by somebody else meanwhile must not be removed twice. */
  async remove(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#parts.calls.call("queues.remove", { queues }, { signal, repeatable: false });
  }

  async mailboxes(signal?: AbortSignal): Promise<readonly MailboxInfo[]> {
    const call = this.#parts.calls.call("queues.mailboxes", {}, { signal, repeatable: true });
    return (await call) as readonly MailboxInfo[];
  }

  track(queue: string, position: number, options: TrackOptions = {}): Promise<MessageState> {
    return this.#parts.tracks.track(queue, position, options);
  }

  browse(
    queue: string,
    range: BrowseRange,
    signal: AbortSignal,
  ): AsyncIterable<readonly StoredMessage[]> {
    return readCursor<StoredMessage>(this.#parts.calls, {
      method: "queues.browse",
      from: (last, seen) => ({ queue, ...rest(range, last?.position, seen) }),
      signal,
    });
  }

  deadLetters(range: BrowseRange, signal: AbortSignal): AsyncIterable<readonly DeadLetter[]> {
    return readCursor<DeadLetter>(this.#parts.calls, {
      method: "queues.deadLetters",
      from: (last, seen) => rest(range, last?.number, seen),
      signal,
    });
  }

  replay(deadLetters: readonly number[], signal?: AbortSignal): Promise<number> {
    return this.#countOf("queues.replay", deadLetters, signal);
  }

  purge(deadLetters: readonly number[], signal?: AbortSignal): Promise<number> {
    return this.#countOf("queues.purge", deadLetters, signal);
  }

  async #countOf(
    method: string,
    numbers: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const call = this.#parts.calls.call(method, { numbers }, { signal, repeatable: false });
    return (await call) as number;
  }
}

/** Bytes of the reports in one call, unless a single one has more; and how many. */
const batchBytesMax = 2 ** 18;
const batchMax = 256;

function inBatches(reports: readonly Report[]): readonly (readonly Report[])[] {
  const batches: Report[][] = [];
  let bytes = 0;
  for (const report of reports) {
    const more =
      report.kind === "progress"
        ? report.data.length
        : report.kind === "waiting-input"
          ? report.question.length
          : 0;
    const last = batches.at(-1);
    if (last === undefined || bytes + more > batchBytesMax || last.length === batchMax) {
      batches.push([report]);
      bytes = more;
    } else {
      last.push(report);
      bytes += more;
    }
  }
  return batches;
}

/** What is left of a range when `seen` of its items were read, up to the one at `last`. */
function rest({ after, limit }: BrowseRange, last: number | undefined, seen: number): BrowseRange {
  const from = last ?? after;
  return {
    ...(from === undefined ? {} : { after: from }),
    ...(limit === undefined ? {} : { limit: limit - seen }),
  };
}
