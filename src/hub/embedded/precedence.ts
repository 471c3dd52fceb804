/**
 * A hub that was started on purpose goes before one that a process runs because nobody else does. It
 * holds a lock of its own for as long as it runs or waits: nobody takes the directory over meanwhile, and
 * who has it is asked to hand it over.
 */
import { join } from "node:path";
import type { Topics } from "../../broker/broker.ts";
import { openHubBroker } from "../../broker/hub.ts";
import { connectUnix } from "../../link/unix.ts";
import type { Clock } from "../../runtime/clock.ts";
import { systemRandom } from "../../runtime/random.ts";
import { readHubFile } from "./hub-file.ts";
import { type OwnerLock, tryOwnerLock } from "./owner-lock.ts";

/** No topic of a user begins with an underscore. */
const topic = "_hub.handOver";

function fileIn(directory: string): string {
  return join(directory, "server.lock");
}

/** @returns undefined while another server of the directory runs or waits. @throws STORE_FAILED. */
export function tryPrecedence(directory: string): OwnerLock | undefined {
  return tryOwnerLock(fileIn(directory));
}

/** True while a server of the directory runs or waits. */
export function isServed(directory: string): boolean {
  const lock = tryPrecedence(directory);
  lock?.release();
  return lock === undefined;
}

/** Asks whoever runs the hub of the directory to hand it over. Rejects where nobody can be asked. */
export async function askToHandOver(directory: string, clock: Clock): Promise<void> {
  const hub = readHubFile(join(directory, "hub.json"));
  if (hub === undefined) return;
  const broker = await openHubBroker({
    connect: connectUnix(hub.socket),
    clock,
    random: systemRandom,
    name: `server ${process.pid}`,
  });
  try {
    broker.topics.publish([{ topic, frame: new Uint8Array() }]);
  } finally {
    await broker.close();
  }
}

/** Calls `handOver` when it is asked for. */
export function onHandOver(
  topics: Topics,
  handOver: () => void,
  signal: AbortSignal,
): Promise<void> {
  return topics.subscribe(topic, handOver, signal);
}
