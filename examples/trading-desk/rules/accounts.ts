/**
 * What each strategy owns: a fold over its fills. Every change is a sum of whole numbers, so the
 * order of the fills does not matter, but a fill that is missing or counted twice shows.
 */
import type { Account, Fill } from "../protocol.ts";

export type Accounts = ReadonlyMap<string, Account>;

export function accountsOf(fills: Iterable<Fill>): Accounts {
  const accounts = new Map<string, Account>();
  for (const fill of fills) accounts.set(fill.strategy, book(accounts.get(fill.strategy), fill));
  return accounts;
}

/** The account with one more fill in it. */
export function book(account: Account | undefined, fill: Fill): Account {
  return {
    strategy: fill.strategy,
    fills: (account?.fills ?? 0) + 1,
    shares: (account?.shares ?? 0) + fill.shares,
    cashCents: (account?.cashCents ?? 0) - fill.shares * fill.priceCents - fill.feeCents,
  };
}

/** What the account would be worth if everything were sold, or bought back, at `priceCents`. */
export function profitCents(account: Account, priceCents: number): number {
  return account.cashCents + account.shares * priceCents;
}
