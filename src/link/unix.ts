/**
 * Links over Unix sockets, and over Windows named pipes (`\\.\pipe\name`), which Node opens the same
 * way. Who may connect is decided by the file system: the socket has mode 0600 and lies in a
 * directory of mode 0700.
 */
import { chmod, mkdir, rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import { ColloquyError } from "../errors.ts";
import { cancelledError, onAbort } from "../runtime/abort.ts";
import type { AcceptLink, Connect, Link, Listener } from "./link.ts";
import { SocketLink } from "./socket.ts";

/** Bytes of a socket's path that every system takes: `sun_path` has 104 on macOS, 108 on Linux. */
export const unixPathBytesMax = 100;

/**
 * @param path - of the socket, at most `unixPathBytesMax` bytes.
 * @throws INVALID_OPTION when the path is too long.
 */
export function connectUnix(path: string): Connect {
  checkPath(path);
  return (signal) =>
    new Promise<Link>((resolve, reject) => {
      const socket = createConnection({ path });
      const forget = onAbort(signal, () => {
        socket.destroy();
        reject(cancelledError(signal));
      });
      const refuse = (cause: Error) => {
        forget();
        const message = `nobody listens at ${path}: ${cause.message}`;
        reject(new ColloquyError("AGENT_UNREACHABLE", message, { cause }));
      };
      socket.once("error", refuse);
      socket.once("connect", () => {
        forget();
        socket.off("error", refuse);
        resolve(new SocketLink(socket, path));
      });
    });
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
  const server = createServer((socket) => accept(new SocketLink(socket, `${path} (connected)`)));
  try {
    if (file) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    if (file) await rm(path, { force: true });
    await listening(server, path);
    if (file) await chmod(path, 0o600);
    // A connection that could not be taken (no descriptor left) fails for the one who connects.
    server.on("error", () => {});
  } catch (cause) {
    server.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen at ${path}: ${why}`;
    throw new ColloquyError("AGENT_UNREACHABLE", message, { cause });
  }
  return { address: path, close: () => closed(server) };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: 511 }, () => {
      server.off("error", reject);
      resolve();
    });
  });
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
