/** What a store survives, read back from the settings in force. */
import { statfsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { DurabilityClaim } from "../broker.ts";
import { pragma } from "./pragmas.ts";

/** Before it, two connections could corrupt a database. @see https://www.sqlite.org/wal.html#walresetbug */
const sqliteVersionMin: readonly number[] = [3, 51, 3];

/** @throws UNSUPPORTED when the SQLite of this Node is too old to be trusted with a store. */
export function requireSqlite(version: string | undefined): void {
  const found = (version ?? "0").split(".").map(Number);
  for (const [index, least] of sqliteVersionMin.entries()) {
    const part = found[index] ?? 0;
    if (part > least) return;
    if (part < least || Number.isNaN(part)) {
      const required = sqliteVersionMin.join(".");
      const message = `SQLite ${version} may corrupt a store, ${required} or newer is needed: use Node 22.22.3, 24.15 or newer`;
      throw new ColloquyError("UNSUPPORTED", message, { details: { sqlite: version, required } });
    }
  }
}

/** File systems on Linux that keep less than a disk of this machine. @see statfs(2) */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
]);

/** These end with the operating system; the others flush as another program or machine pleases. */
const inMemory: ReadonlySet<string> = new Set(["tmpfs", "ramfs"]);

/** "os" when every commit is flushed to a disk of this machine before it returns, else "process". */
export function claimDurability(database: DatabaseSync, directory: string): DurabilityClaim {
  const settings = {
    journalMode: pragma(database, "journal_mode"),
    synchronous: pragma(database, "synchronous"),
    lockingMode: pragma(database, "locking_mode"),
    fullFsync: pragma(database, "fullfsync"),
  };
  const fileSystem = fileSystemOf(directory);
  const flushed =
    settings.journalMode === "wal" &&
    settings.synchronous === 2 &&
    (process.platform !== "darwin" || settings.fullFsync === 1);
  return {
    level: flushed && fileSystem === "local" ? "os" : "process",
    verified: fileSystem === "local" || inMemory.has(fileSystem),
    evidence: { sqlite: process.versions["sqlite"] ?? "", ...settings, fileSystem },
  };
}

/** "local" for a disk of this machine, the name of one that keeps less, or "unknown". */
export function fileSystemOf(directory: string): string {
  if (process.platform !== "linux") return "local";
  try {
    return fileSystems.get(statfsSync(directory).type) ?? "local";
  } catch {
    return "unknown";
  }
}
