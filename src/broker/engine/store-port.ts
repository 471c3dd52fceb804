/** The port `Store` of one connection. */
import { cancelledError, onAbort, throwIfAborted } from "../../runtime/abort.ts";
import type { Store, StoreEntry } from "../broker.ts";
import { answer, type Session } from "./session.ts";
import { Put } from "./writes.ts";

/** Entries listed at a time. */
const partMax = 256;

export function storePort(session: Session): Store {
  const { core, signal: closing } = session;
  return {
    get: (keys, signal) =>
      answer(session, signal, (resolve) => {
        const nowMs = core.clock.nowMs();
        resolve(keys.map((key) => core.entries.get(key, nowMs)));
      }),
    put: (writes, signal) =>
      answer(session, signal, (resolve) => core.groups.stage(new Put(core, writes, resolve))),
    list: (prefix, signal) => list(session, prefix, signal),
    watch: (prefix, change, signal) =>
      answer(session, signal, (resolve, reject) => {
        const end = core.watchers.add(prefix, change, (error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
        const endWith = (error: unknown) => {
          end();
          forgetClosing();
          forgetSignal();
          reject(error);
        };
        const forgetClosing = onAbort(closing, () => endWith(closing.reason));
        const forgetSignal = onAbort(signal, () => endWith(cancelledError(signal)));
      }),
  };
}

async function* list(
  { core, check }: Session,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<readonly StoreEntry[], void, undefined> {
  let after = "";
  for (;;) {
    check();
    throwIfAborted(signal);
    const { entries, last } = core.entries.list(prefix, after, partMax, core.clock.nowMs());
    if (last === undefined) return;
    after = last;
    if (entries.length > 0) yield entries;
  }
}
