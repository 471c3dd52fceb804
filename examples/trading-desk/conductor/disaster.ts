/** What goes wrong at the desk, half-way and on purpose. */
import type { Network } from "colloquy";
import { firstWorker, ledger } from "./cast.ts";
import type { Stage } from "./stage.ts";
import { milliseconds } from "./terminal.ts";

export interface Disaster {
  /** The operating system's numbers of the two that were killed. */
  readonly ledgerProcess: number;
  readonly workerProcess: number;
  /** What the worker was executing. */
  readonly orderId: string;
  /** From SIGKILL to the first durable acknowledgement by the next owner of the store. */
  readonly takeoverMs: number;
}

/**
 * Kills the ledger, whose process owns the store, together with a worker that is executing
 * `orderId`; waits until another process has taken the store over; starts the two again.
 */
export async function strike(
  { net, processes, terminal, signal }: Stage,
  orderId: string,
): Promise<Disaster> {
  const ledgerProcess = processes.idOf(ledger.name);
  const workerProcess = processes.idOf(firstWorker.name);
  terminal.say(
    `Now killing the ledger (process ${ledgerProcess}), which owns the store, and ` +
      `${firstWorker.name} (process ${workerProcess}), which is executing ${orderId}.`,
  );
  const lost = storeLost(net, signal);
  const struckMs = performance.now();
  await Promise.all([processes.kill(firstWorker.name), processes.kill(ledger.name)]);
  // Proof that it was the owner that died. Whoever acknowledges from here on is the next one.
  await lost;
  await net.log.append("desk.disasters", { ledgerProcess, workerProcess, orderId });
  const takeoverMs = performance.now() - struckMs;
  terminal.say(`Another process took the store over in ${milliseconds(takeoverMs)} ms.`);
  await Promise.all([processes.start(ledger, signal), processes.start(firstWorker, signal)]);
  return { ledgerProcess, workerProcess, orderId, takeoverMs };
}

async function storeLost(net: Network, signal: AbortSignal): Promise<void> {
  for await (const { kind } of net.statuses(signal)) if (kind === "lost") return;
}
