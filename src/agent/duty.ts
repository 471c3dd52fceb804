/**
 * When an agent works its mailboxes: from its first handler on until it closes, but not while a younger
 * life of it is there, which then has them to itself.
 *
 *   at work ── a younger life comes ──▶ leaving ── what was begun has ended ──▶ aside
 *   leaving, aside ── it is gone again ──▶ at work, once it has left
 */
import { ColloquyError } from "../errors.ts";
import type { Exchange } from "../exchange/exchange.ts";
import type { Address } from "../message/address.ts";
import type { Inbox } from "./inbox.ts";
import { Mailboxes } from "./mailboxes.ts";

export class Duty {
  readonly #exchange: Exchange;
  readonly #inbox: Inbox;
  /** Replaced, never changed. */
  #addresses: readonly Address[] = [];
  /** Made with the first handler: who only asks has none. */
  #mailboxes: Mailboxes | undefined;
  #leaving: Promise<void> | undefined;
  #aside = false;
  #closing = false;

  constructor(exchange: Exchange, inbox: Inbox) {
    this.#exchange = exchange;
    this.#inbox = inbox;
  }

  /** Declares those that are new, and works them. */
  open(addresses: readonly Address[]): void {
    const added = addresses.filter((address) => !this.#addresses.includes(address));
    this.#addresses = this.#addresses.concat(added);
    this.#work();
  }

  /** @throws what the broker said when it was asked last. */
  async ready(): Promise<void> {
    await this.#mailboxes?.ready();
  }

  /** @param isYoungest - no other process has a younger life of this agent. */
  stand(isYoungest: boolean): void {
    this.#aside = !isYoungest;
    if (isYoungest) this.#work();
    else if (this.#mailboxes !== undefined) this.#leaving ??= this.#leave(this.#mailboxes);
  }

  /** Takes nothing new, and lets nobody wait for input any longer: those messages go on elsewhere. */
  stop(error: ColloquyError): void {
    this.#closing = true;
    this.#mailboxes?.stop(error);
  }

  /** Handlers that still run are told that it is over: what they handle goes to others. */
  interrupt(error: ColloquyError): void {
    this.#mailboxes?.interrupt(error);
  }

  /** After `stop`: resolves once everything is settled and the queues are left. */
  async close(): Promise<void> {
    await this.#leaving;
    await this.#mailboxes?.close();
  }

  #work(): void {
    if (this.#aside || this.#closing || this.#leaving !== undefined) return;
    if (this.#addresses.length === 0) return;
    this.#mailboxes ??= new Mailboxes(this.#exchange, this.#inbox);
    this.#mailboxes.open(this.#addresses);
  }

  async #leave(mailboxes: Mailboxes): Promise<void> {
    const { id } = this.#inbox;
    const error = new ColloquyError("CLOSED", `a younger life of agent ${id} has taken its place`);
    mailboxes.stop(error);
    this.#inbox.handBack(error);
    await mailboxes.close();
    this.#mailboxes = undefined;
    this.#leaving = undefined;
    this.#work();
  }
}
