import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of an installed program, or undefined: `extra` directories first, then those of PATH. */
export function findBinary(name: string, extra: readonly string[] = []): string | undefined {
  return findBinaries(name, [...extra, ...pathDirectories()])[0];
}

/** Every program of this name in these directories, in their order. */
export function findBinaries(name: string, directories: readonly string[]): readonly string[] {
  return directories.map((directory) => join(directory, name)).filter(isExecutable);
}

export function pathDirectories(): readonly string[] {
  return (process.env["PATH"] ?? "").split(delimiter).filter((path) => path !== "");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
