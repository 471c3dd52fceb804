/**
 * Two connections to one server, which begin and end together: one for commands and one for what is
 * subscribed to. When either breaks, the link is lost for good, and the next one is made.
 */
import { ColloquyError } from "../../errors.ts";
import { onAbort } from "../../runtime/abort.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { Deferred } from "../../runtime/deferred.ts";
import {
  type ClientSettings,
  clientSettings,
  type RedisArgument,
  type RedisClient,
  type RedisListener,
  type RedisReply,
} from "./client.ts";
import {
  isFunctionMissing,
  isNoLibrary,
  isReply,
  isScriptMissing,
  lostInFlight,
} from "./errors.ts";
import type { RedisScript } from "./script.ts";
import type { ScriptLibrary } from "./script-library.ts";

export interface LinkOptions extends Omit<ClientSettings, "signal"> {
  readonly prototype: RedisClient;
  /** Rises with every link of a session. */
  readonly number: number;
  readonly library: ScriptLibrary;
  readonly clock: Clock;
  readonly silenceMs: number;
  /** Gives up connecting. */
  readonly signal: AbortSignal;
}

/** PINGs within the silence that is tolerated; counted, because a clock also runs while a process is stopped. */
const ticksPerSilence = 4;

export class RedisLink {
  /** Resolves with the cause when the link is lost, or destroyed by its owner. */
  readonly lost: Promise<unknown>;
  readonly number: number;
  /** Whether writes are to be confirmed by WAITAOF; set by whoever asked the server. */
  confirmsFlushes = false;
  readonly #lost = new Deferred<unknown>();
  readonly #commands: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #options: LinkOptions;
  readonly #closing = new AbortController();
  #timer: Timer | undefined;
  #silentTicks = 0;
  #ended = false;
  #flush: Promise<void> | undefined;
  /** Why the library cannot be had. */
  #withoutLibrary: Error | undefined;

  private constructor(options: LinkOptions) {
    const { prototype, number } = options;
    this.number = number;
    const settings = clientSettings(
      { ...options, signal: this.#closing.signal },
      prototype.options?.socket,
    );
    this.#options = options;
    this.#commands = prototype.duplicate(settings);
    this.#subscriber = prototype.duplicate(settings);
    this.lost = this.#lost.promise;
    for (const client of [this.#commands, this.#subscriber]) {
      client.on("error", (cause) => this.destroy(cause));
      client.on("end", () => this.destroy(new Error("the connection was closed")));
    }
  }

  /** @throws what the client does when it cannot connect; an error when that takes too long. */
  static async open(options: LinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    const { clock, connectTimeoutMs, signal } = options;
    const late = new Error(`no answer within ${connectTimeoutMs} ms`);
    const timer = clock.setTimer(connectTimeoutMs, () => link.destroy(late));
    const forget = onAbort(signal, () => link.destroy(signal.reason));
    try {
      const connected = Promise.all([link.#commands.connect(), link.#subscriber.connect()]);
      // The client does not always tell when it is destroyed while it connects.
      await Promise.race([connected, link.lost.then((cause) => Promise.reject(cause))]);
    } catch (cause) {
      link.destroy(cause);
      throw cause;
    } finally {
      timer.cancel();
      forget();
    }
    link.#watch();
    return link;
  }

  /** One command, in order with the others. Rejects with what the client does: see `isReply`. */
  send(parts: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#commands.sendCommand(parts) as Promise<RedisReply>;
  }

  /** As `send`, on the connection of subscriptions: what waits for a disk there does not hold it up. */
  sendLive(parts: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#subscriber.sendCommand(parts) as Promise<RedisReply>;
  }

  /** What the server said when it was given the library: scripts go as texts. Undefined where it has it. */
  get withoutLibrary(): Error | undefined {
    return this.#withoutLibrary;
  }

  /**
   * Runs the first script of the link, alone, and has the server take the library in where it has it not.
   *
   * @throws what the server refuses.
   */
  async first(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly string[],
  ): Promise<void> {
    const { library } = this.#options;
    const call = ["FCALL", library.functionOf(script), String(keys.length), ...keys, ...parameters];
    try {
      await this.send(call);
      return;
    } catch (error) {
      if (!isFunctionMissing(error)) throw error;
    }
    try {
      await this.send(["FUNCTION", "LOAD", library.text]);
    } catch (error) {
      if (isNoLibrary(error)) await this.#goByText(error as Error);
      // By somebody else.
      else if (!/already exists/i.test((error as Error).message ?? "")) throw error;
    }
    await this.evaluate(script, keys, parameters);
  }

  /** @param onSent - called when it is on its way, also when it is sent once more. */
  async evaluate(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly RedisArgument[],
    onSent?: () => void,
  ): Promise<RedisReply> {
    const { library } = this.#options;
    const rest = [String(keys.length), ...keys, ...parameters];
    const ask = (...head: readonly string[]): Promise<RedisReply> => {
      const reply = this.send([...head, ...rest]);
      onSent?.();
      return reply;
    };
    if (this.#withoutLibrary === undefined) {
      try {
        return await ask("FCALL", library.functionOf(script));
      } catch (error) {
        if (!isFunctionMissing(error)) throw error;
        // So does what was sent behind it, and others must not pass. All of it is asked again, in its order,
        // over the next link, which brings the library.
        const lost = new Error("the server has lost its functions", { cause: error });
        this.destroy(lost);
        throw lost;
      }
    }
    rest.push(script.id);
    const { sha, text } = library.textFor(script);
    try {
      return await ask("EVALSHA", sha);
    } catch (error) {
      if (!isScriptMissing(error)) throw error;
    }
    return await ask("EVAL", text);
  }

  /**
   * Resolves when everything that was sent before is on the server's disk; calls of one turn share
   * one question. At once where the server cannot tell.
   *
   * @throws INDETERMINATE when it is not flushed in time.
   */
  flushed(): Promise<void> {
    if (!this.confirmsFlushes) return Promise.resolve();
    this.#flush ??= new Promise((resolve, reject) => {
      queueMicrotask(() => {
        this.#flush = undefined;
        this.#waitForFlush().then(resolve, reject);
      });
    });
    return this.#flush;
  }

  subscribe(name: string, glob: boolean, listener: RedisListener): Promise<unknown> {
    return glob
      ? this.#subscriber.pSubscribe(name, listener, true)
      : this.#subscriber.subscribe(name, listener, true);
  }

  unsubscribe(name: string, glob: boolean): Promise<unknown> {
    return glob ? this.#subscriber.pUnsubscribe(name) : this.#subscriber.unsubscribe(name);
  }

  /** Ends both connections at once; what was asked and not answered rejects. Safe to repeat. */
  destroy(cause: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    this.#commands.destroy();
    this.#subscriber.destroy();
    this.#closing.abort(cause);
    this.#lost.resolve(cause);
  }

  /** From now on. What of the texts cannot be left with the server goes with the call. */
  async #goByText(why: Error): Promise<void> {
    this.#withoutLibrary = why;
    const texts = this.#options.library.texts.map(async ({ sha, text }) => {
      const [known] = (await this.send(["SCRIPT", "EXISTS", sha])) as readonly number[];
      if (known !== 1) await this.send(["SCRIPT", "LOAD", text]);
    });
    for (const { status, reason } of (await Promise.allSettled(texts)) as PromiseRejectedResult[]) {
      if (status === "rejected" && !isReply(reason)) throw reason;
    }
  }

  async #waitForFlush(): Promise<void> {
    // Before the silence is taken for a lost link: nobody else is answered behind it meanwhile.
    const waitMs = Math.ceil(this.#options.silenceMs / 2);
    const reply = await this.send(["WAITAOF", "1", "0", String(waitMs)]).catch((cause) => {
      if (!isReply(cause)) throw cause;
      // It was set otherwise since this link began: the next one finds out how.
      this.destroy(cause);
      throw lostInFlight(cause, "WAITAOF: the server does not confirm it any more");
    });
    const [local] = Array.isArray(reply) ? reply : [];
    if (Number(local) >= 1) return;
    const message = `WAITAOF: the server has not flushed it to its disk within ${waitMs} ms`;
    throw lostInFlight(new ColloquyError("DURABILITY_UNAVAILABLE", message), message);
  }

  #watch(): void {
    const { clock, silenceMs } = this.#options;
    const heard = () => {
      this.#silentTicks = 0;
    };
    const tick = (): void => {
      if (this.#silentTicks++ >= ticksPerSilence) {
        this.destroy(new Error(`the server was silent for ${silenceMs} ms`));
        return;
      }
      // A lost link is told by its clients; both have to answer, or the ticks go on counting.
      const both = [this.send(["PING"]), this.sendLive(["PING"])];
      Promise.all(both).then(heard, () => {});
      this.#timer = clock.setTimer(silenceMs / ticksPerSilence, tick);
    };
    if (!this.#ended) this.#timer = clock.setTimer(silenceMs / ticksPerSilence, tick);
  }
}
