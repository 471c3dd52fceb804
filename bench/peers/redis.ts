/** The part of @redis/client that the benchmark uses. */

export interface RedisClient {
  on(event: "error", listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  xAdd(stream: string, id: "*", fields: Readonly<Record<string, string>>): Promise<string>;
  xGroupCreate(
    stream: string,
    group: string,
    id: string,
    options: { readonly MKSTREAM: true },
  ): Promise<unknown>;
  xReadGroup(
    group: string,
    consumer: string,
    stream: { readonly key: string; readonly id: ">" },
    options: { readonly COUNT: number; readonly BLOCK: number },
  ): Promise<readonly StreamReply[] | null>;
  xAck(stream: string, group: string, ids: readonly string[]): Promise<number>;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
}

interface StreamReply {
  readonly messages: readonly {
    readonly id: string;
    readonly message: { readonly body: string };
  }[];
}

interface RedisClientModule {
  createClient(options: { readonly url: string }): RedisClient;
}

/** The specifier is no literal, so that the type check does not need the package to be installed. */
const specifier: string = "@redis/client";

export async function connectRedis(url: string): Promise<RedisClient> {
  const { createClient } = (await import(specifier)) as RedisClientModule;
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return client;
}
