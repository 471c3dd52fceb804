/** What goes wrong at the desk, half-way and on purpose. */
import type { Network } from "colloquy";
import type { Begun } from "../protocol.ts";
import { ledger, workers } from "./cast.ts";
import type { Stage } from "./stage.ts";
import { milliseconds } from "./terminal.ts";

export interface Disaster {
  /** The operating system's numbers of the two that were killed. */
  readonly ledgerProcess: number;
  readonly workerProcess: number;
  readonly worker: string;
  /** What the worker was executing. */
  readonly orderId: string;
  /** By the clock of this process. */
  readonly struckMs: number;
  /**
   * From SIGKILL to the first durable acknowledgement by the next owner of the store. Undefined where
   * none of the desk's processes owns it.
   */
  readonly takeoverMs: number | undefined;
}

/**
 * Kills the ledger, together with the worker that has begun with an order, and starts the two again.
 * Where the ledger's process owned the store, that is when another process has taken it over.
 */
export async function strike(stage: Stage, { agent, orderId }: Begun): Promise<Disaster> {
  const { net, place, processes, terminal, signal } = stage;
  const ledgerProcess = processes.idOf(ledger.name);
  const worker = workers.find(({ name }) => name === agent);
  if (worker === undefined) throw new Error(`${agent} is no worker`);
  const workerProcess = processes.idOf(worker.name);
  const owner = place.isOwned ? ", which owns the store," : "";
  terminal.say(
    `Now killing the ledger (process ${ledgerProcess})${owner} and ` +
      `${worker.name} (process ${workerProcess}), which is executing ${orderId}.`,
  );
  const lost = place.isOwned ? storeLost(net, signal) : undefined;
  const struckMs = performance.now();
  await Promise.all([processes.kill(worker.name), processes.kill(ledger.name)]);
  let takeoverMs: number | undefined;
  if (lost !== undefined) {
    // Proof that it was the owner that died. Whoever acknowledges from here on is the next one.
    await lost;
    await net.log.append("desk.disasters", { ledgerProcess, workerProcess, orderId });
    takeoverMs = performance.now() - struckMs;
    terminal.say(`Another process took the store over in ${milliseconds(takeoverMs)} ms.`);
  }
  await Promise.all([processes.start(ledger, signal), processes.start(worker, signal)]);
  return { ledgerProcess, workerProcess, worker: worker.name, orderId, struckMs, takeoverMs };
}

async function storeLost(net: Network, signal: AbortSignal): Promise<void> {
  for await (const { kind } of net.statuses(signal)) if (kind === "lost") return;
}
