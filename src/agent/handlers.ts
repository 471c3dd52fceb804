/** What an agent answers to: its handlers, the contracts that it serves, and the mailboxes these bring. */
import { batching, batchOptions } from "../delivery/batch.ts";
import { Retries, retryChecks, retryPolicy } from "../delivery/retry.ts";
import { invalidOption } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { type Address, agentAddress } from "../message/address.ts";
import {
  aFunction,
  type Checks,
  checkedWithin,
  checkOptions,
  flag,
  options,
} from "../message/checks.ts";
import { addressesOf } from "../routing/registry.ts";
import { nameOf } from "./context.ts";
import { Duty } from "./duty.ts";
import {
  type BatchHandler,
  type BatchHandlerOptions,
  composeHandler,
  type HandlerFunction,
  type HandlerOptions,
} from "./handler.ts";
import { type Implementation, membersOf } from "./implementation.ts";
import type { Inbox } from "./inbox.ts";
import type { Member, Protocol } from "./protocol.ts";

export interface Registration {
  /** No further work is started with this handler; what runs ends by itself. */
  close(): void;
}

const serveChecks: Checks<HandlerOptions> = { retry: options(retryChecks), resumable: flag };
const handlerChecks: Checks<BatchHandlerOptions> = { ...serveChecks, batch: checkedWithin };

export class Handlers {
  readonly #exchange: Exchange;
  readonly #inbox: Inbox;
  #duty: Duty | undefined;
  /** Replaced, never changed. */
  #capabilities: readonly string[];

  constructor(exchange: Exchange, inbox: Inbox, capabilities: readonly string[]) {
    this.#exchange = exchange;
    this.#inbox = inbox;
    this.#capabilities = capabilities;
  }

  get capabilities(): readonly string[] {
    return this.#capabilities;
  }

  /** The agent's mailboxes; undefined where it has only asked so far. */
  get duty(): Duty | undefined {
    return this.#duty;
  }

  /** @param isYoungest - no other process has a younger life of this agent. */
  stand(isYoungest: boolean): void {
    this.#onDuty().stand(isYoungest);
  }

  /** @throws CONFLICT, INVALID_OPTION. */
  handle(
    nameOrMember: string | Member,
    handler: unknown,
    options: HandlerOptions | BatchHandlerOptions,
  ): Registration {
    const name = nameOf(nameOrMember);
    aFunction("handler", handler);
    checkOptions<BatchHandlerOptions>(options, handlerChecks);
    const member = typeof nameOrMember === "string" ? undefined : nameOrMember;
    const run = this.#runOf(name, member, handler, options);
    const registration = this.#add(name, member, run, options);
    this.#onDuty().open(this.#addresses);
    return registration;
  }

  /** All of `implementation`, or nothing where it throws. @throws CONFLICT, INVALID_OPTION. */
  serve<Of extends Protocol>(
    contract: Of,
    implementation: Implementation<Of>,
    options: HandlerOptions,
  ): Registration {
    checkOptions(options, serveChecks);
    const members = membersOf(contract, implementation);
    const names = members.map(({ member }) => member.name);
    const added = names.filter((name) => !this.#capabilities.includes(name));
    const registrations: Registration[] = [];
    const close = () => {
      for (const registration of registrations) registration.close();
      const left = this.#capabilities.filter((name) => !added.includes(name));
      this.#capabilities = Object.freeze(left);
    };
    this.#capabilities = Object.freeze([...this.#capabilities, ...added]);
    try {
      for (const { member, handler } of members) {
        registrations.push(this.#add(member.name, member, handler, options));
      }
    } catch (error) {
      close();
      throw error;
    }
    this.#onDuty().open(this.#addresses);
    return { close };
  }

  #add(
    name: string,
    member: Member | undefined,
    handler: HandlerFunction,
    options: HandlerOptions,
  ): Registration {
    const { clock, random } = this.#exchange.site;
    const remove = this.#inbox.add({
      name,
      run: composeHandler(member, handler),
      retry: new Retries(retryPolicy(options.retry), clock, random),
      resumable: options.resumable === true,
    });
    return { close: remove };
  }

  /** A handler of one; of several at a time, where `batch` says so. */
  #runOf(
    name: string,
    member: Member | undefined,
    handler: unknown,
    options: HandlerOptions | BatchHandlerOptions,
  ): HandlerFunction {
    const batch = batchOptions("batch" in options ? options.batch : undefined);
    if (batch === undefined) return handler as HandlerFunction;
    if (member?.kind === "stream") {
      throw invalidOption("batch", name, "for a handler that answers in chunks");
    }
    // A batch cannot be larger than what runs at a time: it need not wait for more.
    const limits = { ...batch, sizeMax: Math.min(batch.sizeMax, this.#inbox.capacity) };
    return batching(handler as BatchHandler<unknown>, limits, this.#exchange.site.clock);
  }

  #onDuty(): Duty {
    this.#duty ??= new Duty(this.#exchange, this.#inbox);
    return this.#duty;
  }

  get #addresses(): readonly Address[] {
    const { id, type } = this.#inbox;
    return [agentAddress(id), ...addressesOf({ type, capabilities: this.capabilities })];
  }
}
