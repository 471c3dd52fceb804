/**
 * The shape of the database file, format 2. (Format 1 had no head file beside it.)
 *
 *   identity                    one row, written when the file is made and never again
 *   state                       one row, rewritten by every commit: see state.ts
 *   page settled later ...      numbered tables: (a, b) and a value
 *   meta queue stream ...       named tables: a name in UTF-8 and a value
 *
 * Every row carries a checksum (checksum.ts). It is kept beside the key, so that the keys and checksums
 * of a table can be added up without reading the values: large values lie outside the index ("apart"),
 * small ones in it ("inline").
 */
import type { NamedTable, NumberedTable } from "../engine/storage.ts";

/** "CLQY", in the header of the file: what tells a file of ours from any other SQLite database. */
export const applicationId = 0x434c5159;

/** Goes up when an older program could misread the file. */
export const formatVersion = 2;

type Layout = "apart" | "inline";

interface TableShape<Name> {
  readonly name: Name;
  /** Part of every checksum, and the place in the state record: never changes, never used again. */
  readonly number: number;
  readonly layout: Layout;
}

export const numberedTables: readonly TableShape<NumberedTable>[] = [
  { name: "page", number: 0, layout: "apart" },
  { name: "settled", number: 1, layout: "inline" },
  { name: "later", number: 2, layout: "apart" },
  { name: "dead", number: 3, layout: "apart" },
  { name: "outcome", number: 4, layout: "apart" },
  { name: "marker", number: 5, layout: "apart" },
  { name: "log", number: 6, layout: "apart" },
];

export const namedTables: readonly TableShape<NamedTable>[] = [
  { name: "meta", number: 7, layout: "inline" },
  { name: "queue", number: 8, layout: "inline" },
  { name: "stream", number: 9, layout: "inline" },
  { name: "producer", number: 10, layout: "inline" },
  { name: "entry", number: 11, layout: "inline" },
];

export const tableCount: number = numberedTables.length + namedTables.length;

/** SQLite keeps them word for word: a file with any other is not of this schema. */
export const schemaStatements: readonly string[] = [
  "CREATE TABLE identity (value BLOB NOT NULL)",
  "CREATE TABLE state (value BLOB NOT NULL, crc INTEGER NOT NULL)",
  ...numberedTables.flatMap(({ name, layout }) => numberedSchema(name, layout)),
  ...namedTables.map(
    ({ name }) =>
      `CREATE TABLE ${name} (name BLOB PRIMARY KEY, crc INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID`,
  ),
];

function numberedSchema(name: NumberedTable, layout: Layout): readonly string[] {
  const columns =
    "a INTEGER NOT NULL, b INTEGER NOT NULL, crc INTEGER NOT NULL, value BLOB NOT NULL";
  if (layout === "inline") {
    return [`CREATE TABLE ${name} (${columns}, PRIMARY KEY (a, b)) WITHOUT ROWID`];
  }
  return [
    `CREATE TABLE ${name} (${columns})`,
    `CREATE UNIQUE INDEX ${name}_key ON ${name} (a, b, crc)`,
  ];
}
