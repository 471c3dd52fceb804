/**
 * The id of a request or stream, as errors and handles give it: a locator that finds the work again
 * from any process, as long as it runs or its answer is kept.
 */
import { ColloquyError } from "../errors.ts";

export interface Operation {
  /** The life of the process that handles it. */
  readonly instance: string;
  /** Of the request. */
  readonly messageId: string;
}

export function formatOperationId({ instance, messageId }: Operation): string {
  return `${instance},${messageId}`;
}

/** No id of an instance or message has a comma. */
const pattern = /^([^,]{1,64}),([^,]{1,128})$/;

/** @throws INVALID_OPTION when the text is no such id. */
export function parseOperationId(id: string): Operation {
  const [, instance = "", messageId = ""] = pattern.exec(id) ?? [];
  if (messageId === "") {
    const shown = String(id).slice(0, 200);
    throw new ColloquyError("INVALID_OPTION", `not the id of a request or stream: "${shown}"`, {
      details: { field: "id", value: shown },
    });
  }
  return { instance, messageId };
}
