/** The Log of a hub. */
import { isColloquyError } from "../../errors.ts";
import type { AppendOutcome, Log, LogEntry, LogReadOptions } from "../broker.ts";
import type { Calls } from "./calls.ts";
import { readCursor } from "./cursor.ts";

export class HubLog implements Log {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  async append(
    stream: string,
    entries: readonly Uint8Array[],
    at?: number,
    signal?: AbortSignal,
  ): Promise<AppendOutcome> {
    const parameters = { stream, entries, ...(at === undefined ? {} : { at }) };
    try {
      const options = { signal, repeatable: false };
      return (await this.#calls.call("log.append", parameters, options)) as AppendOutcome;
    } catch (error) {
      if (isColloquyError(error, "INDETERMINATE")) {
        return { kind: "indeterminate", error: error.toJSON() };
      }
      if (isColloquyError(error, "MESSAGE_TOO_LARGE")) {
        return { kind: "rejected", error: error.toJSON() };
      }
      throw error;
    }
  }

  async *read(
    stream: string,
    from: number,
    { follow = false }: LogReadOptions,
    signal: AbortSignal,
  ): AsyncGenerator<readonly LogEntry[], void, undefined> {
    try {
      yield* readCursor<LogEntry>(this.#calls, {
        method: "log.read",
        from: (last) => ({ stream, from: last === undefined ? from : last.position + 1, follow }),
        signal,
      });
    } catch (error) {
      if (!(follow && signal.aborted)) throw error;
    }
  }
}
