/**
 * A client's session with its hub, over as many links as it takes.
 *
 *   opening ── WELCOME ──▶ ready ── the link ends ──▶ lost ── connect, HELLO, WELCOME ──▶ ready
 *      │                     └──────────── close(), or a failure for good ──────────────▶ closed
 *      └── any failure ──▶ closed
 *
 * The parts (topics, intake, deliveries, settlements, calls) hold what must survive a link. When a
 * session has begun each writes again what the hub must know; what answers come goes to their handlers.
 */
import { ColloquyError, type ErrorInfo, errorFromInfo, isColloquyError } from "../../errors.ts";
import { FrameOutput } from "../../link/frame-output.ts";
import type { Connect, Link } from "../../link/link.ts";
import { type Frame, type FrameType, frameTypes } from "../../message/frame.ts";
import { FrameParser } from "../../message/frame-parser.ts";
import { invalidMessage } from "../../message/invalid.ts";
import type { Clock } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import type { BrokerStatus } from "../broker.ts";
import { shakeHands } from "./handshake.ts";
import { type Hello, readGoodbye, type Welcome, writeGoodbye } from "./operations/greeting.ts";
import { sessionLimits } from "./operations/limits.ts";
import { readNumbered, writeNumbered } from "./operations/numbered.ts";
import { StatusFeed } from "./status-feed.ts";

export interface HubConnectionOptions {
  readonly connect: Connect;
  readonly clock: Clock;
  readonly random: Random;
  readonly hello: Hello;
  /** Wait before connecting again: up to `minMs`, doubling with every failure up to `maxMs`. */
  readonly backoff: { readonly minMs: number; readonly maxMs: number };
  /** How long a hub that took the link may take to answer, milliseconds. */
  readonly welcomeTimeoutMs: number;
}

/** What lives longer than a link. */
export interface SessionPart {
  /** A session has begun: writes what the hub must know, and what it did not answer. */
  begun(output: FrameOutput): void;
  /** The link is gone. */
  lost?(): void;
  /** Never again: everything that waits fails with `error`. */
  closed(error: ColloquyError): void;
}

/** A session that has begun, to be read. */
interface Session {
  readonly chunks: AsyncIterator<Uint8Array>;
  readonly parser: FrameParser;
  /** Frames that came with the WELCOME. */
  readonly early: readonly Frame[];
}

/** PINGs within the silence that a hub tolerates. */
const pingsPerSilence = 6;

/** What a hub says, or a client finds, when bytes were damaged on their way; or when one of them is wrong. */
const damages: ReadonlySet<string> = new Set([
  "INVALID_MESSAGE",
  "INVALID_VERSION",
  "MESSAGE_TOO_LARGE",
]);

/** So often in a row, it is no damage. */
const damagesMax = 5;

/** How long a link may take to write its last bytes to a hub that does not read. */
const closeTimeoutMs = 1_000;

export class HubConnection {
  readonly statuses: StatusFeed = new StatusFeed();
  readonly #options: HubConnectionOptions;
  readonly #parts: SessionPart[] = [];
  readonly #handlers: (((frame: Frame) => void) | undefined)[] = new Array(256).fill(undefined);
  readonly #chunkEnds: (() => void)[] = [];
  readonly #closing = new AbortController();
  readonly #ended = new Deferred();
  #link: Link | undefined;
  #output: FrameOutput | undefined;
  #welcome: Welcome | undefined;
  #failure: ColloquyError | undefined;
  /** With what the hub ended the present session. */
  #goodbye: Frame | undefined;
  /** Ticks since anything arrived; counted, because a clock also runs while a process is stopped. */
  #silentTicks = 0;
  /** Sessions in a row that ended over bytes that nobody understood. */
  #damages = 0;

  constructor(options: HubConnectionOptions) {
    this.#options = options;
    this.handle(frameTypes.PING, (frame) => this.#pong(readNumbered(frame)));
    this.handle(frameTypes.PONG, () => {});
    this.handle(frameTypes.GOODBYE, (frame) => {
      this.#goodbye = frame;
    });
  }

  /** Where to write; undefined while there is no session. */
  get output(): FrameOutput | undefined {
    return this.#output;
  }

  /** What the hub said when the last session began. */
  get welcome(): Welcome {
    if (this.#welcome === undefined) throw new ColloquyError("INTERNAL_ERROR", "no session yet");
    return this.#welcome;
  }

  /** The reason why there will be no session any more. */
  get failure(): ColloquyError | undefined {
    return this.#failure;
  }

  /** Parts begin in the order in which they were added. */
  add(part: SessionPart): void {
    this.#parts.push(part);
  }

  handle(type: FrameType, handler: (frame: Frame) => void): void {
    this.#handlers[type] = handler;
  }

  /** Runs `run` when all frames of a chunk have been handled. */
  onChunkEnd(run: () => void): void {
    this.#chunkEnds.push(run);
  }

  /** Resolves when the first session has begun; fails for good when it cannot. */
  async open(): Promise<void> {
    const letGo = keepAlive(this.#options.clock);
    void this.#ended.promise.then(letGo);
    let session: Session;
    try {
      session = await this.#begin();
    } catch (error) {
      this.#end(asColloquyError(error));
      throw error;
    }
    void this.#run(session);
  }

  /** Ends the session in order. Safe to repeat; never rejects. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#ended.promise;
    const closed = new ColloquyError("CLOSED", "the broker was closed");
    this.#closing.abort(closed);
    const link = this.#link;
    const output = this.#output;
    // Whoever reads from it would break it off as soon as it ends, and with it the GOODBYE.
    this.#link = undefined;
    this.#end(closed);
    if (link === undefined) return;
    const timer = this.#options.clock.setTimer(closeTimeoutMs, () => link.destroy());
    if (output !== undefined) {
      writeGoodbye(output.data);
      output.flush();
      // Behind what waits for a slow link, which drops that when it closes.
      await output.drained();
    }
    await link.close();
    timer.cancel();
  }

  async #run(first: Session): Promise<void> {
    const { clock, backoff } = this.#options;
    let session: Session | undefined = first;
    let failures = 0;
    while (session !== undefined) {
      const begunMs = clock.monotonicMs();
      const cause = await this.#read(session);
      this.#lose();
      // A session that breaks as soon as it begins must not be begun again at once, for ever.
      const lasted = clock.monotonicMs() - begunMs >= backoff.maxMs;
      failures = lasted ? 0 : failures + 1;
      if (lasted) this.#damages = 0;
      session = await this.#reconnect(cause === undefined ? 0 : failures, cause);
    }
  }

  /** @returns undefined when there will be no session any more. */
  async #reconnect(failuresBefore: number, lost: unknown): Promise<Session | undefined> {
    const { clock } = this.#options;
    let cause = lost;
    for (let attempt = 1; this.#failure === undefined; attempt++) {
      try {
        // No wait after a hub that said goodbye: its successor may be there already.
        const failures = failuresBefore + attempt - 1;
        const delayMs = failures === 0 ? 0 : this.#backOffMs(failures - 1);
        this.statuses.push({ kind: "lost", cause, attempt, delayMs });
        if (delayMs > 0) await sleep(clock, delayMs, this.#closing.signal);
        return await this.#begin();
      } catch (error) {
        const failure = asColloquyError(error);
        cause = failure;
        if (this.#isForGood(failure)) this.#end(failure);
      }
    }
    return undefined;
  }

  /** Connects, introduces itself, and hands the new session to the parts. */
  async #begin(): Promise<Session> {
    const { connect, clock, hello, welcomeTimeoutMs } = this.#options;
    const link = await connect(this.#closing.signal);
    if (this.#failure !== undefined) {
      link.destroy();
      throw this.#failure;
    }
    this.#link = link;
    this.#goodbye = undefined;
    const timer = clock.setTimer(welcomeTimeoutMs, () => link.destroy());
    try {
      const output = new FrameOutput(link, clock);
      const chunks = link.receive()[Symbol.asyncIterator]();
      const parser = new FrameParser(sessionLimits);
      const { welcome, early } = await shakeHands({ link, output, chunks, parser }, hello);
      if (this.#failure !== undefined) throw this.#failure;
      this.#welcome = welcome;
      this.#become(output);
      return { chunks, parser, early };
    } catch (error) {
      link.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  #become(output: FrameOutput): void {
    this.#output = output;
    for (const part of this.#parts) part.begun(output);
    output.written();
    this.#silentTicks = 0;
    this.#tick(output);
    this.statuses.push({ kind: "ready" });
  }

  /** @returns why the session ended; undefined when the hub said goodbye. */
  async #read({ chunks, parser, early }: Session): Promise<unknown> {
    const receive = (frame: Frame): void => this.#dispatch(frame);
    try {
      for (const frame of early) receive(frame);
      while (this.#goodbye === undefined) {
        const { done, value } = await chunks.next();
        if (done === true) return new Error("the hub went away");
        this.#silentTicks = 0;
        parser.push(value, receive);
        for (const run of this.#chunkEnds) run();
      }
      return this.#left(readGoodbye(this.#goodbye));
    } catch (error) {
      return error;
    }
  }

  /** @param reason - why the hub ended the session; undefined when it did so in order. */
  #left(reason: ErrorInfo | undefined): ColloquyError | undefined {
    if (reason === undefined) return undefined;
    const error = errorFromInfo(reason);
    if (this.#isForGood(error)) this.#end(error);
    return error;
  }

  /** A hub that has welcomed this client before may have been told what it never said. */
  #isForGood({ code, retryable }: ColloquyError): boolean {
    if (retryable) return false;
    return !damages.has(code) || ++this.#damages > damagesMax;
  }

  #dispatch(frame: Frame): void {
    const handler = this.#handlers[frame.type];
    if (handler === undefined) throw invalidMessage("frame.type", `no ${frame.type} from a hub`);
    handler(frame);
  }

  #lose(): void {
    this.#link?.destroy();
    this.#link = undefined;
    this.#output = undefined;
    if (this.#failure !== undefined) return;
    for (const part of this.#parts) part.lost?.();
  }

  #end(error: ColloquyError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#output = undefined;
    this.#closing.abort(error);
    for (const part of this.#parts) part.closed(error);
    const status: BrokerStatus =
      error.code === "CLOSED" ? { kind: "closed" } : { kind: "closed", cause: error };
    this.statuses.push(status);
    this.#ended.resolve();
  }

  #backOffMs(failures: number): number {
    const { random, backoff } = this.#options;
    return random.float() * Math.min(backoff.maxMs, backoff.minMs * 2 ** failures);
  }

  /** A hub that is silent for as long as it tolerates silence itself is taken for gone. */
  #tick(output: FrameOutput): void {
    const tickMs = this.welcome.silenceMsMax / pingsPerSilence;
    this.#options.clock.setTimer(tickMs, () => {
      if (this.#output !== output) return;
      if (++this.#silentTicks > pingsPerSilence) this.#link?.destroy();
      writeNumbered(output.control, frameTypes.PING, 0);
      output.written();
      this.#tick(output);
    });
  }

  #pong(number: number): void {
    if (this.#output === undefined) return;
    writeNumbered(this.#output.control, frameTypes.PONG, number);
    this.#output.written();
  }
}

function asColloquyError(error: unknown): ColloquyError {
  if (isColloquyError(error)) return error;
  return new ColloquyError("AGENT_UNREACHABLE", "the hub cannot be reached", { cause: error });
}
