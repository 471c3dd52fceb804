/** The desk after its last day: it goes on running, so that one can look at it from outside. */
import { setTimeout as pause } from "node:timers/promises";
import { isColloquyError } from "colloquy";
import { type Bar, Ledger, Risk } from "../protocol.ts";
import type { Place } from "./place.ts";
import type { Stage } from "./stage.ts";
import { bold } from "./terminal.ts";

/** Somebody goes on asking what the risk is, so that there is something to see. */
const askMs = 100;
/** Closing prices that a question comes with. */
const closes = 60;

/** Resolves when the signal aborts. */
export async function keepRunning(stage: Stage, bars: readonly Bar[]): Promise<void> {
  const { terminal, place, agent, signal } = stage;
  terminal.say(`\n${bold("The desk goes on running until Ctrl-C.")} ${howToLook(place)}`);
  const closesCents = bars.slice(-closes).map(({ closeCents }) => closeCents);
  const question = { strategy: "visitor", view: 1 as const, shares: 0, closesCents };
  while (!signal.aborted) {
    try {
      await agent.request("skill:risk.assess", Risk.assess, question, { signal });
      await pause(askMs, undefined, { signal });
    } catch (error) {
      // One of them may have been killed from outside: that is what it is there for.
      if (!signal.aborted && !isColloquyError(error)) throw error;
      if (!signal.aborted) await pause(askMs);
    }
  }
}

function howToLook({ url, space }: Place): string {
  const colloquy = "npm run --silent colloquy --";
  const inSpace = space === "default" ? "" : ` --space ${space}`;
  return `To look at it, in another terminal, in this directory:

  export COLLOQUY_URL='${url}'
  ${colloquy} agents${inSpace}
  ${colloquy} top${inSpace}
  ${colloquy} queues${inSpace}
  ${colloquy} request agent:ledger ${Ledger.statement.name}${inSpace}
  ${colloquy} --help`;
}
