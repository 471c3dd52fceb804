/**
 * A process of a crash campaign: it sends orders, or it works on them, until it is told to stop or is
 * killed. What must be known after its death it writes to its journal first, a line at a time:
 *
 *   acknowledged ID    the send resolved
 *   rejected ID        the send was refused: nothing must come of it
 *   started ID         a handler was started with it
 */
import { appendFileSync } from "node:fs";
import { type Agent, isColloquyError, join } from "colloquy";
import { openEmbedded } from "../../src/hub/embedded.ts";
import type { ProgramOptions, ProgramReport } from "./fleet.ts";
import { orderOf, orderOfId } from "./order.ts";

const { role, name, directory, journal, inFlight, silenceMs } = JSON.parse(
  process.argv[2] ?? "{}",
) as ProgramOptions;
const stopping = new AbortController();

const fate = process.env["COLLOQUY_TEST_FATE"];
const probe = new URL("../hub/support/probe.ts", import.meta.url).href;
const broker = await openEmbedded(directory, {
  hubLimits: { silenceMsMax: silenceMs },
  ...(fate === undefined ? {} : { probeModule: probe }),
});
const net = await join({ broker, drainOnSignals: false });
const agent = await net.agent(name, { type: role, capacity: inFlight });
if (role === "worker") await work(agent);
report({ kind: "ready" });
process.on("message", () => stopping.abort());
if (role === "sender") await send(agent);
else await new Promise((resolve) => stopping.signal.addEventListener("abort", resolve));
await net.close();
process.disconnect();

async function work(worker: Agent): Promise<void> {
  worker.handle<string>(
    "ORDER",
    (id, { attempt, log }) => {
      write("started", id);
      if (orderOfId(id).stumbles && attempt === 1) throw new Error("the first attempt stumbles");
      log.append("ledger", id);
    },
    { retry: { attemptsMax: 10, baseMs: 20 } },
  );
  await worker.ready();
}

/** So many sends at a time; their order is that of their numbers. */
async function send(sender: Agent): Promise<void> {
  let sent = 0;
  let decided = 0;
  const line = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sendOne(sender, ++sent);
      if (++decided % 100 === 0) report({ kind: "decided", count: decided });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, line));
}

async function sendOne(sender: Agent, number: number): Promise<void> {
  const { id, guarantee, priority, key } = orderOf(name, number);
  try {
    const ordered = key === undefined ? {} : { key };
    await sender.send("type:worker", "ORDER", id, { id, guarantee, priority, ...ordered });
    write("acknowledged", id);
  } catch (error) {
    // Of what is indeterminate nothing is known, so that nothing can be held against it.
    if (!isColloquyError(error, "INDETERMINATE")) write("rejected", id);
    if (!isColloquyError(error)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function write(word: "acknowledged" | "rejected" | "started", id: string): void {
  appendFileSync(journal, `${word} ${id}\n`);
}

function report(message: ProgramReport): void {
  process.send?.(message);
}
