/** What a store may be opened over, and what it refuses by name. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { requireSqlite } from "../../../src/broker/embedded/durability.ts";
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { failureOf, summaryOf } from "./failures.ts";
import { contentOf, openedStorage, sampleStore, temporaryDirectory } from "./stores.ts";

const value = Uint8Array.of(1, 2, 3);

function refusal(directory: string): ReturnType<typeof summaryOf> {
  return summaryOf(failureOf(() => openSqliteStorage(directory)));
}

describe("a new store", () => {
  test("is made with its directory, and reads back what was written", () => {
    const directory = join(temporaryDirectory(), "a", "b");
    const storage = openSqliteStorage(directory);
    expect([storage.epoch, storage.unclean]).toEqual([1, false]);
    storage.commit([{ table: "page", a: 1, b: 2, value }]);
    storage.close();
    expect(readdirSync(directory)).toEqual(["store.head", "store.sqlite"]);

    const again = openedStorage(directory);
    expect([again.epoch, again.unclean]).toEqual([2, false]);
    expect(again.read("page", 1, 2)).toEqual(value);
  });

  test("is made over an empty file", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "store.sqlite"), "");
    expect(openedStorage(directory).epoch).toBe(1);
  });

  test("claims what its settings say", () => {
    const { durability } = openedStorage(temporaryDirectory());
    expect(durability.evidence).toMatchObject({
      journalMode: "wal",
      synchronous: 2,
      lockingMode: "exclusive",
    });
    const local = durability.evidence["fileSystem"] === "local";
    expect(durability.level).toBe(local ? "os" : "process");
    expect(durability.verified).toBe(true);
  });

  test("claims less when it may flush later, and in a file system that does not last", () => {
    const relaxed = openSqliteStorage(temporaryDirectory(), { durability: "process" });
    expect(relaxed.durability).toMatchObject({ level: "process", evidence: { synchronous: 1 } });
    relaxed.close();
    const inMemory = openedStorage(temporaryDirectory("memory"));
    if (inMemory.durability.evidence["fileSystem"] === "tmpfs") {
      expect(inMemory.durability.level).toBe("process");
    }
  });
});

describe("a store that is in use", () => {
  test("is refused to a second owner, whose attempt does not free it", () => {
    const directory = temporaryDirectory();
    const owner = openedStorage(directory);
    expect(refusal(directory)).toEqual(["CONFLICT", "owned"]);
    expect(refusal(directory)).toEqual(["CONFLICT", "owned"]);
    expect(refusalInAnotherProcess(directory)).toEqual(["CONFLICT", "owned"]);
    owner.commit([{ table: "page", a: 1, b: 1, value }]);
    owner.close();
    expect(contentOf(openedStorage(directory)).size).toBe(1);
  });
});

/** Locks of one process do not show inside it, so that only another one proves that they hold. */
function refusalInAnotherProcess(directory: string): unknown {
  const program = new URL("refusal-child.ts", import.meta.url).pathname;
  return JSON.parse(execFileSync(process.execPath, [program, directory], { encoding: "utf8" }));
}

describe("what is not a store", () => {
  const foreign: readonly (readonly [string, (file: string) => void])[] = [
    ["a text file", (file) => writeFileSync(file, "a".repeat(10_000))],
    ["a short text file", (file) => writeFileSync(file, "hello")],
    ["another SQLite database", makeDatabase],
    ["another SQLite database with a log", makeKilledDatabase],
  ];
  for (const [name, make] of foreign) {
    test(`${name} is refused and left as it is`, () => {
      const directory = temporaryDirectory();
      const file = join(directory, "store.sqlite");
      make(file);
      const before = readdirSync(directory).map((entry) => readFileSync(join(directory, entry)));
      expect(refusal(directory)).toEqual(["STORE_FAILED", "foreign"]);
      // An index of the log may have been added: reading a log needs one.
      const after = readdirSync(directory).filter((entry) => !entry.endsWith("-shm"));
      expect(after.map((entry) => readFileSync(join(directory, entry)))).toEqual(before);
    });
  }

  for (const version of [1, 3]) {
    test(`a store of format ${version}, not 2, is refused and left as it is`, () => {
      const directory = temporaryDirectory();
      sampleStore(directory);
      const file = join(directory, "store.sqlite");
      const database = new DatabaseSync(file);
      database.exec(`PRAGMA user_version = ${version}`);
      database.close();
      const before = readFileSync(file);
      const failure = failureOf(() => openSqliteStorage(directory));
      expect(failure?.code).toBe("INVALID_VERSION");
      expect(failure?.details).toMatchObject({ found: version, supported: 2 });
      expect(readFileSync(file).equals(before)).toBe(true);
    });
  }

  test("a store with a row that the state does not count is refused, naming the table", () => {
    for (const sql of [
      "DELETE FROM page WHERE rowid = (SELECT max(rowid) FROM page)",
      "DELETE FROM settled WHERE a = (SELECT max(a) FROM settled)",
      "INSERT INTO page (a, b, crc, value) VALUES (9, 9, 9, x'00')",
      "UPDATE page SET b = b + 1",
      "DELETE FROM entry",
    ]) {
      const directory = temporaryDirectory("memory");
      sampleStore(directory);
      const database = new DatabaseSync(join(directory, "store.sqlite"));
      database.exec(sql);
      database.close();
      const failure = failureOf(() => openSqliteStorage(directory));
      expect(summaryOf(failure), sql).toEqual(["STORE_FAILED", "damaged"]);
      expect(sql).toContain(String(failure?.details["table"]));
    }
  });

  test("values put under each other's keys are found when they are read", () => {
    const directory = temporaryDirectory("memory");
    const storage = openSqliteStorage(directory);
    for (const b of [1, 2]) {
      storage.commit([{ table: "page", a: 4, b, value: Uint8Array.of(b) }]);
      storage.commit([{ table: "entry", name: `${b}`, value: Uint8Array.of(b) }]);
    }
    storage.close();
    const database = new DatabaseSync(join(directory, "store.sqlite"));
    database.exec("UPDATE page SET value = x'02' WHERE b = 1; UPDATE entry SET value = x'02'");
    database.close();
    const again = openedStorage(directory);
    const page = failureOf(() => again.read("page", 4, 1));
    expect(page?.details).toEqual({ reason: "damaged", table: "page", a: 4, b: 1 });
    const entry = failureOf(() => again.scanNamed("entry", "", "", { rows: 9 }));
    expect(entry?.details).toEqual({ reason: "damaged", table: "entry", name: "1" });
    expect(again.read("page", 4, 2)).toEqual(Uint8Array.of(2));
  });
});

describe("a place that cannot be used", () => {
  test("a file where the directory should be", () => {
    const file = join(temporaryDirectory(), "file");
    writeFileSync(file, "");
    expect(refusal(file)).toEqual(["STORE_FAILED", "not-a-directory"]);
    expect(refusal(join(file, "below"))).toEqual(["STORE_FAILED", "not-a-directory"]);
  });

  test("a directory where the file should be", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "store.sqlite"));
    expect(refusal(directory)).toEqual(["STORE_FAILED", "foreign"]);
  });

  test("a directory that cannot be written", (context) => {
    const directory = temporaryDirectory();
    sampleStore(directory);
    if (!makeReadOnly(directory)) context.skip("needs a user other than root, or mount");
    try {
      expect(refusal(directory)).toEqual(["STORE_FAILED", "read-only"]);
      expect(refusal(join(directory, "new"))?.[0]).toBe("STORE_FAILED");
    } finally {
      makeWritable(directory);
    }
    expect(contentOf(openedStorage(directory)).size).toBeGreaterThan(0);
  });

  test("a directory of somebody else", (context) => {
    const { getuid, seteuid } = process;
    if (getuid === undefined || seteuid === undefined) return context.skip("no users here");
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "store"), { mode: 0o700 });
    const root = getuid() === 0;
    if (root) seteuid(65_534);
    else chmodSync(join(directory, "store"), 0);
    try {
      expect(refusal(join(directory, "store"))).toEqual(["STORE_FAILED", "permission-denied"]);
    } finally {
      if (root) seteuid(0);
      else chmodSync(join(directory, "store"), 0o700);
    }
  });
});

function makeReadOnly(directory: string): boolean {
  if (process.getuid?.() !== 0) {
    chmodSync(directory, 0o500);
    return true;
  }
  try {
    execFileSync("mount", ["--bind", directory, directory], { stdio: "ignore" });
    execFileSync("mount", ["-o", "remount,ro,bind", directory], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function makeWritable(directory: string): void {
  if (process.getuid?.() !== 0) chmodSync(directory, 0o700);
  else execFileSync("umount", [directory], { stdio: "ignore" });
}

/** As another program leaves one behind when it is killed. */
function makeKilledDatabase(file: string): void {
  const original = join(temporaryDirectory(), "notes");
  const database = new DatabaseSync(original);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE notes (text)");
  for (const suffix of ["", "-wal"]) copyFileSync(original + suffix, file + suffix);
  database.close();
}

function makeDatabase(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
  database.close();
}

test("a SQLite that may corrupt a store is refused", () => {
  for (const version of ["3.51.3", "3.51.10", "3.52.0", "4.0.0"]) requireSqlite(version);
  for (const version of ["3.51.2", "3.50.9", "2.99.99", "", undefined]) {
    const failure = failureOf(() => requireSqlite(version));
    expect(failure?.code, version).toBe("UNSUPPORTED");
    expect(failure?.message).toContain("3.51.3");
  }
});
