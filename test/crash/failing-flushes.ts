/** The library that makes a flush of a process fail, built where there is a C compiler. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../broker/embedded/failing-disk.c", import.meta.url));

/** @returns the library's path in `directory`; undefined where it cannot be built. */
export function buildFailingFlushes(directory: string): string | undefined {
  const library = join(directory, "failing-disk.so");
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source], { stdio: "ignore" });
    return library;
  } catch {
    return undefined;
  }
}
