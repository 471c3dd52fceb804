/**
 * Owns the directory it is given, and sends messages while calls of the disk fail, twice for each fault
 * it is given: the thread of the store is to come back after the first, and to stay down after the
 * second. Then it opens the directory anew. Prints what became of it, a line of JSON for each fault.
 *
 *   failing-owner <directory> <faults as JSON>
 */
import { writeSync } from "node:fs";
import type { BrokerStatus, EnqueueOutcome, QueuedMessage } from "../../../src/broker/broker.ts";
import { type EmbeddedBroker, openEmbedded } from "../../../src/hub/embedded.ts";
import { type DiskFault, setDiskFault } from "../../broker/embedded/failing-disk.ts";
import { changesOf } from "../../support/status-changes.ts";

export interface OwnerReport {
  readonly fault: DiskFault;
  readonly statuses: readonly BrokerStatus["kind"][];
  /** Ids by what their sender was told, since the first fault. */
  readonly told: Readonly<Record<EnqueueOutcome["kind"], readonly string[]>>;
  /** Ids of the messages that are there when the directory is opened anew. */
  readonly found: readonly string[];
}

const messagesPerFault = 12;
const queue = "jobs";
const told = { stored: [] as string[], rejected: [] as string[], indeterminate: [] as string[] };
let next = 1;

async function suffer(directory: string, fault: DiskFault): Promise<OwnerReport> {
  const broker = await openEmbedded(directory);
  await broker.queues.declare([queue]);
  const statuses: BrokerStatus["kind"][] = [];
  const watching = (async () => {
    for await (const { kind } of changesOf(broker)) statuses.push(kind);
  })();
  for (let time = 0; time < 2; time++) {
    setDiskFault(fault);
    for (let count = 0; count < messagesPerFault; count++) await sendOne(broker);
  }
  setDiskFault(undefined);
  await broker.close();
  await watching;
  return { fault, statuses, told, found: await idsIn(directory) };
}

async function sendOne(broker: EmbeddedBroker): Promise<void> {
  const id = `${next++}`;
  const message: QueuedMessage = {
    frame: new TextEncoder().encode(id),
    lane: 2,
    guarantee: "at-least-once",
    id,
  };
  const outcomes = await broker.queues.enqueue(queue, [message]).catch((): EnqueueOutcome[] => []);
  // What rejects as a whole says nothing about what is stored.
  told[outcomes[0]?.kind ?? "indeterminate"].push(id);
}

async function idsIn(directory: string): Promise<readonly string[]> {
  const broker = await openEmbedded(directory);
  const ids: string[] = [];
  for await (const batch of broker.queues.browse(queue, {}, new AbortController().signal)) {
    ids.push(...batch.map(({ frame }) => new TextDecoder().decode(frame)));
  }
  await broker.close();
  return ids;
}

const [, , directory = "", faults = "[]"] = process.argv;
for (const fault of JSON.parse(faults) as readonly DiskFault[]) {
  writeSync(1, `${JSON.stringify(await suffer(directory, fault))}\n`);
}
