import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

/** On the disk behind the system's directory for temporary files; set TMPDIR to measure another disk. */
export function temporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), "colloquy-bench-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
