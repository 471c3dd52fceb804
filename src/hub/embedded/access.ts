/**
 * The way to the hub of a directory, whoever runs it:
 *
 *   connect to its socket ── nobody there ──▶ take the lock ── held by another ──▶ wait a little ──┐
 *        │        ▲                              │                                               │
 *        ▼        └──────────────────────────────┼───────────────────────────────────────────────┘
 *   a link over the socket               own it: a link to our worker
 *
 * When the owner dies everybody comes here at once; the operating system lets one have the lock. Where a
 * server of the directory runs or waits, nobody else takes it: see precedence.ts.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { EngineLimits } from "../../broker/engine/limits.ts";
import { ColloquyError, isColloquyError } from "../../errors.ts";
import type { Link } from "../../link/link.ts";
import { connectUnix } from "../../link/unix.ts";
import { throwIfAborted } from "../../runtime/abort.ts";
import type { Clock } from "../../runtime/clock.ts";
import { makeDirectory } from "../../runtime/make-directory.ts";
import type { Random } from "../../runtime/random.ts";
import { sleep } from "../../runtime/sleep.ts";
import type { HubLimits } from "../limits.ts";
import { type HubFile, readHubFile } from "./hub-file.ts";
import { Owner } from "./owner.ts";
import { tryOwnerLock } from "./owner-lock.ts";
import { isServed } from "./precedence.ts";
import { socketPathFor } from "./run-directory.ts";
import type { WorkerOptions } from "./worker-protocol.ts";

export interface AccessOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How long to go on trying before telling that somebody else owns the directory and is not there. */
  readonly timeoutMs: number;
  readonly hubLimits?: Partial<HubLimits>;
  readonly storeLimits?: Partial<EngineLimits>;
  readonly reserveBytes?: number;
  readonly probeModule?: string;
}

/** Between two tries: short beside what a takeover takes, long beside what a try costs. */
const retryMs = { min: 5, max: 25 };

/** Failures of our worker after which this process owns the directory no more. */
const failuresMax = 2;

export class Access {
  readonly directory: string;
  readonly #options: AccessOptions;
  readonly #hubFile: string;
  readonly #lockFile: string;
  #owner: Owner | undefined;
  #failures = 0;
  /** Why this process neither owns the directory nor may again. */
  #refusal: ColloquyError | undefined;

  /** @throws STORE_FAILED when the directory cannot be made. */
  constructor(directory: string, options: AccessOptions) {
    this.directory = resolve(directory);
    this.#options = options;
    this.#hubFile = join(this.directory, "hub.json");
    this.#lockFile = join(this.directory, "owner.lock");
    prepareDirectory(this.directory);
  }

  /** True while this process runs the hub. */
  get owns(): boolean {
    return this.#owner !== undefined;
  }

  /** What the hub says about itself, as far as anybody has written it down. */
  get hubFile(): HubFile | undefined {
    return readHubFile(this.#hubFile);
  }

  /**
   * A link to the hub, wherever it runs by now.
   *
   * @throws AGENT_UNREACHABLE when another process owns the directory and does not answer; STORE_FAILED,
   *   INVALID_VERSION or CONFLICT when this one owns it and cannot open the store.
   */
  async connect(signal: AbortSignal): Promise<Link> {
    const { clock, random, timeoutMs } = this.#options;
    const giveUpMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      throwIfAborted(signal);
      const link = (await this.#overSocket(signal)) ?? (await this.#asOwner());
      if (link !== undefined) return link;
      if (clock.monotonicMs() >= giveUpMs) throw this.unanswered();
      await sleep(clock, retryMs.min + random.float() * (retryMs.max - retryMs.min), signal);
    }
  }

  /** Somebody owns the directory, and nobody can be reached. */
  unanswered(cause?: unknown): ColloquyError<"AGENT_UNREACHABLE"> {
    const owner = this.hubFile?.process;
    const who = owner === undefined ? "another process" : `process ${owner}`;
    const message = `${who} owns ${this.directory} and does not answer`;
    const details = {
      directory: this.directory,
      ...(owner === undefined ? {} : { process: owner }),
    };
    return new ColloquyError("AGENT_UNREACHABLE", message, { cause, details });
  }

  /** Lets the directory go if this process owns it, and turns to whoever owns it next. */
  async handOver(): Promise<void> {
    await this.#owner?.close();
  }

  async close(): Promise<void> {
    this.#refusal ??= new ColloquyError("CLOSED", "the broker was closed");
    await this.#owner?.close();
  }

  async #overSocket(signal: AbortSignal): Promise<Link | undefined> {
    if (this.#owner !== undefined) return undefined;
    const hub = this.hubFile;
    if (hub === undefined) return undefined;
    try {
      return await connectUnix(hub.socket)(signal);
    } catch (error) {
      if (isColloquyError(error, "AGENT_UNREACHABLE")) return undefined;
      throw error;
    }
  }

  async #asOwner(): Promise<Link | undefined> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const owner = this.#owner ?? this.#become();
    if (owner === undefined) return undefined;
    try {
      await owner.ready;
    } catch (error) {
      // The files of an owner that just died may be let go a moment later than its lock.
      if (isColloquyError(error, "CONFLICT")) return undefined;
      throw error;
    }
    return owner.link();
  }

  /** @returns undefined when another process holds the lock, or a server shall have it. */
  #become(): Owner | undefined {
    const lock = tryOwnerLock(this.#lockFile);
    if (lock === undefined) return undefined;
    if (isServed(this.directory)) {
      lock.release();
      return undefined;
    }
    try {
      const { hubLimits, storeLimits, reserveBytes, probeModule } = this.#options;
      const options: WorkerOptions = {
        directory: this.directory,
        socket: socketPathFor(this.directory),
        hubFile: this.#hubFile,
        ...(hubLimits === undefined ? {} : { hubLimits }),
        ...(storeLimits === undefined ? {} : { storeLimits }),
        ...(reserveBytes === undefined ? {} : { reserveBytes }),
        ...(probeModule === undefined ? {} : { probeModule }),
      };
      const owner = new Owner(lock, options);
      this.#owner = owner;
      void owner.ended.then((failure) => this.#ownerEnded(owner, failure));
      return owner;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  #ownerEnded(owner: Owner, failure: ColloquyError | undefined): void {
    if (this.#owner === owner) this.#owner = undefined;
    if (failure === undefined || isColloquyError(failure, "CONFLICT")) return;
    if (++this.#failures >= failuresMax) this.#refusal ??= failure;
  }
}

/** @throws STORE_FAILED when there is no such directory and none can be made. */
export function prepareDirectory(directory: string): void {
  try {
    makeDirectory(directory);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ColloquyError("STORE_FAILED", `${directory} cannot be made: ${why}`, {
      cause: error,
      details: { directory },
    });
  }
  try {
    // Nothing in here belongs into anybody's version control.
    writeFileSync(join(directory, ".gitignore"), "*\n", { flag: "wx", mode: 0o600 });
  } catch {
    // It is there already; or it cannot be written, and then the lock will say so.
  }
}
