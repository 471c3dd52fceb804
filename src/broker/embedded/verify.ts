/**
 * Whether a database file is a store of ours and complete. Only reads.
 *
 * Every row must be found by its key, and keys and checksums of all rows must add up to what the state
 * record says: so no row is missing, added or out of reach, and no key or checksum was changed. Values
 * are not read here: each is compared with its checksum when it is.
 */
import type { DatabaseSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import { RowChecksum } from "./checksum.ts";
import { storeError } from "./failure.ts";
import { pragma } from "./pragmas.ts";
import {
  applicationId,
  formatVersion,
  namedTables,
  numberedTables,
  schemaStatements,
} from "./schema.ts";
import { keyModulus, StoreState, sumModulus, type Tally, weightOfNamed } from "./state.ts";

export interface VerifiedStore {
  /** Drawn when the store was made. */
  readonly identity: Uint8Array;
  readonly checksum: RowChecksum;
  readonly state: StoreState;
}

/**
 * @param known - the state of this file when it was verified before: if nothing was committed since,
 * its rows are not gone through again.
 * @throws INVALID_VERSION when the file was written by a newer program, or by one too old.
 * @throws STORE_FAILED when it is foreign or damaged. Errors of SQLite pass through.
 */
export function verifyStore(
  database: DatabaseSync,
  file: string,
  known?: StoreState,
): VerifiedStore {
  verifyFormat(database, file);
  verifySchema(database, file);
  const verified = readState(database, file);
  if (verified.state.sequence !== known?.sequence) verifyTallies(database, file, verified.state);
  return verified;
}

/** @throws STORE_FAILED naming the table whose rows are not those that `state` counts. */
export function verifyTallies(database: DatabaseSync, file: string, state: StoreState): void {
  for (const { name, number, layout } of numberedTables) {
    const index = layout === "apart" ? `INDEXED BY ${name}_key` : "";
    expectTally(file, name, state.tally(number), numberedTally(database, name, index));
  }
  for (const { name, number } of namedTables) {
    expectTally(file, name, state.tally(number), namedTally(database, name));
  }
}

function verifyFormat(database: DatabaseSync, file: string): void {
  if (pragma(database, "application_id") !== applicationId) throw storeError("foreign", { file });
  const found = pragma(database, "user_version") as number;
  if (found > formatVersion || found === formatVersion - 1) {
    const message = `the store is of format ${found}, this program reads format ${formatVersion}: use the Colloquy that wrote it`;
    throw new ColloquyError("INVALID_VERSION", message, {
      details: { file, found, supported: formatVersion },
    });
  }
  if (found !== formatVersion) throw storeError("damaged", { file, field: "user_version", found });
}

function verifySchema(database: DatabaseSync, file: string): void {
  const found = database
    .prepare("SELECT sql FROM sqlite_schema")
    .all()
    .map(({ sql }) => sql);
  const expected = new Set<unknown>(schemaStatements);
  const same = found.length === expected.size && found.every((sql) => expected.delete(sql));
  if (!same) throw storeError("damaged", { file, table: "sqlite_schema" });
}

function readState(database: DatabaseSync, file: string): VerifiedStore {
  const identities = database.prepare("SELECT value FROM identity").all();
  const states = database.prepare("SELECT value, crc FROM state").all();
  const identity = identities[0]?.["value"];
  const record = states[0]?.["value"];
  if (identity instanceof Uint8Array && record instanceof Uint8Array) {
    const checksum = new RowChecksum(identity);
    const state = StoreState.decode(record);
    const intact = states[0]?.["crc"] === checksum.ofRecord(record);
    const alone = identities.length === 1 && states.length === 1;
    if (state !== undefined && intact && alone) return { identity, checksum, state };
  }
  throw storeError("damaged", { file, table: "state" });
}

/**
 * Counts only the rows that are found by their key: a tree with a damaged page may hold rows that a
 * scan passes and a search does not. A key that is no number any more adds up like 0, but sorts last.
 */
function numberedTally(database: DatabaseSync, table: string, index: string): Tally {
  const row = database
    .prepare(
      `SELECT count(*) FILTER (
           WHERE max(a, b, crc) <= ${Number.MAX_SAFE_INTEGER}
             AND EXISTS (SELECT 1 FROM ${table} AS found WHERE found.a = row.a AND found.b = row.b)
         ) AS rows,
         coalesce(sum(a % ${keyModulus} * 3 + b % ${keyModulus} * 5 + crc) % ${sumModulus}, 0) AS sum
       FROM ${table} AS row ${index}`,
    )
    .get();
  return row as unknown as Tally;
}

/** Counts only the rows that come in order, which are those that are found by their name. */
function namedTally(database: DatabaseSync, table: string): Tally {
  let rows = 0;
  let sum = 0;
  let last: Uint8Array | undefined;
  for (const { name, crc } of database.prepare(`SELECT name, crc FROM ${table}`).iterate()) {
    if (!(name instanceof Uint8Array)) continue;
    if (last === undefined || Buffer.compare(last, name) < 0) rows++;
    sum = (sum + weightOfNamed(name, Number(crc))) % sumModulus;
    last = name;
  }
  return { rows, sum };
}

function expectTally(file: string, table: string, expected: Tally, found: Tally): void {
  if (found.rows === expected.rows && found.sum === expected.sum) return;
  const details = { file, table, rowsExpected: expected.rows, rowsFound: found.rows };
  throw storeError("damaged", details);
}
