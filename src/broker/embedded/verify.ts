/**
 * Whether a database file is a store of ours and complete. Only reads.
 *
 * Keys and checksums of all rows are added up and compared with the state record, which finds every
 * missing and added row, and every changed key and checksum. Values are not read here: each is compared
 * with its checksum when it is.
 */
import type { DatabaseSync } from "node:sqlite";
import { ColloquyError } from "../../errors.ts";
import { RowChecksum } from "./checksum.ts";
import { storeError } from "./failure.ts";
import {
  applicationId,
  formatVersion,
  namedTables,
  numberedTables,
  schemaStatements,
} from "./schema.ts";
import { keyModulus, StoreState, sumModulus, type Tally, weightOfNamed } from "./state.ts";

export interface VerifiedStore {
  readonly checksum: RowChecksum;
  readonly state: StoreState;
}

/**
 * @throws INVALID_VERSION when the file was written by a newer program.
 * @throws STORE_FAILED when it is foreign or damaged. Errors of SQLite pass through.
 */
export function verifyStore(database: DatabaseSync, file: string): VerifiedStore {
  verifyFormat(database, file);
  verifySchema(database, file);
  const verified = readState(database, file);
  verifyTallies(database, file, verified.state);
  return verified;
}

/** @throws STORE_FAILED naming the table whose rows are not those that `state` counts. */
export function verifyTallies(database: DatabaseSync, file: string, state: StoreState): void {
  for (const { name, number, layout } of numberedTables) {
    const scan = layout === "apart" ? `${name} INDEXED BY ${name}_key` : name;
    expectTally(file, name, state.tally(number), numberedTally(database, scan));
  }
  for (const { name, number } of namedTables) {
    expectTally(file, name, state.tally(number), namedTally(database, name));
  }
}

/** The value of a pragma that has one. */
export function pragma(database: DatabaseSync, name: string): string | number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Object.values(row ?? {})[0] as string | number;
}

function verifyFormat(database: DatabaseSync, file: string): void {
  if (pragma(database, "application_id") !== applicationId) throw storeError("foreign", { file });
  const found = pragma(database, "user_version") as number;
  if (found > formatVersion) {
    const message = `the store is of format ${found}, this program reads up to ${formatVersion}: use a newer Colloquy`;
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
    if (state !== undefined && intact && alone) return { checksum, state };
  }
  throw storeError("damaged", { file, table: "state" });
}

/** Counts only rows of numbers: a key of another type counts as 0 in a sum, and sorts behind all. */
function numberedTally(database: DatabaseSync, scan: string): Tally {
  const row = database
    .prepare(
      `SELECT count(*) FILTER (WHERE max(a, b, crc) <= ${Number.MAX_SAFE_INTEGER}) AS rows,
         coalesce(sum(a % ${keyModulus} * 3 + b % ${keyModulus} * 5 + crc) % ${sumModulus}, 0) AS sum
       FROM ${scan}`,
    )
    .get();
  return row as unknown as Tally;
}

function namedTally(database: DatabaseSync, table: string): Tally {
  let rows = 0;
  let sum = 0;
  for (const { name, crc } of database.prepare(`SELECT name, crc FROM ${table}`).iterate()) {
    if (!(name instanceof Uint8Array)) continue;
    rows++;
    sum = (sum + weightOfNamed(name, Number(crc))) % sumModulus;
  }
  return { rows, sum };
}

function expectTally(file: string, table: string, expected: Tally, found: Tally): void {
  if (found.rows === expected.rows && found.sum === expected.sum) return;
  const details = { file, table, rowsExpected: expected.rows, rowsFound: found.rows };
  throw storeError("damaged", details);
}
