import { existsSync } from "node:fs";
import { dirname, join as joinPath, resolve } from "node:path";

const homeName = ".colloquy";

/** The nearest `.colloquy` upwards from `from`, or where one is to be made: in `from` itself. */
export function homeDirectory(from: string): string {
  const start = resolve(from);
  for (let at = start; ; at = dirname(at)) {
    const found = joinPath(at, homeName);
    if (existsSync(found)) return found;
    if (at === dirname(at)) return joinPath(start, homeName);
  }
}
