/** What the ports of one connection share. */
import { throwIfAborted, withAbort } from "../../runtime/abort.ts";
import type { Core } from "./core.ts";

export interface Session {
  readonly core: Core;
  /** @throws CLOSED, or STORE_FAILED after the engine failed. */
  check(): void;
  /** Aborts when the connection closes, with what the calls that wait reject with. */
  readonly signal: AbortSignal;
}

/** A promise for the answer to an operation; CANCELLED when `signal` aborts, and it may still happen. */
export function answer<Value>(
  session: Session,
  signal: AbortSignal | undefined,
  start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => void,
): Promise<Value> {
  try {
    session.check();
    throwIfAborted(signal);
  } catch (error) {
    return Promise.reject(error);
  }
  return withAbort(new Promise(start), signal);
}
