/** A disk that a store can fill, for those who may mount one. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

export interface SmallDisk {
  readonly path: string;
  unmount(): void;
}

/** @returns a disk in memory of so many MiB below `directory`; undefined where it cannot be mounted. */
export function mountSmallDisk(directory: string, sizeMiB: number): SmallDisk | undefined {
  const path = join(directory, "disk");
  mkdirSync(path);
  const options = ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", path];
  try {
    execFileSync("mount", options, { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { path, unmount: () => void execFileSync("umount", [path]) };
}
