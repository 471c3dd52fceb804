/** The port `Log` of one connection. */
import { onAbort, throwIfAborted } from "../../runtime/abort.ts";
import { Deferred } from "../../runtime/deferred.ts";
import type { Log, LogEntry, LogReadOptions } from "../broker.ts";
import { answer, type Session } from "./session.ts";
import { Append } from "./writes.ts";

export function logPort(session: Session): Log {
  const { core } = session;
  return {
    append: (stream, entries, at, signal) =>
      answer(session, signal, (resolve) =>
        core.groups.stage(new Append(core, stream, entries, at, resolve)),
      ),
    read: (stream, from, options, signal) => read(session, { stream, from, ...options }, signal),
  };
}

async function* read(
  { core, check, signal: closing }: Session,
  {
    stream,
    from,
    follow = false,
  }: LogReadOptions & { readonly stream: string; readonly from: number },
  signal: AbortSignal,
): AsyncGenerator<readonly LogEntry[], void, undefined> {
  let next = Math.max(1, from);
  let news = new Deferred();
  const tell = () => news.resolve();
  const forget = [core.streams.follow(stream, tell), onAbort(signal, tell), onAbort(closing, tell)];
  try {
    for (;;) {
      check();
      if (follow && signal.aborted) return;
      throwIfAborted(signal);
      const entries = core.streams.read(stream, next);
      const last = entries.at(-1);
      if (last !== undefined) {
        next = last.position + 1;
        yield entries;
      } else if (follow) {
        await news.promise;
        news = new Deferred();
      } else {
        return;
      }
    }
  } finally {
    for (const each of forget) each();
  }
}
