/** What the id of a request or stream is good for: waiting for it again, and cancelling it. */
import { ColloquyError } from "../../errors.ts";
import { signalOf } from "../../message/checks.ts";
import type { Sender } from "../../message/envelope.ts";
import { throwIfAborted, type WaitOptions, withAbort } from "../../runtime/abort.ts";
import { type AttachOptions, checkAttach, startWaitMs, windowDefault } from "../options.ts";
import type { Site } from "../site.ts";
import { AttachedCall } from "./attached-call.ts";
import { parseOperationId } from "./operation.ts";
import type { RemoteCalls } from "./remote-calls.ts";
import { type Call, type CancelOutcome, type Held, StreamReader, stopped } from "./stream.ts";
import { cancelOutcome } from "./verdicts.ts";

export interface Asker {
  readonly site: Site;
  readonly calls: RemoteCalls;
  readonly from: Sender;
}

/**
 * The way is the same where the work is handled in this process: its messages come back to it.
 *
 * @throws INVALID_OPTION when `id` is none, or an option makes no sense.
 */
export function attachTo(
  { site, calls, from }: Asker,
  id: string,
  options: AttachOptions = {},
): StreamReader {
  const operation = parseOperationId(id);
  checkAttach(options);
  const { window = windowDefault, after = 0, timeoutMs, onProgress, onInput, signal } = options;
  const reader: StreamReader = new StreamReader({
    window,
    after,
    source: () => call,
    grant: (credit) => call.grant(credit),
    abandon: () => call.cancel(new ColloquyError("CANCELLED", "the reader left before the end")),
  });
  const wait = {
    site,
    from,
    name: `attach to ${operation.agent}`,
    deadlineAtMs: Number.POSITIVE_INFINITY,
    options: {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(onInput === undefined ? {} : { onInput }),
      ...(signal === undefined ? {} : { signal }),
    },
  };
  const call: AttachedCall = new AttachedCall(wait, operation, calls, {
    resolve: (result) => reader.end(result),
    reject: (error) => reader.fail(error),
    reader,
  });
  calls.begin(call);
  return reader;
}

/** @throws INVALID_OPTION when `id` is none, CANCELLED when the wait is given up: the work may be cancelled all the same. */
export async function askToCancel(
  { calls, from }: Asker,
  id: string,
  options: WaitOptions = {},
): Promise<CancelOutcome> {
  const signal = signalOf(options);
  const operation = parseOperationId(id);
  throwIfAborted(signal);
  const outcome = new Promise<CancelOutcome>((resolve) =>
    calls.verdicts.ask(
      { ask: "cancel", from, operation, sentAtMs: undefined, waitMs: startWaitMs },
      (outcome) => resolve(cancelOutcome(outcome)),
    ),
  );
  return withAbort(outcome, signal);
}

export function handleOf({ source, result }: Held): Call {
  return {
    get id() {
      return source.operationId;
    },
    result,
    cancel: (options) => stopped(source, options),
  };
}
