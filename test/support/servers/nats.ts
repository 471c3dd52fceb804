/** A real nats-server, with JetStream in its directory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, Server, started } from "./server.ts";

export interface NatsServerSettings {
  /** Of the block `jetstream`. Default: "always"; undefined leaves the server's own. */
  readonly syncInterval?: string | undefined;
  /** Default: "8MB". */
  readonly maxPayload?: string;
  /** Default: true. */
  readonly jetstream?: boolean;
  /** Further lines of the configuration: accounts, users, limits. */
  readonly more?: string;
}

export class NatsServer extends Server {
  readonly monitorPort: number;
  readonly #settings: NatsServerSettings;

  private constructor(port: number, monitorPort: number, settings: NatsServerSettings) {
    super("nats", port, "Server is ready");
    this.monitorPort = monitorPort;
    this.#settings = settings;
  }

  static start(settings: NatsServerSettings = {}): Promise<NatsServer> {
    return started(async () => new NatsServer(await freePort(), await freePort(), settings));
  }

  /** Where its settings can be read. */
  get monitorUrl(): string {
    return `http://127.0.0.1:${this.monitorPort}`;
  }

  /** Says where the server tells how it writes. */
  override placeUrl(prefix: string, leaseMs: number, port: number = this.port): string {
    return `${super.placeUrl(prefix, leaseMs, port)}&monitor=${encodeURIComponent(this.monitorUrl)}`;
  }

  protected parameters(): readonly string[] {
    const path = join(this.directory, "nats.conf");
    writeFileSync(path, this.#configuration());
    return ["-c", path];
  }

  #configuration(): string {
    const { syncInterval, maxPayload = "8MB", jetstream = true, more = "" } = this.#settings;
    const sync = "syncInterval" in this.#settings ? syncInterval : "always";
    const storage = `store_dir: ${JSON.stringify(join(this.directory, "jetstream"))}
      max_memory_store: 512MB
      max_file_store: 8GB
      ${sync === undefined ? "" : `sync_interval: ${sync}`}`;
    return `listen: "127.0.0.1:${this.port}"
      http: "127.0.0.1:${this.monitorPort}"
      max_payload: ${maxPayload}
      ${jetstream ? `jetstream {\n${storage}\n}` : ""}
      ${more}\n`;
  }
}
