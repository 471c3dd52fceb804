/** One message to several mailboxes: each takes it, or refuses it, on its own. */
import { ColloquyError, toColloquyError } from "../errors.ts";
import type { Receipt } from "../exchange/commands/receipt.ts";
import type { Address } from "../message/address.ts";

/** What became of a send to everyone of a type, or to several addresses at once. */
export interface Receipts<Result = unknown> {
  /** One for each recipient whose mailbox took the message, in order of the addresses. */
  readonly receipts: readonly Receipt<Result>[];
  /** The other recipients, and why. */
  readonly refused: readonly Refusal[];
}

export interface Refusal {
  readonly to: Address;
  readonly error: ColloquyError;
}

/**
 * Sends to every address once.
 *
 * @throws INVALID_ADDRESS when there is none; what the first recipient said when all refused.
 */
export async function multicast(
  recipients: readonly Address[],
  send: (to: Address) => Promise<Receipt>,
): Promise<Receipts> {
  if (recipients.length === 0) {
    throw new ColloquyError("INVALID_ADDRESS", "to: an array of addresses must not be empty", {
      details: { field: "to", limit: "1 address or more" },
    });
  }
  const addresses = [...new Set(recipients)];
  const outcomes = await Promise.allSettled(addresses.map(send));
  const receipts: Receipt[] = [];
  const refused: Refusal[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") receipts.push(outcome.value);
    else refused.push({ to: addresses[index] as Address, error: toColloquyError(outcome.reason) });
  }
  const [first] = refused;
  if (first !== undefined && receipts.length === 0) throw first.error;
  return { receipts, refused };
}
