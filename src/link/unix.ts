/**
 * Links over Unix sockets, and over Windows named pipes (`\\.\pipe\name`), which Node opens the same
 * way. Who may connect is decided by the file system: the socket has mode 0600 and lies in a
 * directory of mode 0700.
 */
import { chmod, rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import { ColloquyError, isColloquyError } from "../errors.ts";
import { makeDirectory } from "../runtime/make-directory.ts";
import type { AcceptLink, Connect, Listener } from "./link.ts";
import { listenAt, openLink } from "./opening.ts";
import { SocketLink } from "./socket.ts";

/** Bytes of a socket's path that every system takes: `sun_path` has 104 on macOS, 108 on Linux. */
export const unixPathBytesMax = 100;

/**
 * @param path - of the socket, at most `unixPathBytesMax` bytes.
 * @throws INVALID_OPTION when the path is too long.
 */
export function connectUnix(path: string): Connect {
  checkPath(path);
  const options = { peer: path, local: true };
  return (signal) => openLink(() => createConnection({ path }), "connect", options, signal);
}

/**
 * Listens at `path`, in place of whatever socket was left there.
 *
 * @param path - of the socket, at most `unixPathBytesMax` bytes; its directory is made if need be.
 * @throws INVALID_OPTION when the path is too long; AGENT_UNREACHABLE when it cannot be listened at.
 */
export async function listenUnix(path: string, accept: AcceptLink): Promise<Listener> {
  checkPath(path);
  const file = !path.startsWith("\\\\");
  const server = createServer((socket) => {
    accept(new SocketLink(socket, { peer: `${path} (connected)`, local: true }));
  });
  try {
    if (file) makeDirectory(dirname(path));
    if (file) await rm(path, { force: true });
    await listenAt(server, { path }, path);
    if (file) await chmod(path, 0o600);
  } catch (cause) {
    server.close();
    throw unusable(path, cause);
  }
  return { address: path, close: () => closed(server) };
}

function unusable(path: string, cause: unknown): ColloquyError {
  if (isColloquyError(cause)) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `cannot listen at ${path}: ${why}`;
  return new ColloquyError("AGENT_UNREACHABLE", message, { cause });
}

/** Node removes the socket's file itself; open connections must not hold `close` back. */
function closed(server: Server): Promise<void> {
  server.close();
  return Promise.resolve();
}

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > 0 && bytes <= unixPathBytesMax) return;
  const message = `path: ${path} has ${bytes} bytes, the limit is ${unixPathBytesMax}`;
  throw new ColloquyError("INVALID_OPTION", message, {
    details: { field: "path", bytes, bytesMax: unixPathBytesMax },
  });
}
