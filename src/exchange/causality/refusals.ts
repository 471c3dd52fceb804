/** Calls that are refused because of what led to them, each worded once, for people and for models. */
import { ColloquyError } from "../../errors.ts";
import type { Address } from "../../message/address.ts";
import type { Ancestor } from "../../message/envelope.ts";
import { pathText } from "./path.ts";

/** A call that was not made. */
export interface Refused {
  readonly name: string;
  readonly to: Address;
  /** The handlers that led to it, oldest first; the last one made it. */
  readonly path: readonly Ancestor[];
}

export function hopLimit({ name, to, path }: Refused): ColloquyError<"HOP_LIMIT"> {
  return new ColloquyError(
    "HOP_LIMIT",
    `${name} was not sent to ${to}: no forwardings are left after ${pathText(path)}; ` +
      "answer with what there is",
    { details: { name, to, path } },
  );
}

export function budgetExhausted({ name, to, path }: Refused): ColloquyError<"BUDGET_EXHAUSTED"> {
  return new ColloquyError(
    "BUDGET_EXHAUSTED",
    `${name} was not sent to ${to}: no calls are left for ${pathText(path)}; ` +
      "answer with what there is",
    { details: { name, to, path } },
  );
}

export function loopDetected(
  { name, to, path }: Refused,
  loopsMax: number,
): ColloquyError<"LOOP_DETECTED"> {
  const back = to.startsWith("agent:") ? to.slice("agent:".length) : to;
  return new ColloquyError(
    "LOOP_DETECTED",
    `${name} was not sent to ${to}: it would close a loop, ${pathText([...path, { agent: back }])}, ` +
      `in which it was handled ${loopsMax} times already; answer with what there is, or ask ` +
      "with reentrant: true where each turn makes the question smaller",
    { details: { name, to, path, loopsMax } },
  );
}
