/** The part of BullMQ that the benchmark uses: https://docs.bullmq.io */

export interface BullQueue {
  add(name: string, data: object): Promise<{ readonly id: string }>;
  close(): Promise<void>;
}

export interface BullQueueEvents {
  on(event: "completed", listener: (job: { readonly jobId: string }) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

export interface BullWorker {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

interface BullModule {
  readonly Queue: new (name: string, options: object) => BullQueue;
  readonly QueueEvents: new (name: string, options: object) => BullQueueEvents;
  readonly Worker: new (
    name: string,
    handler: (job: { readonly data: unknown }) => Promise<unknown>,
    options: object,
  ) => BullWorker;
}

/** The specifier is no literal, so that the type check does not need the package to be installed. */
const specifier: string = "bullmq";

export const queueName = "orders";

export async function importBullMq(): Promise<BullModule> {
  return (await import(specifier)) as BullModule;
}

/** @param port - of a Redis on loopback. */
export function bullOptions(port: number): object {
  return { connection: { host: "127.0.0.1", port, maxRetriesPerRequest: null } };
}
