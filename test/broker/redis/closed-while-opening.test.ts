/** Closing a session that opens, at whichever moment. */
import { expect, test } from "vitest";
import type { RedisClient } from "../../../src/broker/redis/client.ts";
import { RedisConnection } from "../../../src/broker/redis/connection.ts";
import { redisSettings } from "../../../src/broker/redis/options.ts";
import { ScriptLibrary } from "../../../src/broker/redis/script-library.ts";

/** Of a server that answers everything at once. */
class AnsweredClient implements RedisClient {
  readonly #connected: Set<RedisClient>;

  constructor(connected: Set<RedisClient>) {
    this.#connected = connected;
  }

  duplicate(): RedisClient {
    return new AnsweredClient(this.#connected);
  }

  async connect(): Promise<void> {
    this.#connected.add(this);
  }

  destroy(): void {
    this.#connected.delete(this);
  }

  on(): void {}
  async sendCommand(): Promise<void> {}
  async subscribe(): Promise<void> {}
  async unsubscribe(): Promise<void> {}
  async pSubscribe(): Promise<void> {}
  async pUnsubscribe(): Promise<void> {}
}

/** @param moment - counted in turns of what waits for promises. */
async function closeWhileOpening(moment: number) {
  const connected = new Set<RedisClient>();
  const client = new AnsweredClient(connected);
  const settings = redisSettings({ client });
  const connection = new RedisConnection(settings, client, new ScriptLibrary([], []));
  const opened = connection.open().then(
    () => true,
    () => false,
  );
  for (let turn = 0; turn < moment; turn++) await Promise.resolve();
  await connection.close();
  return { wasOpen: await opened, link: connection.link, connected: connected.size };
}

test("a session that is closed while it opens leaves no connection behind", async () => {
  const closed = { link: undefined, connected: 0 };
  let moment = 0;
  for (;;) {
    const { wasOpen, ...left } = await closeWhileOpening(moment);
    expect(left, `after ${moment} turns`).toEqual(closed);
    if (wasOpen) break;
    expect(++moment).toBeLessThan(1_000);
  }
  expect(moment).toBeGreaterThan(1);
});
