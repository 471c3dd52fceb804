/** Joins a desk that `npm start -- --keep` left running, and tells who and what is there. */
import { join } from "colloquy";
import { count, dollars, table } from "./conductor/terminal.ts";
import { Ledger } from "./protocol.ts";

const net = await join(process.argv[2]);
const visitor = await net.agent("visitor");

const agents = net
  .agents()
  .map(({ id, type, capabilities, status }) => [id, type, status, capabilities.join(" ")]);
const mailboxes = (await net.mailboxes.list()).map(({ address, waiting, receivers }) => [
  address,
  count(waiting),
  count(receivers),
]);
const { entries, accounts } = await visitor.request("agent:ledger", Ledger.statement, undefined);
const positions = accounts.map(({ strategy, shares, cashCents }) => [
  strategy,
  count(shares),
  dollars(cashCents),
]);

console.log(table([["agent", "type", "status", "can"], ...agents]));
console.log(`\n${table([["mailbox", "waiting", "receivers"], ...mailboxes])}`);
console.log(`\nThe ledger has ${count(entries)} entries:`);
console.log(table([["strategy", "shares", "cash"], ...positions]));

await net.close();
