/**
 * Opens the database file of a store for its one owner: look, verify, and only then write.
 *
 *   read-only    rows add up, not behind the head, no damage in the log
 *   exclusive    the same, nobody else has it ──▶ the log is moved and emptied ──▶ the owner's commits
 *
 * A log that was left behind is first read by a connection that cannot write. Merely closing one that
 * can would move the log into the database file, which must not happen before both are known to be
 * whole and of one store. And nothing is added to a log that was left behind: frames that were read from
 * memory may be absent on the disk after a flush that failed, and what follows on them would be lost
 * with them.
 */
import { DatabaseSync } from "node:sqlite";
import { type Random, systemRandom } from "../../runtime/random.ts";
import { RowChecksum } from "./checksum.ts";
import { asStoreError, storeError } from "./failure.ts";
import { type Head, makeHead, readHead } from "./head-file.ts";
import { findLogDamage } from "./log-scan.ts";
import { moveLog, pragma } from "./pragmas.ts";
import { applicationId, formatVersion, schemaStatements } from "./schema.ts";
import { StoreState } from "./state.ts";
import {
  bytesOf,
  makePrivately,
  prepareFiles,
  removeFile,
  type StoreFiles,
} from "./store-files.ts";
import { type VerifiedStore, verifyStore } from "./verify.ts";

const pageBytes = 4096;
const cacheKibibytes = 16 * 1024;
const logBytesMax = 16 * 2 ** 20;
const identityWords = 4;

export interface OpenedDatabase extends VerifiedStore {
  readonly database: DatabaseSync;
}

/**
 * @throws CONFLICT when something else has the store open.
 * @throws INVALID_VERSION, STORE_FAILED; the files are then as they were.
 */
export function openDatabase(files: StoreFiles, random: Random = systemRandom): OpenedDatabase {
  prepareFiles(files);
  const file = files.database;
  const begun = (readHead(files.head)?.sequence ?? 0) > 0;
  if (begun && bytesOf(file) === 0) throw storeError("missing", { file });
  makePrivately(file);
  let database: DatabaseSync | undefined;
  try {
    const seen = bytesOf(files.log) > 0 ? lookAt(files) : undefined;
    database = new DatabaseSync(file);
    // The lock comes before anything is read: one owner, and no shared memory beside the file.
    database.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
    );
    flushThroughDriveCaches(database);
    const verified =
      pragma(database, "page_count") === 0
        ? createStore(database, files, random)
        : verifyOwned(database, files, seen);
    configure(database);
    if (seen !== undefined) moveLog(database, "TRUNCATE");
    removeFile(files.sharedIndex);
    return { database, ...verified };
  } catch (error) {
    if (database?.isOpen === true) database.close();
    throw asStoreError(error, { file });
  }
}

function lookAt(files: StoreFiles): StoreState {
  const database = new DatabaseSync(files.database, { readOnly: true });
  try {
    const verified = verifyStore(database, files.database);
    const head = expectHead(files, verified);
    // While this connection is open nobody can write the log.
    const damage = head.relaxed ? undefined : findLogDamage(files.log, pageBytes);
    if (damage !== undefined) throw storeError("damaged", { file: files.log, ...damage });
    return verified.state;
  } finally {
    database.close();
  }
}

function verifyOwned(
  database: DatabaseSync,
  files: StoreFiles,
  seen: StoreState | undefined,
): VerifiedStore {
  const verified = verifyStore(database, files.database, seen);
  expectHead(files, verified);
  const logged = bytesOf(files.log) > 0;
  const bytes = Number(pragma(database, "page_count")) * Number(pragma(database, "page_size"));
  if (!logged && bytesOf(files.database) !== bytes) {
    throw storeError("damaged", { file: files.database, bytesExpected: bytes });
  }
  return verified;
}

/** @throws STORE_FAILED when the head is gone, of another store, or ahead. */
function expectHead({ head: file, database }: StoreFiles, verified: VerifiedStore): Head {
  const head = readHead(file);
  if (head === undefined) throw storeError("missing", { file });
  if (Buffer.compare(head.identity, verified.identity) !== 0) {
    throw storeError("damaged", { file }, { because: "its files are of two stores" });
  }
  const { sequence } = verified.state;
  if (sequence < head.sequence) {
    const details = { file: database, commits: sequence, commitsExpected: head.sequence };
    throw storeError("behind", details);
  }
  return head;
}

function createStore(database: DatabaseSync, files: StoreFiles, random: Random): VerifiedStore {
  const identity = new Uint8Array(
    Uint32Array.from({ length: identityWords }, () => random.uint32()).buffer,
  );
  const checksum = new RowChecksum(identity);
  const state = new StoreState();
  const record = state.encode();
  makeHead(files, identity);
  // Without a log, so that every file that is not empty carries our mark.
  database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE`);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}`);
  for (const statement of schemaStatements) database.exec(statement);
  database.prepare("INSERT INTO identity (value) VALUES (?)").run(identity);
  database
    .prepare("INSERT INTO state (value, crc) VALUES (?, ?)")
    .run(record, checksum.ofRecord(record));
  database.exec("COMMIT");
  return { identity, checksum, state };
}

/** On a Mac a flush ends at the cache of the drive, unless it is asked to go on. */
function flushThroughDriveCaches(database: DatabaseSync): void {
  if (process.platform !== "darwin") return;
  database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
}

function configure(database: DatabaseSync): void {
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = ${logBytesMax};
    PRAGMA cache_size = -${cacheKibibytes};
    PRAGMA secure_delete = OFF;
    PRAGMA temp_store = MEMORY;
  `);
}
