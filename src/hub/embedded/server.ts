/**
 * A hub that is there on purpose: it owns its directory, or nothing but memory, for as long as it runs,
 * and may listen at more than the directory's own socket. Processes that open the directory find it.
 */
import { join, resolve } from "node:path";
import type { EngineLimits } from "../../broker/engine/limits.ts";
import type { ColloquyError } from "../../errors.ts";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { keepAlive } from "../../runtime/keep-alive.ts";
import { sleep } from "../../runtime/sleep.ts";
import { checkHubLimits, type HubLimits } from "../limits.ts";
import { prepareDirectory } from "./access.ts";
import { readHubFile } from "./hub-file.ts";
import { checkListen, type Endpoint, type ListenOptions } from "./listening.ts";
import { type Lock, Owner } from "./owner.ts";
import { tryOwnerLock } from "./owner-lock.ts";
import { askToHandOver, tryPrecedence } from "./precedence.ts";
import { socketPathFor } from "./run-directory.ts";

export interface ServeOptions {
  /** Of the store, made if need be. Default: none, and all is kept in memory. */
  readonly directory?: string;
  /** Beside the socket of the directory. Default: nothing. */
  readonly listen?: ListenOptions;
  readonly hubLimits?: Partial<HubLimits>;
  readonly storeLimits?: Partial<EngineLimits>;
  /** See `EmbeddedOptions`. */
  readonly reserveBytes?: number;
  readonly clock?: Clock;
  /** Gives up waiting for the directory. */
  readonly signal?: AbortSignal;
  /** Another process owns the directory, and was asked to hand it over; told once. Its id, as far as it is known. */
  readonly onWait?: (process: number | undefined) => void;
}

export interface HubServer {
  /** The directory's own socket first. */
  readonly endpoints: readonly Endpoint[];
  /** Resolves when it has ended, with the reason unless it was closed. */
  readonly ended: Promise<ColloquyError | undefined>;
  /** Readiness says "draining" from now on; clients are served as before. */
  drain(): void;
  /** Says goodbye to everybody, commits what they sent, and lets the directory go. Never rejects. */
  close(): Promise<void>;
}

const retryMs = 50;
const retriesPerAsk = 20;

/**
 * Owns the directory, and serves it. Another process that owns it because nobody else did hands it over;
 * another server is waited for.
 *
 * @throws INVALID_OPTION naming a limit or what is wrong with a listener; AGENT_UNREACHABLE naming what cannot be listened at;
 *   STORE_FAILED, INVALID_VERSION when the store cannot be used; CANCELLED.
 */
export async function serveHub(options: ServeOptions): Promise<HubServer> {
  const { listen, hubLimits, storeLimits, reserveBytes } = options;
  checkHubLimits(hubLimits);
  if (listen !== undefined) checkListen(listen);
  const directory = options.directory === undefined ? undefined : resolve(options.directory);
  const lock = directory === undefined ? noLock : await ownDirectory(directory, options);
  const place = directory === undefined ? undefined : placeOf(directory);
  const owner = new Owner(lock, {
    ...place,
    ...(listen === undefined ? {} : { listen }),
    ...(hubLimits === undefined ? {} : { hubLimits }),
    ...(storeLimits === undefined ? {} : { storeLimits }),
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  });
  const opened = await owner.ready;
  const own: readonly Endpoint[] =
    place === undefined ? [] : [{ kind: "unix", url: `unix:${place.socket}` }];
  return {
    endpoints: [...own, ...opened],
    ended: owner.ended,
    drain: () => owner.drain(),
    close: () => owner.close(),
  };
}

const noLock: Lock = { release: () => {} };

function hubFileIn(directory: string): string {
  return join(directory, "hub.json");
}

function placeOf(directory: string) {
  return { directory, hubFile: hubFileIn(directory), socket: socketPathFor(directory) };
}

/** Goes before all who would take the directory over, then has it from whoever owns it. */
async function ownDirectory(directory: string, options: ServeOptions): Promise<Lock> {
  const { clock = systemClock, signal, onWait } = options;
  prepareDirectory(directory);
  let waiting = false;
  const acquire = async (tryIt: () => Lock | undefined, ask: () => void): Promise<Lock> => {
    for (let turn = 0; ; turn++) {
      const lock = tryIt();
      if (lock !== undefined) return lock;
      if (turn % retriesPerAsk === 0) ask();
      if (!waiting) onWait?.(readHubFile(hubFileIn(directory))?.process);
      waiting = true;
      await sleep(clock, retryMs, signal);
    }
  };
  const letGo = keepAlive(clock);
  let precedence: Lock | undefined;
  try {
    precedence = await acquire(() => tryPrecedence(directory), noAsk);
    const owned = await acquire(
      () => tryOwnerLock(join(directory, "owner.lock")),
      // Who cannot be asked is about to end, or of a version that does not hand over.
      () => void askToHandOver(directory, clock).catch(() => {}),
    );
    return inOrder(owned, precedence);
  } catch (error) {
    precedence?.release();
    throw error;
  } finally {
    letGo();
  }
}

const noAsk = (): void => {};

function inOrder(...locks: readonly Lock[]): Lock {
  return {
    release: () => {
      for (const lock of locks) lock.release();
    },
  };
}
