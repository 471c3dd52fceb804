/**
 * Where sockets lie: a directory of this user alone, with a path short enough for a socket. The data
 * directory may be too deep for that, or on a file system that has no sockets.
 */
import { createHash } from "node:crypto";
import { lstatSync, realpathSync, type Stats } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { ColloquyError } from "../../errors.ts";
import { unixPathBytesMax } from "../../link/unix.ts";
import { makeDirectory } from "../../runtime/make-directory.ts";

/** Characters of the digest: 64 bits tell apart whatever one user has. */
const nameCharacters = 16;

/**
 * The path of the socket for a data directory, which must exist. On Windows, the name of a pipe.
 *
 * @throws STORE_FAILED when no place is private: the path belongs to somebody else, or is too long.
 */
export function socketPathFor(directory: string): string {
  const digest = createHash("sha256").update(realpathSync(directory)).digest("hex");
  const name = digest.slice(0, nameCharacters);
  if (process.platform === "win32") return `\\\\.\\pipe\\colloquy-${name}`;
  const problems: string[] = [];
  for (const candidate of runDirectories()) {
    const path = join(candidate, `${name}.sock`);
    const problem = problemOf(candidate, path);
    if (problem === undefined) return path;
    problems.push(problem);
  }
  const message = `there is no private directory for a socket: ${problems.join("; ")}`;
  throw new ColloquyError("STORE_FAILED", message, { details: { problems } });
}

function runDirectories(): readonly string[] {
  const { uid } = userInfo();
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const own = runtime !== undefined && isAbsolute(runtime) ? [join(runtime, "colloquy")] : [];
  return [...own, join(tmpdir(), `colloquy-${uid}`), `/tmp/colloquy-${uid}`];
}

/** Makes the directory where it is missing. @returns what speaks against it. */
function problemOf(directory: string, path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes > unixPathBytesMax) return `${path} has ${bytes} bytes, more than ${unixPathBytesMax}`;
  let stats: Stats;
  try {
    makeDirectory(directory);
    stats = lstatSync(directory);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (!stats.isDirectory()) return `${directory} is not a directory`;
  if (stats.uid !== userInfo().uid) return `${directory} belongs to another user`;
  if ((stats.mode & 0o077) !== 0) return `${directory} is open to other users`;
  return undefined;
}
