/**
 * The ledger keeps nothing that it could lose: every fill is an entry in the log, and its accounts
 * are a fold over them. Started again, it reads the log and knows what it owns.
 */
import { entriesSince, entriesStream } from "../history.ts";
import { type Account, Ledger, Work } from "../protocol.ts";
import { book } from "../rules/accounts.ts";
import { runProgram } from "./program.ts";

await runProgram(async (net) => {
  const ledger = await net.agent("ledger", { type: "ledger", capacity: 64 });

  // The entry commits together with the end of the command: one fill, one entry, whatever dies.
  ledger.handle(Ledger.bookFill, async (fill, ctx) => {
    const command = Ledger.bookFill.name;
    await ledger.publish(Work.begun, { command, orderId: fill.orderId, agent: ledger.id });
    ctx.log.append(entriesStream, fill);
  });

  const accounts = new Map<string, Account>();
  let entries = 0;
  ledger.handle(Ledger.statement, async () => {
    for await (const { position, fill } of entriesSince(net, entries + 1)) {
      if (position <= entries) continue; // Someone else asked at the same time.
      accounts.set(fill.strategy, book(accounts.get(fill.strategy), fill));
      entries = position;
    }
    return { entries, accounts: [...accounts.values()] };
  });
  return [ledger];
});
