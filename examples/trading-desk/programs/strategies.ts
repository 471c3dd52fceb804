/** Trades on one or more opinions, each an agent of its own: node strategies.ts NAME... */
import type { Agent, Network } from "colloquy";
import { Trading } from "../protocol.ts";
import { type Strategy, strategies } from "../rules/strategies.ts";
import { runProgram } from "./program.ts";
import { Trader } from "./trader.ts";

const names = process.argv.slice(2);

await runProgram(async (net) => {
  const chosen = strategies.filter(({ name }) => names.includes(name));
  return Promise.all(chosen.map((strategy) => openAgent(net, strategy)));
});

async function openAgent(net: Network, strategy: Strategy): Promise<Agent> {
  const agent = await net.agent(strategy.name, { type: "strategy" });
  const trader = new Trader(net, agent, strategy);
  agent.handle(Trading.trade, ({ lastDay }, ctx) => trader.trade(lastDay, ctx));
  return agent;
}
