import { ColloquyError } from "../../errors.ts";
import type { NatsMessage } from "./client.ts";
import { type ApiError, apiError } from "./errors.ts";
import { jsonObject } from "./json-object.ts";

/** @throws the error that JetStream has answered with. */
export function parseAnswer<Answer>({ data }: NatsMessage, what: string): Answer {
  const answer = jsonObject(data) as { readonly error?: ApiError } | undefined;
  if (answer === undefined) {
    throw new ColloquyError("INDETERMINATE", `${what}: the answer cannot be read`);
  }
  if (answer.error !== undefined) throw apiError(answer.error, what);
  return answer as Answer;
}
