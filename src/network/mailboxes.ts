/** The durable mailboxes of a space. They outlive the agents that work them. */
import type { Attempts, MailboxInfo as MailboxPort, StoredMessage } from "../broker/broker.ts";
import { formatReceiptId } from "../exchange/commands/receipt.ts";
import type { Exchange } from "../exchange/exchange.ts";
import { assertSingleAddress, type SingleAddress } from "../message/address.ts";
import {
  abortSignal,
  type Checks,
  checkOptions,
  listOf,
  signalOf,
  wholeNumber,
} from "../message/checks.ts";
import type { Envelope } from "../message/envelope.ts";
import { decodeMessage } from "../message/envelope-codec.ts";
import { decodePayload } from "../message/payload.ts";
import type { WaitOptions } from "../runtime/abort.ts";

export interface MailboxInfo extends Omit<MailboxPort, "queue"> {
  readonly address: string;
}

/** A message in a mailbox, as looking finds it. */
export interface WaitingMessage {
  /** Counts up within the mailbox. */
  readonly position: number;
  /** For `net.track`; undefined where the message cannot be decoded. */
  readonly receiptId: string | undefined;
  /** "scheduled": not before `notBeforeMs`. "offered": in somebody's hands. */
  readonly state: "queued" | "scheduled" | "offered";
  readonly attempts: Attempts;
  /** Wall clock, milliseconds. */
  readonly notBeforeMs: number | undefined;
  /** Undefined where it cannot be decoded. */
  readonly message: Envelope | undefined;
  readonly payload: unknown;
}

export interface BrowseOptions {
  /** Those with a higher position. Default: 0, all. */
  readonly after?: number;
  /** So many at most; 0 or more. Default: no limit. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

const browseChecks: Checks<BrowseOptions> = {
  after: wholeNumber(0),
  limit: wholeNumber(0),
  signal: abortSignal,
};

export class MailboxList {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Makes mailboxes; those that exist are left as they are. @throws INVALID_ADDRESS, CANCELLED. */
  async declare(
    addresses: SingleAddress | readonly SingleAddress[],
    options: WaitOptions = {},
  ): Promise<void> {
    await this.#exchange.declare(checked(addresses), signalOf(options));
  }

  /** @throws CANCELLED. */
  async list(options: WaitOptions = {}): Promise<readonly MailboxInfo[]> {
    const { broker, space } = this.#exchange.site;
    const all = await broker.queues.mailboxes(signalOf(options));
    return all.flatMap(({ queue, ...rest }) => {
      const address = space.addressOf(queue);
      return address === undefined ? [] : [{ address, ...rest }];
    });
  }

  /**
   * What waits in a mailbox, in order of position; looking changes nothing. Of one that was never
   * declared, nothing.
   *
   * @throws INVALID_ADDRESS, INVALID_OPTION, CANCELLED.
   */
  async *browse(
    address: SingleAddress,
    options: BrowseOptions = {},
  ): AsyncGenerator<WaitingMessage> {
    assertSingleAddress(address, "address");
    checkOptions(options, browseChecks);
    const { after = 0, limit, signal = new AbortController().signal } = options;
    if (limit === 0) return;
    const { broker, space } = this.#exchange.site;
    const queue = space.queue(address);
    const range = limit === undefined ? { after } : { after, limit };
    for await (const batch of broker.queues.browse(queue, range, signal)) {
      for (const stored of batch) yield shown(queue, stored);
    }
  }

  /** Removes mailboxes with everything that waits in them. @throws INVALID_ADDRESS, CANCELLED. */
  async remove(
    addresses: SingleAddress | readonly SingleAddress[],
    options: WaitOptions = {},
  ): Promise<void> {
    const { broker, space } = this.#exchange.site;
    const queues = checked(addresses).map((address) => space.queue(address));
    await broker.queues.remove(queues, signalOf(options));
  }
}

const severalMailboxes = listOf((field, value) => assertSingleAddress(value, field));

/** One or several. @throws INVALID_ADDRESS. */
function checked(addresses: SingleAddress | readonly SingleAddress[]): readonly SingleAddress[] {
  if (typeof addresses !== "object") {
    assertSingleAddress(addresses, "address");
    return [addresses];
  }
  severalMailboxes("addresses", addresses);
  return addresses;
}

function shown(queue: string, stored: StoredMessage): WaitingMessage {
  const { position, state, attempts, notBeforeMs, frame } = stored;
  const about = { position, state, attempts, notBeforeMs };
  try {
    const { envelope, payload } = decodeMessage(frame);
    const receiptId = formatReceiptId({ queue, position, messageId: envelope.id });
    return { ...about, receiptId, message: envelope, payload: decodePayload(payload) };
  } catch {
    return { ...about, receiptId: undefined, message: undefined, payload: undefined };
  }
}
