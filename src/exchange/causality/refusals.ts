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

/** @param cycle - of works, each waiting for the next; the last is the one that is refused. */
export function deadlock(
  name: string,
  cycle: readonly { readonly agent: string; readonly name: string; readonly queued: boolean }[],
): ColloquyError<"DEADLOCK"> {
  const to = cycle.at(-1)?.agent ?? "";
  // The last waits for the first: a handler of the same agent.
  const around = cycle[0]?.agent === to ? cycle : [{ agent: to }, ...cycle];
  return new ColloquyError(
    "DEADLOCK",
    `${name} can never start at ${to}: all handlers of ${to} wait for it, ${pathText(around)}; ` +
      "answer with what there is, or ask somebody else",
    {
      details: {
        name,
        agent: to,
        path: cycle.map(({ agent, name, queued }) => ({ agent, name, queued })),
      },
    },
  );
}
