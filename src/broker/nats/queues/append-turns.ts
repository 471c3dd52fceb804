/**
 * Settlements of this process that append to one stream of the log, one after the other: each has to know
 * where the stream ends, so that of several at once only one would come about.
 */
import type { Effect } from "../../broker.ts";

export class AppendTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when those that were here before have ended with every stream that the effects append to. */
  async run<Result>(effects: readonly Effect[], work: () => Promise<Result>): Promise<Result> {
    const streams = new Set(effects.flatMap((each) => (each.kind === "append" ? each.stream : [])));
    if (streams.size === 0) return await work();
    const before = [...streams].map((stream) => this.#last.get(stream));
    const turn = Promise.all(before).then(work);
    const ended = turn.then(
      () => {},
      () => {},
    );
    // All at once and without waiting: two that share several streams cannot wait for each other.
    for (const stream of streams) this.#last.set(stream, ended);
    try {
      return await turn;
    } finally {
      for (const stream of streams) {
        if (this.#last.get(stream) === ended) this.#last.delete(stream);
      }
    }
  }
}
