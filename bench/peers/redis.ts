/** Redis with every write on disk before its reply, and the part of @redis/client that the benchmark uses. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { temporaryDirectory } from "../harness/directory.ts";
import { freePort } from "../harness/free-port.ts";

export interface RedisServer {
  readonly url: string;
  stop(): Promise<void>;
}

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

/** The path of `redis-server`, or undefined where none is installed. */
export function findRedisServer(): string | undefined {
  const directories = (process.env["PATH"] ?? "").split(delimiter).filter((path) => path !== "");
  return directories.map((path) => join(path, "redis-server")).find(isExecutable);
}

/** Starts a server of our own on a free port of the loopback interface, with an empty directory. */
export async function startRedisServer(): Promise<RedisServer> {
  const binary = findRedisServer();
  if (binary === undefined) throw new Error("no redis-server on PATH");
  const directory = temporaryDirectory();
  const port = await freePort();
  const settings = {
    port,
    bind: "127.0.0.1",
    dir: directory.path,
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    // Spares Redis the work of compacting its file during a measurement.
    "auto-aof-rewrite-percentage": 0,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const server = spawn(binary, args, { stdio: "ignore" });
  const ended = once(server, "exit");
  process.once("exit", () => server.kill());
  const url = `redis://127.0.0.1:${port}`;
  // The client tries again until somebody listens.
  const [code] = await Promise.race([
    ended,
    connectRedis(url).then((client) => [client.destroy()]),
  ]);
  if (code !== undefined) throw new Error(`redis-server ended with ${code}`);
  return {
    url,
    stop: async () => {
      server.kill();
      await ended;
      directory.remove();
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
