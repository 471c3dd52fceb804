/** The durable mailboxes of a space. They outlive the agents that work them. */
import type { MailboxInfo as MailboxPort } from "../broker/broker.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { type Address, assertAddress } from "../message/address.ts";

export interface MailboxInfo extends Omit<MailboxPort, "queue"> {
  readonly address: string;
}

export class MailboxList {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Makes mailboxes; those that exist are left as they are. */
  async declare(...addresses: readonly Address[]): Promise<void> {
    for (const address of addresses) assertAddress(address);
    await this.#exchange.declare(addresses);
  }

  async list(): Promise<readonly MailboxInfo[]> {
    const { broker, space } = this.#exchange.site;
    const all = await broker.queues.mailboxes();
    return all.flatMap(({ queue, ...rest }) => {
      const address = space.addressOf(queue);
      return address === undefined ? [] : [{ address, ...rest }];
    });
  }

  /** Removes mailboxes with everything that waits in them. */
  async remove(...addresses: readonly Address[]): Promise<void> {
    const { broker, space } = this.#exchange.site;
    await broker.queues.remove(addresses.map((address) => space.queue(address)));
  }
}
