/** What the owner's main thread and its worker say to each other, beside the links. */
import type { MessagePort } from "node:worker_threads";
import type { EngineLimits } from "../../broker/engine/limits.ts";
import type { ErrorInfo } from "../../errors.ts";
import type { HubLimits } from "../limits.ts";
import type { Endpoint, ListenOptions } from "./listening.ts";

export interface WorkerOptions {
  /** Of the store; undefined for a hub that keeps all in memory. */
  readonly directory?: string;
  /** Where the hub listens for other processes; undefined for none. */
  readonly socket?: string;
  /** Where it writes that it does; undefined: nowhere. */
  readonly hubFile?: string;
  /** What else it listens at. */
  readonly listen?: ListenOptions;
  readonly hubLimits?: Partial<HubLimits>;
  readonly storeLimits?: Partial<EngineLimits>;
  /** Free bytes of the disk to keep for work that is there; see `SqliteStorageOptions`. */
  readonly reserveBytes?: number;
  /** URL of a module that exports `probe: Probe`; for tests that stop the process at a certain point. */
  readonly probeModule?: string;
}

export type ToWorker =
  /** The other end of a link of the main thread. */
  | { readonly kind: "link"; readonly port: MessagePort }
  /** Tell whoever asks that the hub is about to end. */
  | { readonly kind: "drain" }
  /** End in order; the worker exits when it has. */
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "ready"; readonly endpoints: readonly Endpoint[] }
  /** The worker cannot go on, and exits. */
  | { readonly kind: "failed"; readonly error: ErrorInfo };
