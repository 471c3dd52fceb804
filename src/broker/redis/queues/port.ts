/** The port `Queues` over Redis Streams and scripts: see docs/decisions/027-redis-decides-in-scripts.md. */
import { ColloquyError, type ErrorInfo, errorInfo, isColloquyError } from "../../../errors.ts";
import { messageFrameBytesMax } from "../../../message/limits.ts";
import { onAbort, throwIfAborted, withAbort } from "../../../runtime/abort.ts";
import type {
  Answer,
  AnswerOutcome,
  BrowseRange,
  CancelOptions,
  CancelOutcome,
  Capabilities,
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
} from "../../broker.ts";
import { CallChecks } from "../../checks.ts";
import { deadLetterTopic } from "../../dead-letter-topic.ts";
import { frameArgument, type RedisArgument, type RedisReply } from "../client.ts";
import type { CallOptions, RedisConnection } from "../connection.ts";
import { failedOutcome } from "../outcomes.ts";
import type { RedisScript } from "../script.ts";
import { writeArguments } from "../store.ts";
import type { Subscriptions } from "../subscriptions.ts";
import type { RedisTopics } from "../topics.ts";
import { inBatches } from "./batches.ts";
import { browse } from "./browse.ts";
import { deadLetters } from "./dead-letters.ts";
import { enqueueOutcome, messageParameters } from "./messages.ts";
import { answerScript } from "./scripts/answer.ts";
import { cancelScript } from "./scripts/cancel.ts";
import { purgeScript, replayScript } from "./scripts/dead.ts";
import { enqueueScript } from "./scripts/enqueue.ts";
import { declareScript, mailboxesScript, removeScript } from "./scripts/mailboxes.ts";
import { reportScript } from "./scripts/report.ts";
import { settleScript } from "./scripts/settle.ts";
import { browseScript } from "./scripts/track.ts";
import { QueueSession } from "./session.ts";
import {
  type EffectTools,
  settlementBytes,
  settlementParameters,
  settleOutcome,
} from "./settlements.ts";
import { Tracking } from "./tracking.ts";

/** Names of mailboxes that are looked at in one go. */
const namesPerCall = 512;
/** What messages and settlements may ask of the queues, and of the ports beside them. */
const abilities: Capabilities = {
  durability: { level: "none", verified: false, evidence: {} },
  effects: "atomic",
  store: true,
  log: true,
  priorities: true,
  delay: true,
  keyOrder: true,
  exactlyOnce: true,
  frameBytesMax: messageFrameBytesMax,
};
const crashCode = "AGENT_UNREACHABLE";

export class RedisQueues implements Queues {
  readonly #connection: RedisConnection;
  readonly #tracking: Tracking;
  readonly #session: QueueSession;
  readonly #tools: EffectTools;
  readonly #checks: CallChecks;

  /** Before the connection is opened. */
  constructor(connection: RedisConnection, subscriptions: Subscriptions, topics: RedisTopics) {
    this.#connection = connection;
    this.#checks = new CallChecks("redis", () => abilities);
    const { names } = connection;
    const announced = topics.announcement(new Uint8Array(0));
    const announcement = [names.channel(deadLetterTopic), announced] as const;
    this.#tracking = new Tracking(connection);
    this.#session = new QueueSession(connection, subscriptions, this.#tracking, announcement);
    this.#tools = {
      channel: (topic) => names.channel(topic),
      publication: (frame) => topics.message(frame),
      message: ({ message }) => messageParameters([message]),
      put: (write) => writeArguments(write),
    };
  }

  async declare(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    this.#checks.queues(queues);
    await this.#once(declareScript, queues, signal);
  }

  async remove(queues: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.#once(removeScript, queues, signal);
  }

  async mailboxes(signal?: AbortSignal): Promise<readonly MailboxInfo[]> {
    const names = await this.#connection.command(["SMEMBERS", `${this.#session.key}:names`], {
      signal,
    });
    const all = ([...(names as Iterable<Buffer>)] as readonly Buffer[]).map(String).sort();
    const infos: MailboxInfo[] = [];
    for (let from = 0; from < all.length; from += namesPerCall) {
      const part = all.slice(from, from + namesPerCall);
      const found = await this.#read(mailboxesScript, part, signal);
      for (const row of found as readonly (readonly [Buffer, number, number, number])[]) {
        const [queue, waiting, offered, receivers] = row;
        infos.push({ queue: String(queue), waiting, offered, receivers });
      }
    }
    return infos;
  }

  enqueue(
    queue: string,
    messages: readonly QueuedMessage[],
    signal?: AbortSignal,
  ): Promise<readonly EnqueueOutcome[]> {
    const bytesOf = ({ frame }: QueuedMessage) => frame.length;
    return inBatches(messages, bytesOf, (batch) => this.#enqueue(queue, batch, signal));
  }

  receive(
    queue: string,
    options: ReceiveOptions,
    signal: AbortSignal,
  ): AsyncIterable<readonly Delivery[]> {
    return {
      [Symbol.asyncIterator]: () => {
        const { failure } = this.#connection;
        if (failure !== undefined) return { next: () => Promise.reject(failure) };
        try {
          this.#checks.receive(queue, options);
        } catch (error) {
          return { next: () => Promise.reject(error) };
        }
        const receiver = this.#session.open(queue, options, signal);
        if (!receiver.ended) {
          onAbort(signal, () => receiver.end(isColloquyError(signal.reason, crashCode)));
        }
        return receiver;
      },
    };
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    return inBatches(settlements, settlementBytes, (batch) => this.#settle(batch));
  }

  report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    return inBatches(reports, reportBytes, (batch) => this.#report(batch));
  }

  async cancel(
    queue: string,
    position: number,
    options: CancelOptions = {},
  ): Promise<CancelOutcome> {
    const { ifUnstarted = false, reason, signal } = options;
    const json = reason === undefined ? "" : JSON.stringify(reason);
    const { session } = this.#connection;
    for (;;) {
      const { number, outcome } = this.#session.expectWithdrawal();
      try {
        const parameters = [queue, String(position), ifUnstarted ? "1" : "", json, session];
        const answer = await this.#once(cancelScript, [...parameters, String(number)], signal);
        const told = String(answer) as CancelOutcome | "asked";
        if (told !== "asked") return told;
        const withdrawn = await withAbort(outcome.promise, signal);
        // Otherwise what was told may have been missed.
        if (withdrawn !== undefined) return withdrawn;
      } finally {
        this.#session.forgetWithdrawal(number);
      }
    }
  }

  async answer(
    queue: string,
    position: number,
    { number, data }: Answer,
    signal?: AbortSignal,
  ): Promise<AnswerOutcome> {
    const parameters = [queue, String(position), String(number), frameArgument(data)];
    return String(await this.#once(answerScript, parameters, signal)) as AnswerOutcome;
  }

  track(queue: string, position: number, options: TrackOptions = {}): Promise<MessageState> {
    return this.#tracking.track(queue, position, options);
  }

  browse(
    queue: string,
    range: BrowseRange,
    signal: AbortSignal,
  ): AsyncIterable<readonly StoredMessage[]> {
    const read = (after: number) =>
      this.#read(browseScript, [queue, String(after)], signal) as Promise<readonly RedisReply[]>;
    return browse(read, range);
  }

  deadLetters(range: BrowseRange, signal: AbortSignal): AsyncIterable<readonly DeadLetter[]> {
    const key = `${this.#session.key}:dead`;
    const read = (after: number, count: number) =>
      this.#connection.command(["XRANGE", key, `(${after}-0`, "+", "COUNT", String(count)], {
        signal,
      });
    return deadLetters(read, range);
  }

  async replay(numbers: readonly number[], signal?: AbortSignal): Promise<number> {
    return (await this.#once(replayScript, numbers.map(String), signal)) as number;
  }

  async purge(numbers: readonly number[], signal?: AbortSignal): Promise<number> {
    return (await this.#once(purgeScript, numbers.map(String), signal)) as number;
  }

  async #enqueue(
    queue: string,
    batch: readonly QueuedMessage[],
    signal: AbortSignal | undefined,
  ): Promise<readonly EnqueueOutcome[]> {
    throwIfAborted(signal);
    const outcomes: EnqueueOutcome[] = [];
    const asked: number[] = [];
    for (const [index, message] of batch.entries()) {
      const problem = problemOf(() => this.#checks.message(message));
      if (problem !== undefined) {
        outcomes[index] = { kind: "rejected", error: problem };
      } else {
        asked.push(index);
      }
    }
    if (asked.length === 0) return outcomes;
    const { era } = this.#tracking;
    const messages = asked.map((index) => batch[index] as QueuedMessage);
    const parameters = [queue, this.#connection.session, ...messageParameters(messages)];
    try {
      const answers = (await this.#once(
        enqueueScript,
        parameters,
        signal,
      )) as readonly RedisReply[];
      for (const [at, index] of asked.entries()) {
        const message = messages[at] as QueuedMessage;
        const outcome = enqueueOutcome(queue, message, answers[at] ?? "");
        outcomes[index] = outcome;
        this.#tracking.stored(queue, message, outcome, era);
      }
    } catch (error) {
      const outcome = failedOutcome(error);
      for (const index of asked) outcomes[index] = outcome;
    }
    return outcomes;
  }

  async #settle(batch: readonly Settlement[]): Promise<readonly SettleOutcome[]> {
    const outcomes: SettleOutcome[] = [];
    const asked: number[] = [];
    for (const [index, settlement] of batch.entries()) {
      const problem = problemOf(() => this.#checks.settlement(settlement));
      if (problem !== undefined) {
        outcomes[index] = { kind: "refused", error: problem };
      } else {
        asked.push(index);
      }
    }
    if (asked.length === 0) return outcomes;
    const settlements = asked.map((index) => batch[index] as Settlement);
    const parameters = [
      this.#connection.session,
      ...this.#session.announcement,
      ...settlementParameters(settlements, this.#tools),
    ];
    try {
      const answers = (await this.#once(settleScript, parameters)) as readonly RedisReply[];
      for (const [at, index] of asked.entries()) {
        const outcome = settleOutcome(answers[at] ?? "");
        outcomes[index] = outcome;
        if (outcome.kind === "refused") continue;
        const { fence } = settlements[at] as Settlement;
        this.#session.holderOf(fence)?.release(fence);
      }
    } catch (error) {
      const outcome = refusedOutcome(error);
      for (const index of asked) outcomes[index] = outcome;
    }
    return outcomes;
  }

  async #report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    const parameters: RedisArgument[] = [];
    // The question that is open as the report is made: what is asked afterwards it says nothing of.
    const questions: number[] = [];
    for (const report of reports) {
      const { queue, position, fence, kind } = report;
      const asks = kind === "waiting-input";
      const holder = this.#session.holderOf(fence);
      if (asks) holder?.asks(fence, report.number);
      questions.push(holder?.questionOf(fence) ?? 0);
      const data = asks ? report.question : kind === "progress" ? report.data : undefined;
      parameters.push(queue, String(position), String(fence), kind);
      parameters.push(asks ? String(report.number) : "");
      parameters.push(data === undefined ? "" : frameArgument(data));
    }
    try {
      const answers = (await this.#once(reportScript, parameters)) as readonly Buffer[];
      return reports.map((report, index) =>
        this.#reported(report, questions[index] ?? 0, String(answers[index])),
      );
    } catch (error) {
      const outcome = refusedOutcome(error);
      return reports.map(() => outcome);
    }
  }

  #reported(report: Report, question: number, answer: string): ReportOutcome {
    const { fence, kind } = report;
    const holder = this.#session.holderOf(fence);
    if (answer === "taken") {
      if (kind === "waiting-input") holder?.asked(fence, report.number);
      else if (kind !== "unstarted") holder?.started(fence, question);
      return { kind: "taken" };
    }
    if (answer === "stale" || kind !== "waiting-input") return { kind: "stale" };
    const limit = `${answer.slice("number ".length)}, at most 1000`;
    const details = { field: "number", value: report.number, limit };
    const message = `number: ${report.number} is not ${limit}`;
    const error = new ColloquyError("INVALID_OPTION", message, { details });
    return { kind: "refused", error: errorInfo(error) };
  }

  #once(
    script: RedisScript,
    parameters: readonly RedisArgument[],
    signal?: AbortSignal,
  ): Promise<RedisReply> {
    return this.#connection.once(script, [this.#session.key], parameters, callOptions(signal));
  }

  #read(
    script: RedisScript,
    parameters: readonly RedisArgument[],
    signal?: AbortSignal,
  ): Promise<RedisReply> {
    return this.#connection.read(script, [this.#session.key], parameters, callOptions(signal));
  }
}

function reportBytes(report: Report): number {
  if (report.kind === "progress") return report.data.length;
  return report.kind === "waiting-input" ? report.question.length : 0;
}

/** What `check` throws, as the outcome of one of many. */
function problemOf(check: () => void): ErrorInfo | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return errorInfo(error);
  }
}

function callOptions(signal: AbortSignal | undefined): CallOptions {
  return signal === undefined ? {} : { signal };
}

/** @throws what is no outcome. */
function refusedOutcome(error: unknown): {
  readonly kind: "refused" | "indeterminate";
  readonly error: ErrorInfo;
} {
  const { kind, error: info } = failedOutcome(error);
  return { kind: kind === "rejected" ? "refused" : kind, error: info };
}
