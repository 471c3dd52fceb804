/**
 * One connection of one broker object: what all of its ports stand on.
 *
 *   opening ── the server is known, the streams are there ──▶ ready ── disconnected ──▶ lost
 *      │                                                        ▲                        │
 *      └── any failure ──▶ closed ◀── close(), or a failure      └── the same as opening ──┘
 *                                     for good
 *
 * The client itself connects again and subscribes again; what was on its way is not repeated by it.
 * So whatever waits for an answer fails when the connection is lost, or is sent again by who knows that
 * it may be.
 */
import { ColloquyError, isColloquyError } from "../../errors.ts";
import { cancelledError, onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import { type IdSource, ulidSource } from "../../runtime/ulid.ts";
import type { BrokerStatus } from "../broker.ts";
import { StatusFeed } from "../hub/status-feed.ts";
import { parseAnswer } from "./api-answer.ts";
import { beginWith } from "./begin.ts";
import {
  connectClient,
  type HeaderPairs,
  headerMaker,
  hearing,
  hearsItself,
  type MakeHeaders,
  type NatsClient,
  type NatsMessage,
  type NatsStatus,
  type NatsSubscription,
} from "./client.ts";
import { clientError, noResponders, unanswered } from "./errors.ts";
import { closeWithSocket } from "./forgotten-sockets.ts";
import { Leaders } from "./leaders.ts";
import { Names } from "./names.ts";
import type { NatsSettings } from "./options.ts";
import { Outage } from "./outage.ts";
import type { ProbeFacts } from "./probe.ts";
import { Requests, type Waiting } from "./requests.ts";
import { tryAgain } from "./tries.ts";

/** What lives longer than a connection to one server. Its methods must not throw. */
export interface LinkPart {
  /** It is ready: the client's subscriptions are in force again, the streams are there. Also the first time, when it was added before. */
  begun?(): void;
  /** The connection is gone. Requests have failed already. */
  lost?(): void;
  /** Before the end, while there is still a connection: gives back what is held. */
  closing?(): Promise<void>;
  /** Never again: everything that waits fails with `error`. */
  closed?(error: ColloquyError): void;
}

export interface RequestOptions {
  /** For people, in errors: "store.get". */
  readonly what: string;
  readonly headers?: HeaderPairs;
  readonly signal?: AbortSignal | undefined;
}

const nothing = new Uint8Array();
const encoder = new TextEncoder();

/** How long the giving back may hold up `close`. */
const closingMs = 2_000;
/** Errors after which trying again does not help. */
const forGood: ReadonlySet<string> = new Set([
  "INVALID_OPTION",
  "INVALID_VERSION",
  "UNSUPPORTED",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "CLOSED",
]);

export class NatsLink {
  readonly settings: NatsSettings;
  readonly names: Names;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: IdSource;
  readonly statuses: StatusFeed = new StatusFeed();
  readonly leaders: Leaders;
  /** Subject below which answers come to this broker object alone. */
  readonly inbox: string;
  readonly #parts: LinkPart[] = [];
  readonly #requests: Requests;
  readonly #ended = new AbortController();
  #client!: NatsClient;
  #makeHeaders!: MakeHeaders;
  #inboxSubscription: NatsSubscription | undefined;
  #onMark: ((token: string, message: NatsMessage) => void) | undefined;
  #facts!: ProbeFacts;
  /** Resolved while it is ready. */
  #ready = new Deferred();
  /** Resolved with the end of the present connection. */
  #gone = new Deferred();
  #phase: "opening" | "ready" | "lost" | "closed" = "opening";
  /** Counts connections, so that what began with one knows that it is another's time. */
  #connection = 0;
  readonly #outage: Outage;
  #aheadMs = 0;
  #failure: ColloquyError | undefined;
  #closing: Promise<void> | undefined;
  #echoes = false;

  private constructor(settings: NatsSettings) {
    this.settings = settings;
    this.names = new Names(settings.prefix);
    this.clock = settings.clock;
    this.random = settings.random;
    this.newId = ulidSource(settings.clock, settings.random);
    this.inbox = `${settings.inboxPrefix}.${this.newId()}`;
    this.#requests = new Requests(settings.clock, settings.requestTimeoutMs);
    const { backoffMinMs: minMs, backoffMaxMs: maxMs } = settings;
    this.#outage = new Outage(settings.random, { minMs, maxMs });
    this.leaders = new Leaders(this.names, (concerns) =>
      this.#requests.failSome("another leader was elected", concerns),
    );
  }

  /**
   * @throws AGENT_UNREACHABLE, UNAUTHORIZED, or what is wrong with the server: INVALID_VERSION,
   *   UNSUPPORTED, INVALID_OPTION; CANCELLED.
   */
  static async open(settings: NatsSettings): Promise<NatsLink> {
    const link = new NatsLink(settings);
    const { signal } = settings;
    throwIfAborted(signal);
    const forget = onAbort(signal, () => link.#end(cancelledError(signal as AbortSignal)));
    try {
      await link.#open();
    } finally {
      forget();
    }
    return link;
  }

  /** The client, for subscriptions and publications that nobody waits for. */
  get client(): NatsClient {
    return this.#client;
  }

  /** What was found of the server when the present connection was made, or the last one. */
  get facts(): ProbeFacts {
    return this.#facts;
  }

  /** Why there will be no connection any more. */
  get failure(): ColloquyError | undefined {
    return this.#failure;
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  /** Whether the server sends back what this connection publishes, which a connection of our own prevents. */
  get echoes(): boolean {
    return this.#echoes;
  }

  /** Wall clock of the server, milliseconds, as far as this process knows it. */
  serverNowMs(): number {
    return this.clock.monotonicMs() + this.#aheadMs;
  }

  /** Parts are told in the order in which they were added. */
  add(part: LinkPart): void {
    this.#parts.push(part);
    if (this.isReady) part.begun?.();
  }

  /** Answers to `INBOX.X...` where X is an upper-case letter: marks, which belong to no request. */
  onMark(heard: (token: string, message: NatsMessage) => void): void {
    this.#onMark = heard;
  }

  /** @throws CLOSED once the broker is closing. */
  assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closedError(this.settings.name);
  }

  /** Resolves once there is a connection. @throws CLOSED; CANCELLED. */
  async whenReady(signal?: AbortSignal): Promise<void> {
    for (;;) {
      throwIfAborted(signal);
      if (this.#failure !== undefined) throw this.#failure;
      if (this.isReady) return;
      await withAbort(this.#ready.promise, signal);
    }
  }

  /** As `requestOnce`, but waits for a connection, and tries again as `repeatMs` allows. */
  async request(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { readonly repeatMs?: number },
  ): Promise<NatsMessage> {
    const { signal, repeatMs } = options;
    const once = () => this.requestOnce(subject, payload, options);
    if (repeatMs !== undefined) return await tryAgain(this, signal, once, repeatMs);
    await this.whenReady(signal);
    return await once();
  }

  /**
   * Calls JetStream's API: `name` is what comes behind `$JS.API.`. Such a call may be repeated, and is.
   *
   * @throws as `requestOnce`; the error of the answer, see errors.ts.
   */
  async api<Answer>(name: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    return await tryAgain(this, signal, () => this.#apiOnce<Answer>(name, body, signal));
  }

  /**
   * Sends something that many answers come to.
   *
   * @param waiting - see requests.ts.
   * @returns gives the waiting up.
   */
  ask(subject: string, payload: Uint8Array, waiting: Waiting, headers?: HeaderPairs): () => void {
    const token = this.#requests.add(subject, waiting);
    try {
      this.publish(subject, payload, { headers, reply: `${this.inbox}.${token}` });
    } catch (error) {
      this.#requests.forget(token);
      throw error;
    }
    return () => this.#requests.forget(token);
  }

  /**
   * Publishes and forgets. Without a connection nothing is sent.
   *
   * @throws MESSAGE_TOO_LARGE.
   */
  publish(
    subject: string,
    payload: Uint8Array,
    options: { readonly headers?: HeaderPairs | undefined; readonly reply?: string } = {},
  ): void {
    const { headers, reply } = options;
    try {
      this.#client.publish(subject, payload, {
        ...(reply === undefined ? {} : { reply }),
        ...(headers === undefined ? {} : { headers: this.#makeHeaders(headers) }),
      });
    } catch (error) {
      throw clientError(error, `publishing to ${subject}`);
    }
  }

  /** As `publish`, for what is published by the hundred thousand. */
  send(subject: string, payload: Uint8Array, reply: string | undefined): void {
    try {
      if (reply === undefined) this.#client.publish(subject, payload);
      else this.#client.publish(subject, payload, { reply });
    } catch (error) {
      throw clientError(error, `publishing to ${subject}`);
    }
  }

  /** Resolves when the server has taken note of everything before. Waits for a connection. */
  async flush(signal?: AbortSignal): Promise<void> {
    for (;;) {
      await this.whenReady(signal);
      if (await withAbort(this.flushOnce(), signal)) return;
    }
  }

  /** Gives back what is held, then ends. Safe to repeat. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<void> {
    const { connect, name, client, signal } = this.settings;
    this.#makeHeaders = await headerMaker();
    this.#client =
      client ??
      (await connectClient({ connect, name, delayMs: () => this.#outage.delayMs, signal }));
    void this.#client.closed().then((cause) => this.#clientClosed(cause));
    void this.#follow(this.#client.status()).catch(() => {});
    try {
      this.assertOpen();
      this.#inboxSubscription = this.#client.subscribe(
        `${this.inbox}.*`,
        hearing((error, message) => this.#answered(error, message)),
      );
      if (client !== undefined) this.#echoes = await hearsItself(client, `${this.inbox}.echo.test`);
      await this.#begin();
      this.assertOpen();
    } catch (error) {
      this.#end(isColloquyError(error) ? error : clientError(error, "opening"));
      await this.#closeClient();
      throw error;
    }
    this.#becomeReady();
  }

  async #begin(): Promise<void> {
    const callApi = <Answer>(name: string, body?: unknown) => this.#apiOnce<Answer>(name, body);
    const { settings, names, inbox } = this;
    const { facts, aheadMs } = await beginWith(this.#client, inbox, settings, names, callApi);
    this.#facts = facts;
    this.#aheadMs = aheadMs;
    if (facts.streams.state.config.num_replicas > 1) this.leaders.listen(this.#client);
  }

  async #apiOnce<Answer>(name: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
    const payload = body === undefined ? nothing : encoder.encode(JSON.stringify(body));
    const options = { what: name, signal };
    return parseAnswer(await this.requestOnce(`$JS.API.${name}`, payload, options), name);
  }

  async #follow(statuses: AsyncIterable<NatsStatus>): Promise<void> {
    for await (const { type, error } of statuses) {
      if (type === "error") this.#erred(error);
      else if (type === "ldm") this.#moveOn();
      else if (type === "disconnect") this.#lose();
      else if (type === "reconnecting") this.#attempted();
      else if (type === "reconnect") void this.#revive();
    }
  }

  /** What a permission denies it denies to the requests that wait for it; other errors end the connection. */
  #erred(error: NatsStatus["error"]): void {
    if (error?.operation !== "publish" || error.subject === undefined) {
      this.#outage.cause = error;
      return;
    }
    this.#requests.refuse(error.subject, clientError(error, `publishing to ${error.subject}`));
  }

  #lose(): void {
    if (this.#failure !== undefined) return;
    this.#connection++;
    this.#gone.resolve();
    this.#gone = new Deferred();
    this.#requests.failAll("the connection was lost");
    if (this.#phase !== "ready") return;
    this.#phase = "lost";
    this.#ready = new Deferred();
    for (const part of this.#parts) part.lost?.();
    this.statuses.push(this.#outage.begin());
  }

  /**
   * The server is about to stop (lame duck mode), and answers for no stream any more, though it may keep its
   * clients for minutes: what is asked meanwhile waits for the next connection, not all at the same moment.
   */
  #moveOn(): void {
    const { client, backoffMaxMs } = this.settings;
    if (client !== undefined) return;
    const connection = this.#connection;
    this.clock.setTimer(this.random.float() * backoffMaxMs, () => {
      if (connection === this.#connection) this.#client.reconnect?.().catch(() => {});
    });
  }

  #attempted(): void {
    const status = this.#phase === "lost" ? this.#outage.attempted() : undefined;
    if (status !== undefined) this.statuses.push(status);
  }

  /** Connected again: a server that has just started may not have its streams yet. */
  async #revive(): Promise<void> {
    const connection = this.#connection;
    for (let failures = 0; connection === this.#connection; failures++) {
      try {
        await this.#begin();
        if (connection === this.#connection) this.#becomeReady();
        return;
      } catch (thrown) {
        if (connection !== this.#connection || this.#failure !== undefined) return;
        const error = isColloquyError(thrown) ? thrown : clientError(thrown, "connecting again");
        if (forGood.has(error.code)) {
          this.#end(error);
          await this.#closeClient();
          return;
        }
        this.#outage.cause = error;
        await sleep(this.clock, this.#outage.backOffMs(failures), this.#ended.signal).catch(
          () => {},
        );
      }
    }
  }

  #becomeReady(): void {
    if (this.#failure !== undefined) return;
    this.#phase = "ready";
    this.#outage.cause = undefined;
    this.#ready.resolve();
    for (const part of this.#parts) part.begun?.();
    this.statuses.push({ kind: "ready" });
  }

  /**
   * Sends a request over the connection that there is now, and waits for its one answer.
   *
   * @throws INDETERMINATE when it was sent and no answer came; AGENT_UNREACHABLE when nobody answers to
   *   `subject`; MESSAGE_TOO_LARGE; FORBIDDEN; CLOSED; CANCELLED, and then it may have happened.
   */
  requestOnce(subject: string, payload: Uint8Array, options: RequestOptions): Promise<NatsMessage> {
    const { what, headers, signal } = options;
    return new Promise((resolve, reject) => {
      const give = this.ask(
        subject,
        payload,
        {
          answered: (message) => {
            forget();
            if (message.headers?.code === 503) reject(noResponders(what));
            else resolve(message);
            return false;
          },
          failed: (why, refusal) => {
            forget();
            reject(refusal ?? this.#failure ?? unanswered(what, why));
          },
        },
        headers,
      );
      const forget = onAbort(signal, () => {
        give();
        reject(cancelledError(signal as AbortSignal));
      });
    });
  }

  #answered(error: Error | null, message: NatsMessage): void {
    if (error !== null) {
      this.#end(clientError(error, `subscribing to ${this.inbox}.*`));
      return;
    }
    const token = message.subject.slice(this.inbox.length + 1);
    const first = token.charCodeAt(0);
    if (first >= 65 && first <= 90) this.#onMark?.(token, message);
    else this.#requests.answer(token, message);
  }

  /** As `flush`, over the connection that there is now. @returns false when it was lost before. */
  flushOnce(): Promise<boolean> {
    const gone = this.#gone.promise.then(() => false);
    const flushed = this.#client.flush().then(
      () => true,
      () => false,
    );
    return Promise.race([gone, flushed]);
  }

  #clientClosed(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const error =
      cause === undefined || cause === null
        ? closedError(this.settings.name)
        : clientError(cause, "the connection was closed");
    this.#end(error);
  }

  async #close(): Promise<void> {
    if (this.isReady) {
      const givingBack = Promise.allSettled(this.#parts.map((part) => part.closing?.()));
      const patience = new AbortController();
      await Promise.race([
        givingBack,
        this.#gone.promise,
        sleep(this.clock, closingMs, patience.signal).catch(() => {}),
      ]);
      patience.abort();
    }
    this.#end(closedError(this.settings.name));
    await this.#closeClient();
  }

  async #closeClient(): Promise<void> {
    // A write to a socket that the server has ended fails a moment later, and by then the client would
    // have taken off whoever listens to its errors.
    await new Promise<void>((resolve) => this.clock.defer(resolve));
    if (this.settings.client === undefined) {
      await closeWithSocket(this.#client);
      return;
    }
    if (!this.#client.isClosed()) this.#inboxSubscription?.unsubscribe();
  }

  #end(error: ColloquyError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#phase = "closed";
    this.#connection++;
    this.#ended.abort(error);
    this.#gone.resolve();
    this.#ready.resolve();
    this.#requests.failAll("the broker was closed");
    for (const part of this.#parts) part.closed?.(error);
    const status: BrokerStatus =
      error.code === "CLOSED" ? { kind: "closed" } : { kind: "closed", cause: error };
    this.statuses.push(status);
  }
}

function closedError(name: string): ColloquyError<"CLOSED"> {
  return new ColloquyError("CLOSED", `the broker ${name} is closed`);
}
