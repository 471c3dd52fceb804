/**
 * Opens the database file of a store for its one owner: look, verify, and only then write.
 *
 * A log that was left behind is first read by a connection that cannot write. Merely closing one that
 * can would move the log into the database file, which must not happen before both are known to be
 * whole and of one store.
 */
import { DatabaseSync } from "node:sqlite";
import { type Random, systemRandom } from "../../runtime/random.ts";
import { RowChecksum } from "./checksum.ts";
import { asStoreError, storeError } from "./failure.ts";
import { applicationId, formatVersion, schemaStatements } from "./schema.ts";
import { StoreState } from "./state.ts";
import { bytesOf, prepareFiles, removeFile, type StoreFiles } from "./store-files.ts";
import { pragma, type VerifiedStore, verifyStore } from "./verify.ts";

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
  let database: DatabaseSync | undefined;
  try {
    const seen = bytesOf(files.log) > 0 ? lookAt(file) : undefined;
    database = new DatabaseSync(file);
    // The lock comes before anything is read: one owner, and no shared memory beside the file.
    database.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
    );
    const verified =
      pragma(database, "page_count") === 0
        ? createStore(database, random)
        : verifyOwned(database, files, seen);
    configure(database);
    removeFile(files.sharedIndex);
    return { database, ...verified };
  } catch (error) {
    if (database?.isOpen === true) database.close();
    throw asStoreError(error, { file });
  }
}

function lookAt(file: string): StoreState {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return verifyStore(database, file).state;
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
  const logged = bytesOf(files.log) > 0;
  const bytes = Number(pragma(database, "page_count")) * Number(pragma(database, "page_size"));
  if (!logged && bytesOf(files.database) !== bytes) {
    throw storeError("damaged", { file: files.database, bytesExpected: bytes });
  }
  return verified;
}

function createStore(database: DatabaseSync, random: Random): VerifiedStore {
  const identity = new Uint8Array(
    Uint32Array.from({ length: identityWords }, () => random.uint32()).buffer,
  );
  const checksum = new RowChecksum(identity);
  const state = new StoreState();
  const record = state.encode();
  // Without a log, so that every file that is not empty carries our mark.
  database.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE`);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${formatVersion}`);
  for (const statement of schemaStatements) database.exec(statement);
  database.prepare("INSERT INTO identity (value) VALUES (?)").run(identity);
  database
    .prepare("INSERT INTO state (value, crc) VALUES (?, ?)")
    .run(record, checksum.ofRecord(record));
  database.exec("COMMIT");
  return { checksum, state };
}

function configure(database: DatabaseSync): void {
  if (process.platform === "darwin") {
    database.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
  }
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
