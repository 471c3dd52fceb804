import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of an installed program, or undefined: `extra` directories first, then those of PATH. */
export function findBinary(name: string, extra: readonly string[] = []): string | undefined {
  const onPath = (process.env["PATH"] ?? "").split(delimiter).filter((path) => path !== "");
  return [...extra, ...onPath].map((path) => join(path, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
