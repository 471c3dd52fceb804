/** What a store survives, read back from the settings in force. */
import { statfsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import type { DurabilityClaim } from "../broker.ts";
import { pragma } from "./verify.ts";

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

/** File systems whose content ends with the operating system. */
const volatileFileSystems: ReadonlyMap<number, string> = new Map([
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
]);

/** File systems that flush and lock as another machine pleases. */
const remoteFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
]);

/** "os" when every commit is flushed to a disk of this machine before it returns, else "process". */
export function claimDurability(database: DatabaseSync, directory: string): DurabilityClaim {
  const settings = {
    journalMode: pragma(database, "journal_mode"),
    synchronous: pragma(database, "synchronous"),
    lockingMode: pragma(database, "locking_mode"),
    fullFsync: pragma(database, "fullfsync"),
  };
  const type = process.platform === "linux" ? statfsSync(directory).type : 0;
  const kept = volatileFileSystems.get(type);
  const remote = remoteFileSystems.get(type);
  const flushed =
    settings.journalMode === "wal" &&
    settings.synchronous === 2 &&
    (process.platform !== "darwin" || settings.fullFsync === 1);
  return {
    level: flushed && kept === undefined && remote === undefined ? "os" : "process",
    verified: remote === undefined,
    evidence: {
      sqlite: process.versions["sqlite"] ?? "",
      ...settings,
      fileSystem: kept ?? remote ?? "local",
    },
  };
}
