/**
 * The client gives up on a server that takes the connection and does not greet, and leaves the socket open:
 * what listens there may be no NATS, or be stopped. Such a socket would keep the process for ever.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { onAbort } from "../../runtime/abort.ts";

const channel = "net.client.socket";

/**
 * Runs `connect`, then closes the sockets that it has opened and does not use.
 *
 * @param signal - breaks all of them off: the client, which cannot be told to stop, gives up.
 */
export async function withoutForgotten<Client>(
  connect: () => Promise<Client>,
  signal?: AbortSignal,
): Promise<Client> {
  const sockets = new Set<Socket>();
  // Tells its sockets from those that others open meanwhile.
  const own = new AsyncLocalStorage<true>();
  const opened = (message: unknown) => {
    if (!own.getStore()) return;
    const { socket } = message as { readonly socket: Socket };
    sockets.add(socket);
    // The next of its servers: not before the client listens to its end.
    if (signal?.aborted) queueMicrotask(() => breakOff(socket));
  };
  subscribe(channel, opened);
  const forget = onAbort(signal, () => {
    for (const socket of sockets) breakOff(socket);
  });
  try {
    const client = await own.run(true, connect);
    // Others of its servers were tried first.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    return client;
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    throw error;
  } finally {
    forget();
    unsubscribe(channel, opened);
    own.disable();
  }
}

const refusal = Buffer.from("-ERR 'Authorization Violation'\r\n");

/**
 * Of a server that has greeted the client waits for the answer until its time is up, unless it is refused.
 * Under TLS it waits all the same: it listens to another socket there, which reads from this one.
 */
function breakOff(socket: Socket): void {
  socket.emit("data", refusal);
  socket.destroy();
}

/** As far as a client of `@nats-io/transport-node` shows it. */
interface Discarding {
  readonly protocol?: { readonly transport?: { discard?(): void } };
}

/** Closes a client, which leaves the socket open where it is just connecting again. */
export async function closeWithSocket(client: { close(): Promise<void> }): Promise<void> {
  await client.close();
  (client as Discarding).protocol?.transport?.discard?.();
}
