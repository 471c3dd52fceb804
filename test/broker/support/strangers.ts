/**
 * Other clients of a server who may write wherever the fabric does, and write what it never would: what
 * they have heard from it, damaged, on the subjects and channels where they have heard it, and nonsense.
 */
import { connect, headers } from "@nats-io/transport-node";
import { createClient, RESP_TYPES } from "@redis/client";
import type { ServerName } from "../../../scripts/brokers/servers.ts";
import type { Draw } from "../../support/fuzz/draw.ts";
import { mutate } from "../../support/fuzz/mutations.ts";
import type { Server } from "../../support/servers/server.ts";

export interface Stranger {
  /** How many places it has heard of. */
  readonly places: number;
  /** Writes to some of them. Resolves when the server has taken it. */
  strike(times: number, draw: Draw): Promise<void>;
  /** Writes exactly this: a subject of NATS, or a channel of Redis. */
  write(place: string, bytes: Uint8Array, heads?: Readonly<Record<string, string>>): Promise<void>;
  /** Redis only. */
  command(parts: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

export function openStranger(name: ServerName, server: Server, prefix: string): Promise<Stranger> {
  return name === "nats" ? natsStranger(server, prefix) : redisStranger(server, prefix);
}

const nonsense = [
  "",
  "{",
  "null",
  "[]",
  "5",
  "\n",
  '{"t":"offer"}',
  '{"op":"state"}',
  "\u0000\xff",
];

function garbage(heard: readonly Uint8Array[], draw: Draw): Uint8Array {
  const kind = draw.below(10);
  if (kind === 0) return draw.bytes(draw.below(64));
  if (kind < 4 || heard.length === 0) return Buffer.from(draw.oneOf(nonsense), "latin1");
  return mutate(draw.oneOf(heard), draw);
}

/** What was heard at each place, a few of each. */
class Heard {
  readonly places = new Map<string, Uint8Array[]>();

  add(place: string, bytes: Uint8Array): void {
    const known = this.places.get(place) ?? [];
    if (this.places.size >= 500 && known.length === 0) return;
    known.push(bytes.slice());
    this.places.set(place, known.slice(-5));
  }
}

async function natsStranger(server: Server, prefix: string): Promise<Stranger> {
  const connection = await connect({ servers: `127.0.0.1:${server.port}` });
  const heard = new Heard();
  const heads = new Map<string, Readonly<Record<string, string>>>();
  const own = new Set<string>();
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      if (error !== null || own.has(Buffer.from(message.data).toString("latin1"))) return;
      heard.add(message.subject, message.data);
      const found = message.headers?.keys().map((key) => [key, message.headers?.get(key) ?? ""]);
      if (found !== undefined) heads.set(message.subject, Object.fromEntries(found));
    },
  });
  await connection.flush();
  const publish = (
    subject: string,
    bytes: Uint8Array,
    fields: Readonly<Record<string, string>> = {},
  ): void => {
    own.add(Buffer.from(bytes).toString("latin1"));
    const made = headers();
    for (const [key, value] of Object.entries(fields)) made.append(key, value);
    connection.publish(subject, bytes, { headers: made });
  };
  return {
    get places() {
      return heard.places.size;
    },
    strike: async (times, draw) => {
      for (let left = times; left > 0; left--) {
        const [subject, samples] = draw.oneOf([...heard.places]);
        const fields: Record<string, string> = {};
        for (const [key, value] of Object.entries(heads.get(subject) ?? {})) {
          // Those of the server would keep it from being stored.
          if (key.startsWith("Nats-") || draw.chance(0.3)) continue;
          fields[key] = draw.chance(0.5) ? value : draw.oneOf(["", "x", "-1", "1e999", "%zz", "%"]);
        }
        publish(subject, garbage(samples, draw), fields);
      }
      await connection.flush();
    },
    write: async (subject, bytes, fields) => {
      publish(subject, bytes, fields);
      await connection.flush();
    },
    command: () => Promise.reject(new Error("NATS has none")),
    close: () => connection.close(),
  };
}

async function redisStranger(server: Server, prefix: string): Promise<Stranger> {
  const client = createClient({ url: server.url });
  client.on("error", () => {});
  await client.connect();
  const listener = client.duplicate().withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  listener.on("error", () => {});
  await listener.connect();
  const heard = new Heard();
  const own = new Set<string>();
  await listener.pSubscribe(
    `{${prefix}}:*`,
    (message, channel) => {
      if (!own.has(message.toString("latin1"))) heard.add(channel.toString(), message);
    },
    true,
  );
  const publish = async (channel: string, bytes: Uint8Array): Promise<void> => {
    own.add(Buffer.from(bytes).toString("latin1"));
    await client.publish(channel, Buffer.from(bytes));
  };
  return {
    get places() {
      return heard.places.size;
    },
    strike: async (times, draw) => {
      const channels = [...heard.places];
      for (let left = times; left > 0; left--) {
        const [channel, samples] = draw.oneOf(channels);
        await publish(channel, garbage(samples, draw));
      }
    },
    write: publish,
    command: (parts) => client.sendCommand([...parts]),
    close: async () => {
      listener.destroy();
      client.destroy();
    },
  };
}
