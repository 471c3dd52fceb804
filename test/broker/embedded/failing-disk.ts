/** A disk that fails when it is told to, for processes that are started with it. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** One call that fails: the `at`th, 1 or more, since an owner begins to open the store, or to work. */
export interface DiskFault {
  /** "recovery": opening what another owner left without closing it. */
  readonly since: "open" | "recovery" | "work";
  readonly call: "fsync" | "fdatasync" | "write";
  readonly at: number;
  readonly error: "EIO" | "ENOSPC";
}

/**
 * What a process has to be started with, so that `setDiskFault` works in it.
 *
 * @param directory - where the compiled part may lie.
 * @returns undefined where nothing can be compiled.
 */
export function failingDisk(directory: string): NodeJS.ProcessEnv | undefined {
  if (process.platform !== "linux") return undefined;
  const library = join(directory, "failing-disk.so");
  const source = new URL("failing-disk.c", import.meta.url).pathname;
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { ...process.env, LD_PRELOAD: library };
}

let faults = 0;

/** Sets what fails next in this process, with all its threads; undefined: nothing does. */
export function setDiskFault(fault: DiskFault | undefined): void {
  // Never the same text twice, which would not be a new fault.
  process.env["DISK_FAULT"] =
    fault === undefined ? "" : `${fault.call} ${fault.at} ${fault.error} ${++faults}`;
}
