/** What was sent again after a lost connection, and found it done: by itself, or by somebody else? */
import { ColloquyError } from "../errors.ts";

export function unclearSettlement(): ColloquyError<"INDETERMINATE"> {
  const message =
    "the message is final: by this settlement, before the link broke, or by a later attempt";
  return new ColloquyError("INDETERMINATE", message);
}

export function unclearAnswer(): ColloquyError<"INDETERMINATE"> {
  const message =
    "the question is closed: by this answer, taken before the link broke, or otherwise";
  return new ColloquyError("INDETERMINATE", message);
}
