/**
 * The id of a request or stream, as errors and handles give it: a locator that finds the work again
 * from any process, as long as it runs or its answer is kept.
 */
import { ColloquyError } from "../../errors.ts";

export interface Operation {
  /** The life of the process that handles it. */
  readonly instance: string;
  /** Of the request. */
  readonly messageId: string;
  /** Id of the agent that handles it. */
  readonly agent: string;
}

export function formatOperationId({ instance, messageId, agent }: Operation): string {
  return `${instance},${messageId},${agent}`;
}

/** No id has a comma. The first is an instance: a position, as in the id of a receipt, is shorter. */
const pattern = /^([^,]{26}),([^,]{1,128}),([^,]{1,128})$/;

/** @throws INVALID_OPTION when the text is no such id. */
export function parseOperationId(id: string): Operation {
  const [, instance = "", messageId = "", agent = ""] = pattern.exec(id) ?? [];
  if (agent === "") {
    const shown = String(id).slice(0, 200);
    throw new ColloquyError("INVALID_OPTION", `not the id of a request or stream: "${shown}"`, {
      details: { field: "id", value: shown },
    });
  }
  return { instance, messageId, agent };
}
