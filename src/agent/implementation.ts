import { ColloquyError } from "../errors.ts";
import { anObject } from "../message/checks.ts";
import type { Context } from "./context.ts";
import type { HandlerFunction } from "./handler.ts";
import type {
  AnySchema,
  CommandDefinition,
  EventDefinition,
  Given,
  Member,
  Protocol,
  RequestDefinition,
  StreamDefinition,
  Taken,
} from "./protocol.ts";

/** The functions behind a protocol's members, all or some of them; events have none. */
export type Implementation<Of extends Protocol> = {
  readonly [Key in keyof Of as Of[Key] extends EventDefinition<AnySchema>
    ? never
    : Key]?: HandlerFor<Of[Key]>;
};

type HandlerFor<Of> =
  Of extends StreamDefinition<infer Input, infer Chunk, infer Output>
    ? (
        input: Taken<Input>,
        context: Context,
      ) => AsyncIterable<Given<Chunk>, Given<Output> | undefined, undefined>
    : Of extends
          | RequestDefinition<infer Input, infer Output>
          | CommandDefinition<infer Input, infer Output>
      ? (input: Taken<Input>, context: Context) => Given<Output> | Promise<Given<Output>>
      : never;

export interface Implemented {
  readonly member: Member;
  readonly handler: HandlerFunction;
}

/** @throws INVALID_OPTION naming what is no member of the protocol, or has nothing to implement. */
export function membersOf(contract: Protocol, implementation: object): readonly Implemented[] {
  anObject("contract", contract);
  anObject("implementation", implementation);
  return Object.entries(implementation).map(([key, handler]: [string, unknown]) => {
    const member = Object.hasOwn(contract, key) ? contract[key] : undefined;
    if (member === undefined || member.kind === "event" || typeof handler !== "function") {
      throw new ColloquyError("INVALID_OPTION", `the protocol has no "${key}" to implement`, {
        details: { field: key, members: Object.keys(contract) },
      });
    }
    return { member, handler: handler as HandlerFunction };
  });
}
