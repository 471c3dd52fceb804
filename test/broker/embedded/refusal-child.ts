/** Tries to open the store in the directory it is given, and prints how that is refused. */
import { openSqliteStorage } from "../../../src/broker/embedded/sqlite-storage.ts";
import { failureOf, summaryOf } from "./failures.ts";

const directory = process.argv[2] ?? "";
console.log(JSON.stringify(summaryOf(failureOf(() => openSqliteStorage(directory))) ?? "opened"));
