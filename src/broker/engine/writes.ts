/** Operations on the store and the log. */
import { ColloquyError, errorInfo } from "../../errors.ts";
import type { AppendOutcome, StorePutOutcome, StoreWrite } from "../broker.ts";
import type { Core } from "./core.ts";
import type { Group, Operation } from "./group.ts";
import { shortageOf, tooLarge } from "./intake.ts";
import { full } from "./limits.ts";

/** All writes or none. */
export class Put implements Operation {
  readonly messages: number;
  readonly bytes: number;
  readonly #core: Core;
  readonly #writes: readonly StoreWrite[];
  readonly #tell: (outcome: StorePutOutcome) => void;
  #outcome: StorePutOutcome = { kind: "stored", revisions: [] };

  constructor(core: Core, writes: readonly StoreWrite[], tell: (outcome: StorePutOutcome) => void) {
    this.#core = core;
    this.#writes = writes;
    this.#tell = tell;
    this.messages = writes.length;
    let bytes = 0;
    for (const { value } of writes) bytes += value?.length ?? 0;
    this.bytes = bytes;
  }

  decide(group: Group): void {
    this.#outcome = this.#obstacle(group) ?? {
      kind: "stored",
      revisions: this.#writes.map((write) => this.#core.entries.write(group, write)),
    };
  }

  committed(): void {
    this.#tell(this.#outcome);
  }

  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "rejected";
    this.#tell({ kind, error: errorInfo(error) });
  }

  #obstacle(group: Group): StorePutOutcome | undefined {
    const { entries, counters, limits } = this.#core;
    if (this.bytes > limits.groupBytesMax) {
      const error = tooLarge("writes", this.bytes, limits.groupBytesMax);
      return { kind: "rejected", error: errorInfo(error) };
    }
    const shortage = this.#writes.some((write) => this.#grows(write, group.nowMs))
      ? shortageOf(this.#core)
      : undefined;
    if (shortage !== undefined) return { kind: "rejected", error: errorInfo(shortage) };
    let growth = 0;
    for (const write of this.#writes) growth += entries.volatileGrowth(write);
    if (growth > 0 && entries.volatileBytes + growth > limits.volatileBytesMax) {
      const error = full("volatileBytesMax", limits.volatileBytesMax);
      return { kind: "rejected", error: errorInfo(error) };
    }
    // What the writes looked at so far would leave behind.
    const revisions = new Map<string, number>();
    let next = counters.get("revision");
    for (const write of this.#writes) {
      const { key, value, ifRevision } = write;
      const error = entries.problemOf(write);
      if (error !== undefined) return { kind: "rejected", error };
      const revision = revisions.get(key) ?? entries.revisionOf(key, group.nowMs);
      if (ifRevision !== undefined && ifRevision !== revision) {
        return { kind: "conflict", key, revision };
      }
      next++;
      revisions.set(key, value === undefined ? 0 : next);
    }
    return undefined;
  }

  /** Whether it adds a row: locks are still renewed where there is no room for another one. */
  #grows({ key, value, volatile }: StoreWrite, nowMs: number): boolean {
    if (value === undefined || volatile === true) return false;
    return this.#core.entries.revisionOf(key, nowMs) === 0;
  }
}

/** All entries or none. */
export class Append implements Operation {
  readonly messages: number;
  readonly bytes: number;
  readonly #core: Core;
  readonly #stream: string;
  readonly #entries: readonly Uint8Array[];
  readonly #at: number | undefined;
  readonly #tell: (outcome: AppendOutcome) => void;
  #outcome: AppendOutcome = { kind: "appended", position: 0 };

  constructor(
    core: Core,
    stream: string,
    entries: readonly Uint8Array[],
    at: number | undefined,
    tell: (outcome: AppendOutcome) => void,
  ) {
    this.#core = core;
    this.#stream = stream;
    this.#entries = entries;
    this.#at = at;
    this.#tell = tell;
    this.messages = entries.length;
    let bytes = 0;
    for (const entry of entries) bytes += entry.length;
    this.bytes = bytes;
  }

  decide(group: Group): void {
    const { streams } = this.#core;
    const next = streams.nextOf(this.#stream);
    const error = this.#problem();
    if (error !== undefined) {
      this.#outcome = { kind: "rejected", error: errorInfo(error) };
    } else if (this.#at !== undefined && this.#at !== next) {
      this.#outcome = { kind: "conflict", next };
    } else {
      const position = streams.append(group, this.#stream, this.#entries);
      this.#outcome = { kind: "appended", position };
    }
  }

  committed(): void {
    this.#tell(this.#outcome);
  }

  failed(error: ColloquyError): void {
    const kind = error.code === "INDETERMINATE" ? "indeterminate" : "rejected";
    this.#tell({ kind, error: errorInfo(error) });
  }

  #problem(): ColloquyError | undefined {
    const { frameBytesMax, groupBytesMax } = this.#core.limits;
    if (this.#stream.length === 0 || this.#stream.length > 512) {
      return new ColloquyError(
        "INVALID_OPTION",
        `stream: ${this.#stream.length} characters, not 1 to 512`,
      );
    }
    if (this.#entries.length === 0) return new ColloquyError("INVALID_OPTION", "entries: none");
    if (this.bytes > groupBytesMax) return tooLarge("entries", this.bytes, groupBytesMax);
    const longest = this.#entries.reduce((most, { length }) => Math.max(most, length), 0);
    if (longest > frameBytesMax) return tooLarge("entry", longest, frameBytesMax);
    return shortageOf(this.#core);
  }
}
