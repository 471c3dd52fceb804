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
import { Batcher, inBatches } from "./batches.ts";
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
import { browseScript, trackScript, unfollowScript } from "./scripts/track.ts";
import { QueueSession } from "./session.ts";
import {
  type EffectTools,
  settlementBytes,
  settlementParameters,
  settleOutcome,
} from "./settlements.ts";
import { decodeTracked, type Tracked, Tracker } from "./tracker.ts";

const scripts: readonly RedisScript[] = [
  enqueueScript,
  settleScript,
  reportScript,
  cancelScript,
  answerScript,
  trackScript,
  unfollowScript,
  browseScript,
  declareScript,
  removeScript,
  mailboxesScript,
  replayScript,
  purgeScript,
];

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
  readonly #session: QueueSession;
  readonly #tools: EffectTools;
  readonly #checks: CallChecks;
  /** Whoever begins to wait for messages in one turn does so in one call. */
  readonly #waits: Batcher<readonly string[], Tracked>;

  /** Before the connection is opened. */
  constructor(connection: RedisConnection, subscriptions: Subscriptions, topics: RedisTopics) {
    this.#connection = connection;
    this.#checks = new CallChecks("redis", () => abilities);
    connection.add({}, scripts);
    const { names } = connection;
    const announced = topics.announcement(new Uint8Array(0));
    const announcement = [names.channel(deadLetterTopic), announced] as const;
    this.#session = new QueueSession(connection, subscriptions, announcement);
    this.#waits = new Batcher((messages) => this.#lookAtAll(messages));
    this.#tools = {
      channel: (topic) => names.channel(topic),
      publication: (frame) => topics.message(frame),
      message: ({ message }) => messageParameters(message),
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

  async report(reports: readonly Report[]): Promise<readonly ReportOutcome[]> {
    if (reports.length === 0) return [];
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
        // Otherwise the link was lost meanwhile, and what was told with it.
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

  async track(
    queue: string,
    position: number,
    { wait = false, onChange, signal }: TrackOptions = {},
  ): Promise<MessageState> {
    throwIfAborted(signal);
    const { clock, failure } = this.#connection;
    if (failure !== undefined) throw failure;
    const follows = !wait || onChange !== undefined;
    const how = wait ? (onChange === undefined ? "wait" : "follow") : "";
    const tracker = new Tracker({
      clock,
      once: !wait,
      onChange,
      // Who follows is told what happens after this call; who only waits may be a little late.
      ask: () => {
        const asked = [queue, String(position), how];
        return how === "wait" ? this.#waits.ask(asked) : this.#look(asked);
      },
    });
    const forget = this.#session.track(queue, position, tracker);
    try {
      void tracker.ask();
      const state = await withAbort(tracker.result.promise, signal);
      if (!("attempts" in state)) return state;
      this.#unfollow(queue, position, forget);
      return state;
    } catch (error) {
      if (follows) this.#unfollow(queue, position, forget);
      throw error;
    } finally {
      forget();
    }
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
    const parameters: RedisArgument[] = [queue, this.#connection.session];
    for (const [index, message] of batch.entries()) {
      const problem = problemOf(() => this.#checks.message(message));
      if (problem !== undefined) {
        outcomes[index] = { kind: "rejected", error: problem };
      } else {
        asked.push(index);
        parameters.push(...messageParameters(message));
      }
    }
    if (asked.length === 0) return outcomes;
    try {
      const answers = (await this.#once(enqueueScript, parameters, signal)) as readonly Buffer[];
      for (const [at, index] of asked.entries()) {
        outcomes[index] = enqueueOutcome(queue, batch[index], String(answers[at]));
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
    const parameters: RedisArgument[] = [this.#connection.session, ...this.#session.announcement];
    for (const [index, settlement] of batch.entries()) {
      const problem = problemOf(() => this.#checks.settlement(settlement));
      if (problem !== undefined) {
        outcomes[index] = { kind: "refused", error: problem };
      } else {
        asked.push(index);
        parameters.push(...settlementParameters(settlement, this.#tools));
      }
    }
    if (asked.length === 0) return outcomes;
    try {
      const answers = (await this.#once(settleScript, parameters)) as readonly RedisReply[];
      for (const [at, index] of asked.entries()) {
        const outcome = settleOutcome(answers[at] ?? "");
        outcomes[index] = outcome;
        if (outcome.kind === "refused") continue;
        const { fence } = batch[index] as Settlement;
        this.#session.holderOf(fence)?.release(fence);
      }
    } catch (error) {
      const outcome = refusedOutcome(error);
      for (const index of asked) outcomes[index] = outcome;
    }
    return outcomes;
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

  async #look(message: readonly string[]): Promise<Tracked> {
    const [tracked] = await this.#lookAtAll([message]);
    return tracked as Tracked;
  }

  async #lookAtAll(messages: readonly (readonly string[])[]): Promise<readonly Tracked[]> {
    const parameters = [this.#connection.session, ...messages.flat()];
    const answers = await this.#read(trackScript, parameters);
    return (answers as readonly RedisReply[]).map(decodeTracked);
  }

  #unfollow(queue: string, position: number, forget: () => void): void {
    forget();
    const { failure, session } = this.#connection;
    if (failure !== undefined || this.#session.tracks(queue, position)) return;
    this.#read(unfollowScript, [queue, String(position), session]).catch(() => {});
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
