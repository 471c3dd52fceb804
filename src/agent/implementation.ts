import type { Context } from "./context.ts";
import type {
  AnySchema,
  CommandDefinition,
  EventDefinition,
  Given,
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
