/** What the owner's main thread and its worker say to each other, beside the links. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorInfo } from "../../errors.ts";

export interface WorkerOptions {
  /** Of the store. */
  readonly directory: string;
  /** Where the hub listens for other processes. */
  readonly socket: string;
  /** Where it writes that it does. */
  readonly hubFile: string;
  /** Free bytes of the disk to keep for work that is there; see `SqliteStorageOptions`. */
  readonly reserveBytes?: number;
  /** URL of a module that exports `probe: Probe`; for tests that stop the process at a certain point. */
  readonly probeModule?: string;
}

export type ToWorker =
  /** The other end of a link of the main thread. */
  | { readonly kind: "link"; readonly port: MessagePort }
  /** End in order; the worker exits when it has. */
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "ready" }
  /** The worker cannot go on, and exits. */
  | { readonly kind: "failed"; readonly error: ErrorInfo };
