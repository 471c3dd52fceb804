/** Ordered history: see log-script.ts for how it lies on the server. */
import { ColloquyError, errorInfo, isColloquyError } from "../../errors.ts";
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { AppendOutcome, Log, LogEntry, LogReadOptions } from "../broker.ts";
import { frameArgument } from "./client.ts";
import type { LinkPart, RedisConnection } from "./connection.ts";
import { appendScript } from "./log-script.ts";
import { failedOutcome } from "./outcomes.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** Bytes of entries that are read at a time, about. */
const readBytes = 2 ** 20;
const readEntriesMax = 512;

export class RedisLog implements Log, LinkPart {
  readonly #connection: RedisConnection;
  readonly #subscriptions: Subscriptions;
  readonly #followers = new Set<() => void>();

  constructor(connection: RedisConnection, subscriptions: Subscriptions) {
    this.#connection = connection;
    this.#subscriptions = subscriptions;
    connection.add(this);
  }

  async append(
    stream: string,
    entries: readonly Uint8Array[],
    at?: number,
    signal?: AbortSignal,
  ): Promise<AppendOutcome> {
    throwIfAborted(signal);
    const connection = this.#connection;
    if (entries.length === 0) {
      const error = new ColloquyError("INVALID_OPTION", "entries: none");
      return { kind: "rejected", error: errorInfo(error) };
    }
    const { names } = connection;
    const parameters = [stream, at === undefined ? "" : String(at)];
    const frames = entries.map(frameArgument);
    try {
      const keys = [names.key("l", stream)];
      const all = [...parameters, ...frames];
      const answer = await connection.once(appendScript, keys, all, { signal });
      const [kind, position] = answer as [Buffer, number];
      return String(kind) === "appended"
        ? { kind: "appended", position }
        : { kind: "conflict", next: position };
    } catch (error) {
      return failedOutcome(error);
    }
  }

  async *read(
    stream: string,
    from: number,
    { follow = false }: LogReadOptions,
    signal: AbortSignal,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    const { failure, names } = this.#connection;
    if (failure !== undefined) throw failure;
    if (follow && signal.aborted) return;
    throwIfAborted(signal);
    let news = new Deferred();
    const tell = () => news.resolve();
    const ends = [onAbort(signal, tell)];
    try {
      if (follow) {
        this.#followers.add(tell);
        ends.push(() => void this.#followers.delete(tell));
        const channel = names.key("a", stream);
        let refused: ColloquyError | undefined;
        const onEnded = (error: ColloquyError) => {
          refused = error;
          tell();
        };
        const listening = this.#subscriptions.listen(channel, false, { receive: tell, onEnded });
        ends.push(listening.end);
        await Promise.race([listening.inForce, news.promise]);
        yield* this.#follow(stream, from, signal, async () => {
          await news.promise;
          news = new Deferred();
          if (refused !== undefined) throw refused;
        });
      } else {
        yield* this.#readAll(stream, from, signal);
      }
    } catch (error) {
      if (follow && signal.aborted && isColloquyError(error, "CANCELLED")) return;
      throw error;
    } finally {
      for (const end of ends) end();
    }
  }

  /** What was appended meanwhile was perhaps not told. */
  ready(): void {
    for (const tell of this.#followers) tell();
  }

  closed(): void {
    for (const tell of this.#followers) tell();
  }

  async *#follow(
    stream: string,
    from: number,
    signal: AbortSignal,
    newsCame: () => Promise<void>,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    let next = Math.max(1, from);
    while (!signal.aborted) {
      for await (const entries of this.#readAll(stream, next, signal)) {
        next = (entries.at(-1)?.position ?? next) + 1;
        yield entries;
        if (signal.aborted) return;
      }
      await newsCame();
    }
  }

  /** Up to the end that it has when that is reached. */
  async *#readAll(
    stream: string,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    const connection = this.#connection;
    const key = connection.names.key("l", stream);
    let next = Math.max(1, from);
    // Few to begin with: nobody knows yet how long they are.
    for (let count = 8; ; ) {
      const parts = ["XRANGE", key, `${next}-0`, "+", "COUNT", String(count)];
      const rows = (await connection.command(parts, { signal })) as readonly Row[];
      const entries = rows.map(([id, [, data]]) => ({
        position: Number.parseInt(String(id), 10),
        data,
      }));
      const last = entries.at(-1);
      if (last === undefined) return;
      next = last.position + 1;
      const bytes = entries.reduce((sum, { data }) => sum + data.length, 0);
      const fitting = Math.floor((readBytes * entries.length) / Math.max(1, bytes));
      const more = entries.length === count;
      count = Math.max(1, Math.min(readEntriesMax, fitting, 4 * count));
      yield entries;
      if (!more) return;
    }
  }
}

type Row = readonly [id: Buffer, fields: readonly [name: Buffer, data: Buffer]];
