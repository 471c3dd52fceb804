/**
 * One broker object's session with the server, over as many links as it takes.
 *
 *   opening ── a link, its parts have begun ──▶ ready ── the link is lost ──▶ lost ── a link ──▶ ready
 *      │                                          └────────────── close() ──────────────▶ closed
 *      └── any failure ──▶ closed
 *
 * Calls wait while there is no link. What was asked and not answered when a link broke is asked again
 * of the next one: reading may be, and what writes is known by the number of its call (script.ts).
 */
import { ColloquyError, isColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted, withAbort } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import { ulidSource } from "../../runtime/ulid.ts";
import { StatusFeed } from "../hub/status-feed.ts";
import { CallRoom } from "./call-room.ts";
import type { RedisArgument, RedisClient, RedisReply } from "./client.ts";
import { isReply, lostInFlight, replyError, unreachable } from "./errors.ts";
import { RedisLink } from "./link.ts";
import { Names } from "./names.ts";
import type { RedisBrokerLimits, RedisSettings } from "./options.ts";
import { callsKeptMs, linkScript, type RedisScript } from "./script.ts";
import type { ScriptLibrary } from "./script-library.ts";

/** What lives longer than a link. Parts begin in the order in which they were added. */
export interface LinkPart {
  /** There is a link again: restores what the server must know. Nobody else uses it before all have. A failure costs the link. */
  begin?(link: RedisLink): Promise<void>;
  /** All have begun. */
  ready?(): void;
  /** The link is gone. */
  lost?(): void;
  /** In order, and the link is still there: gives back what this process holds. It is not waited for long. */
  leave?(link: RedisLink): Promise<void>;
  /** Never again: everything that waits fails with `error`. */
  closed?(error: ColloquyError): void;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How long parts may take to give back what they hold, and calls to be answered, when the broker closes, ms. */
const leaveTimeoutMs = 1_000;
/** Of a name in CLIENT LIST. */
const unshownCharacters = /[^!-~]+/g;

export class RedisConnection {
  readonly names: Names;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: RedisBrokerLimits;
  readonly statuses: StatusFeed = new StatusFeed();
  /** Names this broker object on the server, for its whole life. */
  readonly session: string;
  readonly #prototype: RedisClient;
  readonly #where: string;
  readonly #name: string;
  readonly #parts: LinkPart[] = [];
  readonly #library: ScriptLibrary;
  readonly #closing = new AbortController();
  readonly #callsKey: string;
  /** Calls whose answers came, and which the server need not remember. */
  #answered: number[] = [];
  #calls = 0;
  #links = 0;
  readonly #room: CallRoom;
  readonly #inFlight = new Set<Promise<unknown>>();
  #link: RedisLink | undefined;
  #ready = new Deferred();
  #failure: ColloquyError | undefined;
  #letGo: () => void = () => {};
  #closed: Promise<void> | undefined;

  /**
   * @param prototype - a client that knows how to reach the server.
   * @param library - the scripts that are run.
   */
  constructor(options: RedisSettings, prototype: RedisClient, library: ScriptLibrary) {
    const { clock, random, limits, prefix, name, where } = options;
    this.clock = clock;
    this.random = random;
    this.limits = limits;
    this.names = new Names(prefix);
    this.session = ulidSource(clock, random)();
    this.#prototype = prototype;
    this.#library = library;
    this.#where = where;
    this.#room = new CallRoom(limits.callBytesMax);
    this.#name = `colloquy:${name.replaceAll(unshownCharacters, "_")}`;
    this.#callsKey = this.names.key("c", this.session);
    this.#ready.promise.catch(() => {});
  }

  /** The reason why there will be no link any more. */
  get failure(): ColloquyError | undefined {
    return this.#failure;
  }

  /** The one that may be used; undefined while it is lost. */
  get link(): RedisLink | undefined {
    return this.#link;
  }

  /** Before `open`. */
  add(part: LinkPart): void {
    this.#parts.push(part);
  }

  /** Resolves when the first link is ready. @throws AGENT_UNREACHABLE, or what the server refuses. */
  async open(): Promise<void> {
    this.#letGo = keepAlive(this.clock);
    try {
      this.#began(await this.#begin());
      if (this.#failure !== undefined) throw this.#failure;
    } catch (cause) {
      const error = unreachable(cause, this.#where);
      this.#end(error);
      throw error;
    }
  }

  /** Ends the session in order. Safe to repeat; never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Resolves with a link that may be used. @throws CLOSED, CANCELLED. */
  async ready(signal?: AbortSignal): Promise<RedisLink> {
    throwIfAborted(signal);
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#link !== undefined) return this.#link;
      await withAbort(this.#ready.promise, signal);
    }
  }

  /** One command that may be asked twice. @throws what the server refuses; CLOSED, CANCELLED, QUEUE_FULL. */
  command(parts: readonly RedisArgument[], options: CallOptions = {}): Promise<RedisReply> {
    const ask = (link: RedisLink) => link.send(parts);
    return this.#counted(parts, () => this.#repeat(String(parts[0]), ask, options));
  }

  /** A script that may be run twice. @throws as `command`. */
  read(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly RedisArgument[],
    options: CallOptions = {},
  ): Promise<RedisReply> {
    const ask = (link: RedisLink) => link.evaluate(script, keys, parameters);
    return this.#counted(parameters, () => this.#repeat(script.name, ask, options));
  }

  /**
   * Runs a script made by `onceScript`, once, whatever becomes of links meanwhile, and resolves when
   * what it wrote is on the server's disk, as far as the server can tell. Where too much waits already it
   * waits itself: what is to be kept is not refused for want of room here.
   *
   * @param keys - after those that are the call's own; `parameters` likewise.
   * @throws as `command`, but not QUEUE_FULL; INDETERMINATE when the server was away for too long, or does not flush.
   */
  once(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly RedisArgument[],
    options: CallOptions = {},
  ): Promise<RedisReply> {
    const number = ++this.#calls;
    return this.#counted(
      parameters,
      () => {
        const answer = this.#repeat(
          script.name,
          (link) => this.#evaluateOnce(link, script, number, keys, parameters),
          { ...options, writes: true },
        );
        // Also after a failure: it will not be asked again.
        const done = () => void this.#answered.push(number);
        answer.then(done, done);
        return answer;
      },
      { ...options, waits: true },
    );
  }

  async #evaluateOnce(
    link: RedisLink,
    script: RedisScript,
    number: number,
    keys: readonly string[],
    parameters: readonly RedisArgument[],
  ): Promise<RedisReply> {
    const answered = this.#answered;
    this.#answered = [];
    let flushed: Promise<void> | undefined;
    const onSent = () => {
      // Superseded by another one where the script had to be sent once more.
      flushed?.catch(() => {});
      flushed = link.flushed();
    };
    // Ahead of the script, and not in it: the server writes last to whom it had an answer for first, so
    // whom the script tells something need not wait until its caller has been answered.
    if (answered.length > 0) {
      const again = () => void this.#answered.push(...answered);
      link.send(["HDEL", this.#callsKey, ...answered.map(String)]).catch(again);
    }
    const head = [String(number), String(link.number)];
    try {
      const reply = await link.evaluate(
        script,
        [this.#callsKey, ...keys],
        [...head, ...parameters],
        onSent,
      );
      await flushed;
      return reply;
    } catch (error) {
      flushed?.catch(() => {});
      throw error;
    }
  }

  /** Asks until there is an answer. */
  async #repeat(
    doing: string,
    ask: (link: RedisLink) => Promise<RedisReply>,
    { signal, writes = false }: CallOptions & { readonly writes?: boolean },
  ): Promise<RedisReply> {
    throwIfAborted(signal);
    const untilMs = this.clock.monotonicMs() + callsKeptMs / 2;
    let lost: unknown;
    const refuse = (error: unknown): never => {
      const unknown = writes && lost !== undefined && isColloquyError(error, "CLOSED");
      throw unknown ? lostInFlight(error, `${doing}: the broker was closed`) : error;
    };
    for (;;) {
      const link = this.#link ?? (await this.ready(signal).catch(refuse));
      try {
        return await withAbort(ask(link), signal);
      } catch (cause) {
        if (isColloquyError(cause)) throw cause;
        if (isReply(cause)) throw replyError(cause, doing);
        if (cause instanceof TypeError) throw new ColloquyError("INTERNAL_ERROR", doing, { cause });
        lost = cause;
        link.destroy(cause);
      }
      if (this.clock.monotonicMs() > untilMs) throw lostInFlight(lost, doing);
    }
  }

  /** @param waits - for room, where there is none. */
  async #counted(
    parts: readonly RedisArgument[],
    call: () => Promise<RedisReply>,
    { signal, waits = false }: CallOptions & { readonly waits?: boolean } = {},
  ): Promise<RedisReply> {
    if (this.#failure !== undefined) throw this.#failure;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (waits) {
      // Called at once where there is room: calls keep their order.
      const room = this.#room.enter(bytes, signal);
      if (room !== undefined) await room;
    } else {
      this.#room.enterNow(bytes);
    }
    const answer = call();
    this.#inFlight.add(answer);
    try {
      return await answer;
    } finally {
      this.#room.leave(bytes);
      this.#inFlight.delete(answer);
    }
  }

  async #begin(): Promise<RedisLink> {
    const { clock, limits } = this;
    const { silenceMs, connectTimeoutMs } = limits;
    const link = await RedisLink.open({
      prototype: this.#prototype,
      library: this.#library,
      name: this.#name,
      number: ++this.#links,
      clock,
      silenceMs,
      connectTimeoutMs,
      signal: this.#closing.signal,
    });
    const stop = onAbort(this.#closing.signal, () => link.destroy(this.#closing.signal.reason));
    try {
      await link.first(linkScript, [this.#callsKey], [String(link.number)]);
      for (const part of this.#parts) await part.begin?.(link);
      throwIfAborted(this.#closing.signal);
      return link;
    } catch (cause) {
      link.destroy(cause);
      throw cause;
    } finally {
      stop();
    }
  }

  #began(link: RedisLink): void {
    // Closed since the link was ready, before anybody knew of it.
    if (this.#failure !== undefined) {
      link.destroy(this.#failure);
      return;
    }
    this.#link = link;
    void this.#goOn(link);
    this.statuses.push({ kind: "ready" });
    for (const part of this.#parts) part.ready?.();
    this.#ready.resolve();
  }

  async #goOn(link: RedisLink): Promise<void> {
    const beganMs = this.clock.monotonicMs();
    const cause = await link.lost;
    if (this.#failure !== undefined) return;
    this.#link = undefined;
    this.#ready = new Deferred();
    this.#ready.promise.catch(() => {});
    for (const part of this.#parts) part.lost?.();
    // A link that breaks as soon as it begins must not be made again at once, for ever.
    const lasted = this.clock.monotonicMs() - beganMs >= this.limits.backoffMaxMs;
    const next = await this.#reconnect(cause, lasted ? 0 : 1);
    if (next !== undefined) this.#began(next);
  }

  /** @returns undefined when the broker was closed meanwhile. */
  async #reconnect(lost: unknown, failuresBefore: number): Promise<RedisLink | undefined> {
    let cause = lost;
    for (let attempt = 1; this.#failure === undefined; attempt++) {
      const delayMs = this.#backoffMs(failuresBefore + attempt - 1);
      this.statuses.push({ kind: "lost", cause, attempt, delayMs });
      try {
        await sleep(this.clock, delayMs, this.#closing.signal);
        return await this.#begin();
      } catch (error) {
        cause = unreachable(error, this.#where);
      }
    }
    return undefined;
  }

  #backoffMs(failures: number): number {
    const { backoffMinMs, backoffMaxMs } = this.limits;
    return this.random.float() * Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures, 30));
  }

  async #close(): Promise<void> {
    const closed = new ColloquyError("CLOSED", "the broker was closed");
    const link = this.#link;
    const inFlight = [...this.#inFlight];
    this.#end(closed);
    this.#closing.abort(closed);
    if (link === undefined) return;
    const leaving = this.#parts.map(async (part) => part.leave?.(link));
    const all = Promise.allSettled([...leaving, ...inFlight]);
    const timeout = new Deferred();
    const timer = this.clock.setTimer(leaveTimeoutMs, timeout.resolve);
    await Promise.race([all, timeout.promise, link.lost]);
    timer.cancel();
    link.destroy(closed);
  }

  #end(error: ColloquyError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#link = undefined;
    this.#ready.reject(error);
    this.#room.close(error);
    for (const part of this.#parts) part.closed?.(error);
    this.statuses.push({ kind: "closed" });
    this.#letGo();
  }
}
