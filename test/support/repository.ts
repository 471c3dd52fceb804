/** The repository as files on disk. Paths are relative to its root and use forward slashes. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

export function absolute(path: string): string {
  return root + path;
}

export function exists(path: string): boolean {
  return statSync(absolute(path), { throwIfNoEntry: false }) !== undefined;
}

export function read(path: string): string {
  return readFileSync(absolute(path), "utf8");
}

/** Every file below `folder` whose name ends in `ending`, sorted; none where there is no folder. */
export function filesIn(folder: string, ending: string): readonly string[] {
  if (!exists(folder)) return [];
  return readdirSync(absolute(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => `${entry.parentPath.slice(root.length)}/${entry.name}`)
    .toSorted();
}

/** Every folder below `folder`, itself included, that holds nothing; none where there is no folder. */
export function emptyFoldersIn(folder: string): readonly string[] {
  if (!exists(folder)) return [];
  const entries = readdirSync(absolute(folder), { withFileTypes: true });
  if (entries.length === 0) return [folder];
  return entries
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => emptyFoldersIn(`${folder}/${entry.name}`));
}
