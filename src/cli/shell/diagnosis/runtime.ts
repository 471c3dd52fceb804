/** What this program runs on. */
import { requireSqlite } from "../../../broker/embedded/durability.ts";
import { packageVersion } from "../../../runtime/version.ts";
import { type Finding, fail, ok } from "./finding.ts";

export function checkRuntime(
  versions: Readonly<Record<string, string | undefined>> = process.versions,
): readonly Finding[] {
  const { node, sqlite } = versions;
  const colloquy = ok("colloquy", packageVersion());
  try {
    requireSqlite(sqlite);
    return [colloquy, ok("node", `${node}, with SQLite ${sqlite}`)];
  } catch {
    const remedy = "use Node 22.22.3 or newer of its line, or 24.15 or newer";
    return [colloquy, fail("node", `${node}, whose SQLite ${sqlite} may corrupt a store`, remedy)];
  }
}
