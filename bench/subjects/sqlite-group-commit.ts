/** The floor of durable work in SQLite: `inFlight` records as one row, one transaction, one fsync. */
import { DatabaseSync } from "node:sqlite";
import { temporaryDirectory } from "../harness/directory.ts";
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Sample, Subject } from "../harness/subject.ts";

export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const database = new DatabaseSync(`${directory.path}/store.db`);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec("CREATE TABLE page (first INTEGER PRIMARY KEY, records BLOB)");
  const insert = database.prepare("INSERT INTO page (records) VALUES (?)");
  const record = JSON.stringify(payload);
  return {
    measure: async (inFlight, durationMs): Promise<Sample> => {
      const group = Buffer.from(record.repeat(inFlight));
      const groups = await keepInFlight(1, durationMs, async () => {
        insert.run(group);
      });
      return { ...groups, value: groups.value * inFlight };
    },
    close: async () => {
      database.close();
      directory.remove();
    },
  };
}
