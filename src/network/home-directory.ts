import { existsSync } from "node:fs";
import { dirname, join as joinPath, resolve } from "node:path";
import { storeFilesIn } from "../broker/embedded/store-files.ts";
import { ColloquyError } from "../errors.ts";

const homeName = ".colloquy";

/**
 * The directory of a store: `path`, or where that is empty the nearest `.colloquy` upwards from `from`.
 *
 * @param create - it may have to be made. @throws NOT_FOUND where it is not there and may not be made.
 */
export function storeDirectory(path: string, from: string, create: boolean): string {
  const directory = path === "" ? homeDirectory(from) : resolve(from, path);
  if (create || existsSync(storeFilesIn(directory).database)) return directory;
  const message =
    path === "" && !existsSync(directory)
      ? `no ${homeName} directory in ${resolve(from)} or above: nothing was ever started here`
      : `${directory} holds no store`;
  throw new ColloquyError("NOT_FOUND", message, { details: { directory } });
}

/** The nearest `.colloquy` upwards from `from`, or where one is to be made: in `from` itself. */
export function homeDirectory(from: string): string {
  const start = resolve(from);
  for (let at = start; ; at = dirname(at)) {
    const found = joinPath(at, homeName);
    if (existsSync(found)) return found;
    if (at === dirname(at)) return joinPath(start, homeName);
  }
}
