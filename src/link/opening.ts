/** How a socket becomes a link, or a reason why it did not; how a server begins to listen. */
import type { ListenOptions, Server, Socket } from "node:net";
import { ColloquyError } from "../errors.ts";
import { cancelledError, onAbort } from "../runtime/abort.ts";
import { type Clock, systemClock } from "../runtime/clock.ts";
import type { Link } from "./link.ts";
import { SocketLink, type SocketLinkOptions } from "./socket.ts";
import { notReached } from "./tls-failure.ts";

/** How long the other side may be silent until a link is open: the host, and its half of TLS. */
const connectTimeoutMs = 10_000;

/**
 * @param open - begins to connect.
 * @param ready - the event after which bytes may be sent.
 * @throws AGENT_UNREACHABLE with the cause, CANCELLED.
 */
export function openLink(
  open: () => Socket,
  ready: "connect" | "secureConnect",
  options: SocketLinkOptions,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<Link> {
  if (signal.aborted) return Promise.reject(cancelledError(signal));
  return new Promise((resolve, reject) => {
    const socket = open();
    const forget = onAbort(signal, () => {
      timer.cancel();
      socket.destroy();
      reject(cancelledError(signal));
    });
    const refuse = (cause: Error) => {
      forget();
      timer.cancel();
      socket.destroy();
      reject(notReached(`nobody listens at ${options.peer}`, cause));
    };
    const timer = clock.setTimer(connectTimeoutMs, () => {
      refuse(new Error(`no answer for ${connectTimeoutMs} ms`));
    });
    const vanish = () => refuse(new Error("the connection was closed"));
    socket.on("error", refuse);
    socket.once("close", vanish);
    socket.once(ready, () => {
      forget();
      timer.cancel();
      socket.off("close", vanish);
      resolve(new SocketLink(socket, options));
      socket.off("error", refuse);
    });
  });
}

/** @throws AGENT_UNREACHABLE with the cause when it cannot listen at `address`, which is for people. */
export async function listenAt(
  server: Server,
  options: ListenOptions,
  address: string,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ backlog: 511, ...options }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // A connection that could not be taken (no descriptor left) fails for the one who connects.
    server.on("error", () => {});
  } catch (cause) {
    server.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen at ${address}: ${why}`;
    throw new ColloquyError("AGENT_UNREACHABLE", message, { cause, details: { address } });
  }
}
