/**
 * A relay between a client and its server that keeps back what the client sends. When the connection has
 * broken for the client, all of it arrives, as it may from a network that was cut for a while: the
 * server does not know yet that nobody waits for the answers.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly kept: Uint8Array[];
}

export class LateRelay {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** Those that were there when it began to keep back. */
  #held = new Set<Connection>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(port: number): Promise<LateRelay> {
    const server = createServer();
    const relay = new LateRelay(server);
    server.on("connection", (client: Socket) => relay.#accept(client, port));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** From now on, of the connections that are there. */
  hold(): void {
    this.#held = new Set(this.#connections);
  }

  /** Bytes that were kept back. */
  get keptBytes(): number {
    let bytes = 0;
    for (const { kept } of this.#held) for (const { length } of kept) bytes += length;
    return bytes;
  }

  /** They break, for the client alone. */
  break(): void {
    for (const { client } of this.#held) client.destroy();
  }

  /** What was kept back arrives; resolves when the server has read it and closed. */
  async deliver(): Promise<void> {
    const all = [...this.#held].map(async ({ server, kept }) => {
      if (server.closed) return;
      const closed = once(server, "close");
      for (const bytes of kept) server.write(bytes);
      server.end();
      await closed;
    });
    await Promise.all(all);
  }

  async close(): Promise<void> {
    for (const { client, server } of this.#connections) {
      client.destroy();
      server.destroy();
    }
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket, port: number): void {
    const server = connect(port, "127.0.0.1");
    const connection: Connection = { client, server, kept: [] };
    this.#connections.add(connection);
    const isHeld = () => this.#held.has(connection);
    client.on("data", (bytes) => {
      if (isHeld()) connection.kept.push(bytes);
      else server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (!client.destroyed) client.write(bytes);
    });
    for (const socket of [client, server]) socket.on("error", () => {});
    client.once("close", () => {
      if (!isHeld()) server.destroy();
    });
    server.once("close", () => {
      client.destroy();
      this.#connections.delete(connection);
    });
  }
}
