/** A real redis-server, which keeps what it has in its directory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, Server, started } from "./server.ts";

/** As redis.conf has them. */
export type RedisSettings = Readonly<Record<string, string>>;

/** As durable as one server can be: what docs/brokers.md asks for. */
export const durableSettings: RedisSettings = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
  save: '""',
};

export class RedisServer extends Server {
  #settings: RedisSettings;

  private constructor(port: number, settings: RedisSettings) {
    super("redis", port, "Ready to accept connections");
    this.#settings = settings;
  }

  /** @param settings - beside the durable ones, or in their place. */
  static start(settings: RedisSettings = {}): Promise<RedisServer> {
    return started(
      async () => new RedisServer(await freePort(), { ...durableSettings, ...settings }),
    );
  }

  /** @param changed - in place of the settings that it had. */
  override start(changed: RedisSettings = {}): Promise<void> {
    this.#settings = { ...this.#settings, ...changed };
    return super.start();
  }

  protected parameters(): readonly string[] {
    const path = join(this.directory, "redis.conf");
    const place = { bind: "127.0.0.1", port: String(this.port), dir: this.directory };
    const lines = Object.entries({ ...this.#settings, ...place }).map(
      ([name, value]) => `${name} ${value}\n`,
    );
    writeFileSync(path, lines.join(""));
    return [path];
  }
}
