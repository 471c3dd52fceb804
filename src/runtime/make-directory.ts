import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory for this user alone, and those above it that are missing. The recursive `mkdir` of Node
 * does not return where the system says ENOENT to a name below a directory that is there, as Linux does
 * below /proc.
 *
 * @returns the first that was made; undefined where all were there.
 * @throws what the system says.
 */
export function makeDirectory(path: string): string | undefined {
  if (isDirectory(path)) return undefined;
  const parent = dirname(path);
  const made = parent === path || existsSync(parent) ? undefined : makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
    return made ?? path;
  } catch (error) {
    // Somebody else has made it meanwhile.
    if (isDirectory(path)) return made;
    throw error;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
