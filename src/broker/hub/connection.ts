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
import { ColloquyError, errorFromInfo, isColloquyError } from "../../errors.ts";
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
import {
  type Hello,
  readGoodbye,
  readWelcome,
  type Welcome,
  writeGoodbye,
  writeHello,
} from "./operations/greeting.ts";
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

/** PINGs within the silence that a hub tolerates. */
const pingsPerSilence = 6;

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
    const letGo = keepAlive();
    void this.#ended.promise.then(letGo);
    let chunks: AsyncIterator<Uint8Array>;
    const parser = new FrameParser(sessionLimits);
    try {
      chunks = await this.#begin(parser);
    } catch (error) {
      this.#end(asColloquyError(error));
      throw error;
    }
    void this.#run(chunks, parser);
  }

  /** Ends the session in order. Safe to repeat; never rejects. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return this.#ended.promise;
    const closed = new ColloquyError("CLOSED", "the broker was closed");
    this.#closing.abort(closed);
    const link = this.#link;
    const output = this.#output;
    this.#end(closed);
    if (link === undefined) return;
    if (output !== undefined) {
      writeGoodbye(output.data);
      output.flush();
    }
    const timer = this.#options.clock.setTimer(closeTimeoutMs, () => link.destroy());
    await link.close();
    timer.cancel();
  }

  async #run(firstChunks: AsyncIterator<Uint8Array>, firstParser: FrameParser): Promise<void> {
    let chunks = firstChunks;
    let parser = firstParser;
    while (this.#failure === undefined) {
      const cause = await this.#read(chunks, parser);
      this.#lose(cause);
      for (let failures = 0; this.#failure === undefined; failures++) {
        try {
          // A hub that said goodbye has a successor that may be there already.
          if (failures > 0 || cause !== undefined) await this.#backOff(failures);
          parser = new FrameParser(sessionLimits);
          chunks = await this.#begin(parser);
          break;
        } catch (error) {
          const failure = asColloquyError(error);
          if (!failure.retryable) this.#end(failure);
        }
      }
    }
  }

  /** Connects, introduces itself, and hands the new session to the parts. */
  async #begin(parser: FrameParser): Promise<AsyncIterator<Uint8Array>> {
    const { connect, clock, hello, welcomeTimeoutMs } = this.#options;
    const link = await connect(this.#closing.signal);
    this.#link = link;
    this.#goodbye = undefined;
    const timer = clock.setTimer(welcomeTimeoutMs, () => link.destroy());
    try {
      const output = new FrameOutput(link, clock);
      writeHello(output.data, hello);
      output.flush();
      const chunks = link.receive()[Symbol.asyncIterator]();
      const early = await this.#awaitWelcome(link, chunks, parser);
      this.#become(output);
      for (const frame of early) this.#dispatch(frame);
      return chunks;
    } catch (error) {
      link.destroy();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** @returns the frames that came in one chunk with the WELCOME. */
  async #awaitWelcome(
    link: Link,
    chunks: AsyncIterator<Uint8Array>,
    parser: FrameParser,
  ): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    while (frames.length === 0) {
      const { done, value } = await chunks.next();
      if (done === true) throw notAnswering(link);
      parser.push(value, (frame) => frames.push(frame));
    }
    const first = frames.shift() as Frame;
    if (first.type === frameTypes.GOODBYE) throw this.#refusal(link, first);
    this.#welcome = readWelcome(first);
    return frames;
  }

  #refusal(link: Link, goodbye: Frame): ColloquyError {
    const reason = readGoodbye(goodbye);
    return reason === undefined ? notAnswering(link) : errorFromInfo(reason);
  }

  #become(output: FrameOutput): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#output = output;
    for (const part of this.#parts) part.begun(output);
    output.written();
    this.#silentTicks = 0;
    this.#tick(output);
    this.statuses.push({ kind: "ready" });
  }

  /** @returns why the link ended; undefined when the hub said goodbye. */
  async #read(chunks: AsyncIterator<Uint8Array>, parser: FrameParser): Promise<unknown> {
    const receive = (frame: Frame): void => this.#dispatch(frame);
    try {
      while (this.#goodbye === undefined) {
        const { done, value } = await chunks.next();
        if (done === true) break;
        this.#silentTicks = 0;
        parser.push(value, receive);
        for (const run of this.#chunkEnds) run();
      }
    } catch (error) {
      return error;
    }
    const goodbye = this.#goodbye;
    if (goodbye === undefined) return new Error("the hub went away");
    const reason = readGoodbye(goodbye);
    if (reason === undefined) return undefined;
    const error = errorFromInfo(reason);
    if (!error.retryable) this.#end(error);
    return error;
  }

  #dispatch(frame: Frame): void {
    const handler = this.#handlers[frame.type];
    if (handler === undefined) throw invalidMessage("frame.type", `no ${frame.type} from a hub`);
    handler(frame);
  }

  #lose(cause: unknown): void {
    this.#link?.destroy();
    this.#link = undefined;
    this.#output = undefined;
    if (this.#failure !== undefined) return;
    for (const part of this.#parts) part.lost?.();
    this.statuses.push({ kind: "lost", cause });
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

  #backOff(failures: number): Promise<void> {
    const { clock, random, backoff } = this.#options;
    const ceilingMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** failures);
    return sleep(clock, random.float() * ceilingMs, this.#closing.signal);
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

function notAnswering(link: Link): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError("AGENT_UNREACHABLE", `${link.peer} took the link and does not answer`);
}

function asColloquyError(error: unknown): ColloquyError {
  if (isColloquyError(error)) return error;
  return new ColloquyError("AGENT_UNREACHABLE", "the hub cannot be reached", { cause: error });
}
