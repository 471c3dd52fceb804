/** A request that travels as a command: whoever stops waiting for its answer gives the command up. */
import { ColloquyError } from "../../errors.ts";
import { onAbort, withAbort } from "../../runtime/abort.ts";
import type { RequestOptions, SendOptions } from "../options.ts";
import type { Site } from "../site.ts";
import { beginCall, type Cancellable, endCall, type Work } from "../work.ts";
import type { Outcome, Receipt } from "./receipt.ts";

/** What its command is sent with. Not the signal: whoever gives it up cancels what is stored. */
export function sendOptionsOf(options: RequestOptions): SendOptions {
  const { deadlineMs, priority, headers, conversationId, workflowId, fallback } = options;
  const { hops, budget, reentrant } = options;
  return {
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(priority === undefined ? {} : { priority }),
    ...(headers === undefined ? {} : { headers }),
    ...(conversationId === undefined ? {} : { conversationId }),
    ...(workflowId === undefined ? {} : { workflowId }),
    ...(fallback === undefined ? {} : { fallback }),
    ...(hops === undefined ? {} : { hops }),
    ...(budget === undefined ? {} : { budget }),
    ...(reentrant === undefined ? {} : { reentrant }),
  };
}

/**
 * @param sending - its command. Given up before it is stored, it is cancelled as soon as it is.
 * @param cause - cancels it when it is cancelled itself.
 */
export async function settledUnlessLeft(
  site: Site,
  sending: Promise<Receipt>,
  cause: Work | undefined,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const call: Cancellable = {
    waitsFor: undefined,
    cancel: ({ message }) => {
      sending.then(
        (receipt) =>
          receipt
            .cancel({ reason: message })
            .catch((error: unknown) => site.onError(error, `cancelling ${receipt.id}`)),
        () => {},
      );
    },
  };
  if (cause !== undefined) beginCall(cause, call);
  const left = new ColloquyError("CANCELLED", "its requester gave up");
  const forget = onAbort(signal, () => call.cancel(left));
  try {
    const receipt = await withAbort(sending, signal);
    return await receipt.settled(signal === undefined ? {} : { signal });
  } finally {
    forget();
    if (cause !== undefined) endCall(cause, call);
  }
}
