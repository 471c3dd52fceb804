/** What Linux says of a process. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Vitals {
  readonly rss: number;
  readonly descriptors: number;
}

export function vitalsOf(pid: number): Vitals {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return { rss: Number(kib) * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

export function bytesIn(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    }
  }
  return bytes;
}
