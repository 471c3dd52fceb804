/** `--brokers`: Colloquy over a server beside that server's own client, which does the same work by hand. */
import type { SubjectEntry, Workload } from "../catalogue.ts";

const onNats = ["nats-server"] as const;
const onRedis = ["redis-server"] as const;

const request =
  "An async handler in another process gets the payload and returns it; the caller has the result and has looked at it. Requester, server and handler are three processes.";
const publish =
  "A subscriber, a process of its own, has decoded the payload and looked at it. The publisher is 4,096 messages ahead of the slowest subscriber at most.";
const durable =
  "The producer knows that the command is stored, a consumer in another process has decoded it, and the producer knows that it is settled. Producer, server and consumer are three processes. Stored and settled mean on disk: the server flushes before it answers.";

export const brokerWorkloads: readonly Workload[] = [
  {
    name: "nats-request",
    title: "NATS: request",
    operation: `${request} The target is the client's own \`request\`; correlated by hand there is neither a timeout nor word of a missing handler.`,
    unit: "operations/s",
    levels: [1, 64, 256],
    subjects: [
      ours("Colloquy over NATS", "colloquy-request-remote", "nats"),
      bare("nats.js request", "nats-request", onNats),
      bare("nats.js hand-correlated", "nats-hand-correlated", onNats),
    ],
    targets: [1, 64, 256].map((level) => ratio(level, "nats.js request", 0.8)),
  },
  {
    name: "nats-publish",
    title: "NATS: publish",
    operation: publish,
    unit: "deliveries/s",
    levelName: "subscribers",
    levels: [1, 4],
    subjects: [
      ours("Colloquy over NATS", "colloquy-fan-out", "nats"),
      bare("nats.js", "nats-fan-out", onNats),
    ],
    targets: [],
  },
  {
    name: "nats-durable",
    title: "NATS JetStream: durable command",
    operation: `${durable} By hand: publish and its acknowledgement, pull, an acknowledgement that the server confirms, and a subject that tells the producer.`,
    unit: "operations/s",
    levels: [1, 256],
    subjects: [
      ours("Colloquy over NATS", "colloquy-command-durable", "nats"),
      bare("JetStream by hand", "jetstream-confirmed", onNats),
    ],
    targets: [1, 256].map((level) => ratio(level, "JetStream by hand", 0.7)),
  },
  {
    name: "redis-request",
    title: "Redis: request",
    operation: `${request} By hand over pub/sub there is neither a timeout nor word of a missing handler.`,
    unit: "operations/s",
    levels: [1, 64, 256],
    subjects: [
      ours("Colloquy over Redis", "colloquy-request-remote", "redis"),
      bare("pub/sub hand-correlated", "redis-hand-correlated", onRedis),
    ],
    targets: [],
  },
  {
    name: "redis-publish",
    title: "Redis: publish",
    operation: publish,
    unit: "deliveries/s",
    levelName: "subscribers",
    levels: [1, 4],
    subjects: [
      ours("Colloquy over Redis", "colloquy-fan-out", "redis"),
      bare("pub/sub", "redis-fan-out", onRedis),
    ],
    targets: [],
  },
  {
    name: "redis-durable",
    title: "Redis: durable command",
    operation: `${durable} By hand: XADD, XREADGROUP, XACK and a channel that tells the producer, under appendfsync always.`,
    unit: "operations/s",
    levels: [1, 256],
    subjects: [
      ours("Colloquy over Redis", "colloquy-command-durable", "redis"),
      bare("Streams by hand", "redis-streams", onRedis),
    ],
    targets: [1, 256].map((level) => ratio(level, "Streams by hand", 0.7)),
  },
];

function ours(name: string, module: string, over: "nats" | "redis"): SubjectEntry {
  const needs = over === "nats" ? onNats : onRedis;
  return { name, kind: "colloquy", module: subject(`${module}.ts?over=${over}`), needs };
}

function bare(name: string, module: string, needs: SubjectEntry["needs"] = []): SubjectEntry {
  return { name, kind: "peer", module: subject(`${module}.ts`), needs };
}

function ratio(level: number, against: string, atLeast: number) {
  return { kind: "ratio", level, against, atLeast } as const;
}

function subject(name: string): URL {
  return new URL(`../subjects/${name}`, import.meta.url);
}
