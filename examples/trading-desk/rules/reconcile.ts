/** Whether what the desk did is what a single process would have done. */
import { isDeepStrictEqual } from "node:util";
import type { Account, Fill } from "../protocol.ts";
import { type Accounts, accountsOf } from "./accounts.ts";
import type { Replay } from "./replay.ts";

export interface Check {
  readonly what: string;
  /** What is wrong, one by one; empty when the check passed. */
  readonly wrong: readonly string[];
}

/**
 * @param booked - every entry of the ledger's log.
 * @param stated - the accounts as the ledger states them.
 */
export function reconcile(
  expected: Replay,
  booked: readonly Fill[],
  stated: readonly Account[],
): readonly Check[] {
  const expectedIds = new Set(expected.orders.map(({ id }) => id));
  const bookedById = Map.groupBy(booked, ({ orderId }) => orderId);
  const bookedIds = [...bookedById.keys()];
  const statedAccounts: Accounts = new Map(stated.map((account) => [account.strategy, account]));
  return [
    {
      what: "every order was booked",
      wrong: [...expectedIds].filter((id) => !bookedById.has(id)),
    },
    {
      what: "no order was booked twice",
      wrong: bookedIds.filter((id) => bookedById.get(id)?.length !== 1),
    },
    {
      what: "nothing else was booked",
      wrong: bookedIds.filter((id) => !expectedIds.has(id)),
    },
    {
      what: "every fill equals the replay's",
      wrong: expected.fills
        .filter((fill) => !isDeepStrictEqual(bookedById.get(fill.orderId)?.[0], fill))
        .map(({ orderId }) => orderId),
    },
    {
      what: "the ledger's accounts are the sum of its entries",
      wrong: differences(accountsOf(booked), statedAccounts),
    },
    {
      what: "the ledger's accounts equal the replay's",
      wrong: differences(expected.accounts, statedAccounts),
    },
  ];
}

function differences(expected: Accounts, found: Accounts): readonly string[] {
  const names = [...new Set([...expected.keys(), ...found.keys()])];
  return names.filter((name) => !isDeepStrictEqual(expected.get(name), found.get(name)));
}
