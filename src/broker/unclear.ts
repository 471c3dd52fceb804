/** What was sent again for want of an answer, and found it done: by itself, or by somebody else? */
import { ColloquyError, errorInfo } from "../errors.ts";
import type { SettleOutcome } from "./broker.ts";

export const unclearSettlement: SettleOutcome = Object.freeze({
  kind: "indeterminate",
  error: errorInfo(
    new ColloquyError(
      "INDETERMINATE",
      "the message is final: by this settlement, sent before, or by a later attempt",
    ),
  ),
});

export function unclearAnswer(): ColloquyError<"INDETERMINATE"> {
  const message =
    "the question is closed: by this answer, taken before the link broke, or otherwise";
  return new ColloquyError("INDETERMINATE", message);
}
