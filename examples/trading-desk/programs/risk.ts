/** A risk agent. It has a capability; whoever asks for that need not know how many can. */
import { Risk } from "../protocol.ts";
import { assess } from "../rules/risk.ts";
import { runProgram } from "./program.ts";

const [name = "risk"] = process.argv.slice(2);

await runProgram(async (net) => {
  const agent = await net.agent(name, { type: "risk", capabilities: [Risk.assess.name] });
  agent.handle(Risk.assess, (question) => assess(question));
  return [agent];
});
