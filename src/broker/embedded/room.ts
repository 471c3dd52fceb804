/**
 * The room that is left: on the disk, and in the gaps of the database file. The last of it is kept for
 * work that is there already: settling it and moving it to the dead letters takes room as well, and a
 * disk that others fill does not ask.
 */
import { statfsSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { StorageShortage } from "../engine/storage.ts";
import { pragma } from "./pragmas.ts";

const reserveBytesLeast = 64 * 2 ** 20;
const reserveShare = 1 / 20;

/** Of a small disk; on it `reserveBytesLeast` would be most of it. */
const reserveShareMax = 1 / 4;

/** Between two looks no more than this is written, little beside the reserve. */
const bytesBetweenLooks = 2 ** 18;

export class Room {
  /** Free bytes below which nothing new is taken in. */
  readonly reserveBytes: number;
  readonly #directory: string;
  readonly #gaps: StatementSync;
  readonly #pageBytes: number;
  #writtenBytes = 0;
  #shortage: StorageShortage | undefined;

  /** @throws INVALID_OPTION when `reserveBytes` is no whole number. */
  constructor(directory: string, database: DatabaseSync, reserveBytes: number | undefined) {
    if (reserveBytes !== undefined && !(Number.isSafeInteger(reserveBytes) && reserveBytes >= 0)) {
      const message = `reserveBytes: ${reserveBytes}, must be a whole number, 0 or more`;
      throw new ColloquyError("INVALID_OPTION", message, { details: { reserveBytes } });
    }
    this.#directory = directory;
    this.#gaps = database.prepare("PRAGMA freelist_count");
    this.#pageBytes = pragma(database, "page_size") as number;
    this.reserveBytes = reserveBytes ?? reserveOf(directory);
    this.look();
  }

  /** Looked at again each time while it lasts: nothing is written then that would be a reason to look. */
  get shortage(): StorageShortage | undefined {
    if (this.#shortage !== undefined) this.look();
    return this.#shortage;
  }

  written(bytes: number): void {
    this.#writtenBytes += bytes;
    if (this.#writtenBytes >= bytesBetweenLooks) this.look();
  }

  /** A file system that does not say what is free is taken to have room. */
  look(): void {
    this.#writtenBytes = 0;
    this.#shortage = undefined;
    const onDisk = freeBytesOf(this.#directory);
    if (onDisk === undefined || onDisk >= this.reserveBytes) return;
    const free = onDisk + this.#pageBytes * Number(this.#gaps.get()?.["freelist_count"]);
    if (free >= this.reserveBytes) return;
    this.#shortage = { limit: "reserveBytes", value: this.reserveBytes, free };
  }
}

/** The larger of 64 MiB and a twentieth of the disk, and no more than a quarter of it for the former. */
export function reserveOf(directory: string): number {
  try {
    const { blocks, bsize } = statfsSync(directory);
    const bytes = blocks * bsize;
    const least = Math.min(reserveBytesLeast, bytes * reserveShareMax);
    return Math.floor(Math.max(least, bytes * reserveShare));
  } catch {
    return 0;
  }
}

function freeBytesOf(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
