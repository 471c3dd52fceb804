/** A protocol's members as functions. */
import { ColloquyError } from "../errors.ts";
import type { Receipt } from "../exchange/commands/receipt.ts";
import type {
  PublishOptions,
  RequestOptions,
  SendOptions,
  StreamOptions,
} from "../exchange/options.ts";
import type { StreamReply } from "../exchange/requests/stream.ts";
import { type Address, assertAddress } from "../message/address.ts";
import { anObject } from "../message/checks.ts";
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

interface To {
  /** Default: whoever can, `skill:` and the member's name. */
  readonly to?: Exclude<Address, `all:${string}`>;
}

export type Client<Of extends Protocol> = { readonly [Key in keyof Of]: Call<Of[Key]> };

type Call<Of> =
  Of extends StreamDefinition<infer Input, infer Chunk, infer Output>
    ? (
        input: Given<Input>,
        options?: StreamOptions & To,
      ) => StreamReply<Taken<Chunk>, Taken<Output>>
    : Of extends CommandDefinition<infer Input, infer Output>
      ? (input: Given<Input>, options?: SendOptions & To) => Promise<Receipt<Taken<Output>>>
      : Of extends RequestDefinition<infer Input, infer Output>
        ? (input: Given<Input>, options?: RequestOptions & To) => Promise<Taken<Output>>
        : Of extends EventDefinition<infer Data extends AnySchema>
          ? (data: Given<Data>, options?: PublishOptions) => Promise<void>
          : never;

/** The part of an agent that a client speaks through. */
export interface ClientAgent {
  request(to: Address, method: string, input?: unknown, options?: RequestOptions): Promise<unknown>;
  stream(to: Address, method: string, input?: unknown, options?: StreamOptions): StreamReply;
  send(
    to: Exclude<Address, `all:${string}`>,
    name: string,
    payload?: unknown,
    options?: SendOptions,
  ): Promise<Receipt>;
  publish(topic: string, data?: unknown, options?: PublishOptions): Promise<void>;
}

export function makeClient<Of extends Protocol>(agent: ClientAgent, contract: Of): Client<Of> {
  const calls = Object.entries(contract).map(([key, { kind, name }]) => {
    const call = (input: unknown, options: RequestOptions & SendOptions & To = {}) => {
      anObject("options", options);
      const { to = `skill:${name}` as const, ...rest } = options;
      assertAddress(to, "to");
      switch (kind) {
        case "request":
          return agent.request(to, name, input, rest);
        case "stream":
          return agent.stream(to, name, input, rest);
        case "command":
          return agent.send(to, name, input, rest);
        case "event":
          return agent.publish(name, input, options);
        default:
          throw new ColloquyError("INVALID_OPTION", `unknown kind of member: ${String(kind)}`);
      }
    };
    return [key, call] as const;
  });
  return Object.freeze(Object.fromEntries<unknown>(calls)) as Client<Of>;
}
