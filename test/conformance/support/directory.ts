import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Directories of one broker under test, which are removed together. */
export class Directories {
  readonly #made: string[] = [];

  make(): string {
    const made = mkdtempSync(join(tmpdir(), "colloquy-"));
    this.#made.push(made);
    return made;
  }

  /** What a process that is killed now would leave behind in `directory`. */
  copyOf(directory: string): string {
    const copy = this.make();
    // Sockets cannot be copied, and do not matter: whoever listened is dead.
    cpSync(directory, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    return copy;
  }

  remove(): void {
    for (const directory of this.#made) rmSync(directory, { recursive: true, force: true });
  }
}
