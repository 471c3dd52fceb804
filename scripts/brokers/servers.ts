/** The servers behind the brokers: which programs they are, and how each is started and asked. */
import { fileURLToPath } from "node:url";

export type ServerName = "nats" | "redis";

export interface Place {
  /** Where it keeps its data; nothing else is in there. */
  readonly directory: string;
  /** Of the loopback interface. */
  readonly port: number;
}

export interface Server {
  readonly name: ServerName;
  /** The program's name. */
  readonly program: string;
  /** Older ones lack what the broker uses, or have known holes. */
  readonly versionMin: string;
  /** Where clients look unless told otherwise. */
  readonly port: number;
  /** With every setting of the file beside this one, which compose.yaml uses as well. */
  argumentsFor(place: Place): readonly string[];
  /** A question that any client may ask first, and what the answer has once it takes work. */
  readonly greeting: { readonly question: string; readonly answer: RegExp };
}

export const settings: Readonly<Record<ServerName, string>> = {
  nats: fileURLToPath(new URL("nats.conf", import.meta.url)),
  redis: fileURLToPath(new URL("redis.conf", import.meta.url)),
};

export const servers: Readonly<Record<ServerName, Server>> = {
  nats: {
    name: "nats",
    program: "nats-server",
    versionMin: "2.14.3",
    port: 4222,
    argumentsFor: ({ directory, port }) => [
      ...["-c", settings.nats],
      ...["-a", "127.0.0.1"],
      ...["-p", String(port)],
      ...["-sd", directory],
    ],
    greeting: { question: 'CONNECT {"verbose":false}\r\nPING\r\n', answer: /^PONG\r$/m },
  },
  redis: {
    name: "redis",
    program: "redis-server",
    versionMin: "7.2.0",
    port: 6379,
    argumentsFor: ({ directory, port }) => [
      settings.redis,
      ...["--bind", "127.0.0.1"],
      ...["--port", String(port)],
      ...["--dir", directory],
    ],
    greeting: { question: "PING\r\n", answer: /^\+PONG\r$/m },
  },
};

export const serverNames: readonly ServerName[] = ["nats", "redis"];

export function isServerName(text: string): text is ServerName {
  return (serverNames as readonly string[]).includes(text);
}

export function urlOf(name: ServerName, port: number): string {
  return `${name}://127.0.0.1:${port}`;
}
