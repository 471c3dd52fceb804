/** What every process of the desk does first and last. */
import { flushCompileCache } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { type Agent, isColloquyError, join, type Network } from "colloquy";

/**
 * Joins the fabric that COLLOQUY_URL names, in the space DESK_SPACE, lets `setUp` bring in agents, and tells the conductor
 * once they can be spoken to. Leaves when the conductor hangs up, on purpose or because it died.
 */
export async function runProgram(
  setUp: (net: Network) => Promise<readonly Agent[]>,
): Promise<void> {
  const hungUp = new Promise<void>((resolve) => process.once("disconnect", resolve));
  const net = await comeIn(process.env["DESK_SPACE"] ?? "default");
  const agents = await setUp(net);
  await Promise.all(agents.map((agent) => agent.ready()));
  // The first process has compiled most of what the others need.
  flushCompileCache();
  if (process.connected) process.send?.("ready");
  await hungUp;
  await net.close();
}

/** A server that has been killed is back in a moment: whoever is started meanwhile waits for it. */
async function comeIn(space: string): Promise<Network> {
  for (;;) {
    try {
      return await join({ space });
    } catch (error) {
      if (!isColloquyError(error) || !error.retryable || !process.connected) throw error;
      await pause(100);
    }
  }
}
