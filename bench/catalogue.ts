/** What is measured, against whom, and what Colloquy should reach. */

export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What one operation is, the same for every subject that is not a floor. */
  readonly operation: string;
  readonly unit: "operations/s" | "deliveries/s" | "bytes each";
  /** Of what the numbers in `levels` are; default: "in flight", operations begun and not completed. */
  readonly levelName?: string;
  /** Each is measured by itself. */
  readonly levels: readonly number[];
  /** Colloquy first. */
  readonly subjects: readonly SubjectEntry[];
  readonly targets: readonly Target[];
  /** Default: as many as the command line asks for. */
  readonly rounds?: number;
}

export interface SubjectEntry {
  readonly name: string;
  /** The first of kind colloquy is what the others are compared with. */
  readonly kind: "colloquy" | "peer" | "floor";
  /** A module that exports `open: OpenSubject`. */
  readonly module: URL;
  /** Left out, with a word about it, where this is missing. */
  readonly needs?: readonly Need[];
  /** Only with `--peers`, or only without. Default: always. */
  readonly only?: "with-peers" | "without-peers";
}

/** `packages`: those of bench/package.json; the others are servers. */
export type Need = "packages" | "redis-server" | "nats-server" | "rabbitmq-server";

/** What the median over the rounds must be. */
export type Target =
  /** Colloquy does this many times what `against` does. */
  | {
      readonly kind: "ratio";
      readonly level: number;
      readonly against: string;
      readonly atLeast: number;
    }
  /** Colloquy's median latency is this many times that of `against`. */
  | {
      readonly kind: "latency";
      readonly level: number;
      readonly against: string;
      readonly atMost: number;
    }
  /** Colloquy's own value stays within this. */
  | { readonly kind: "limit"; readonly atMost: number }
  /** The memory of the owner of the store stays within this. */
  | { readonly kind: "memory"; readonly atMostMiB: number };

const packages = ["packages"] as const;
const nats = { kind: "peer", needs: ["packages", "nats-server"], only: "with-peers" } as const;

export const workloads: readonly Workload[] = [
  {
    name: "request-local",
    title: "Request in one process",
    operation:
      "An async handler is called with the payload and returns it; the caller has the result. One request after the other.",
    unit: "operations/s",
    levels: [1],
    subjects: [
      { name: "Colloquy request", kind: "colloquy", module: subject("colloquy-request-local") },
      { name: "Moleculer call", kind: "peer", module: subject("moleculer-call"), needs: packages },
    ],
    targets: [{ kind: "ratio", level: 1, against: "Moleculer call", atLeast: 1.4 }],
  },
  {
    name: "publish-local",
    title: "Publish in one process",
    operation:
      "The one subscriber has been called with the payload. Published 512 at a time, without waiting for each.",
    unit: "operations/s",
    levels: [512],
    subjects: [
      { name: "Colloquy publish", kind: "colloquy", module: subject("colloquy-publish-local") },
      { name: "Moleculer emit", kind: "peer", module: subject("moleculer-emit"), needs: packages },
    ],
    targets: [{ kind: "ratio", level: 512, against: "Moleculer emit", atLeast: 5 }],
  },
  {
    name: "request-remote",
    title: "Request across processes",
    operation:
      "An async handler in another process gets the payload and returns it; the caller has the result and has looked at it. Requester, owner of the store (or server) and handler are three processes, every message passes the middle one. Moleculer TCP: two processes that talk directly, over loopback.",
    unit: "operations/s",
    levels: [1, 64, 256],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-request-remote") },
      { name: "nats.js hand-correlated", module: subject("nats-hand-correlated"), ...nats },
      { name: "nats.js request", module: subject("nats-request"), ...nats },
      { name: "Moleculer TCP", kind: "peer", module: subject("moleculer-tcp"), needs: packages },
      { name: "Moleculer NATS", module: subject("moleculer-nats"), ...nats },
      {
        name: "floor: socket echo",
        kind: "floor",
        module: subject("socket-echo"),
        only: "without-peers",
      },
    ],
    targets: [
      { kind: "ratio", level: 64, against: "nats.js hand-correlated", atLeast: 1.4 },
      { kind: "ratio", level: 256, against: "nats.js hand-correlated", atLeast: 1.4 },
      { kind: "ratio", level: 64, against: "nats.js request", atLeast: 3.5 },
      { kind: "ratio", level: 256, against: "nats.js request", atLeast: 3.5 },
      { kind: "latency", level: 1, against: "nats.js request", atMost: 0.5 },
      { kind: "latency", level: 1, against: "nats.js hand-correlated", atMost: 1 },
      { kind: "ratio", level: 256, against: "Moleculer TCP", atLeast: 2.5 },
    ],
  },
  {
    name: "publish-remote",
    title: "Publish across processes",
    operation:
      "A subscriber, a process of its own, has decoded the payload and looked at it. The publisher is 4,096 messages ahead of the slowest subscriber at most.",
    unit: "deliveries/s",
    levelName: "subscribers",
    levels: [1, 10],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-fan-out") },
      { name: "nats.js", module: subject("nats-fan-out"), ...nats },
    ],
    targets: [
      { kind: "ratio", level: 1, against: "nats.js", atLeast: 1.5 },
      { kind: "ratio", level: 10, against: "nats.js", atLeast: 1.5 },
    ],
  },
  {
    name: "command-durable",
    title: "Durable command",
    operation:
      "The producer knows that the command is stored, a consumer in another process has decoded it, and the producer knows that it is settled. Producer, store and consumer are three processes. Stored means on disk, but for JetStream, which is measured as installed and flushes later. The floors write each group of this many once, with one fsync, in one process.",
    unit: "operations/s",
    levels: [1, 256],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-command-durable") },
      {
        name: "Redis Streams always",
        kind: "peer",
        module: subject("redis-streams"),
        needs: ["packages", "redis-server"],
      },
      {
        name: "RabbitMQ quorum",
        kind: "peer",
        module: subject("rabbitmq-quorum"),
        needs: ["packages", "rabbitmq-server"],
        only: "with-peers",
      },
      {
        name: "BullMQ, Redis always",
        kind: "peer",
        module: subject("bullmq"),
        needs: ["packages", "redis-server"],
        only: "with-peers",
      },
      { name: "JetStream as installed", module: subject("jetstream"), ...nats },
      {
        name: "floor: file",
        kind: "floor",
        module: subject("file-group-commit"),
        only: "without-peers",
      },
      {
        name: "floor: node:sqlite",
        kind: "floor",
        module: subject("sqlite-group-commit"),
        only: "without-peers",
      },
    ],
    targets: [
      { kind: "ratio", level: 256, against: "Redis Streams always", atLeast: 3 },
      { kind: "ratio", level: 256, against: "RabbitMQ quorum", atLeast: 5 },
      { kind: "ratio", level: 256, against: "BullMQ, Redis always", atLeast: 12 },
      { kind: "ratio", level: 256, against: "JetStream as installed", atLeast: 5 },
    ],
  },
  {
    name: "waiting",
    title: "Commands waiting",
    operation:
      "One command was stored and one settled: a producer stores without waiting for outcomes, a consumer takes what has waited longest. Memory is that of the process that owns the store, which does nothing else; `--waiting` says how many wait.",
    unit: "operations/s",
    levels: [256],
    subjects: [
      { name: "Colloquy, many waiting", kind: "colloquy", module: subject("colloquy-waiting") },
      { name: "the same, none waiting", kind: "floor", module: subject("colloquy-waiting-none") },
    ],
    targets: [
      { kind: "ratio", level: 256, against: "the same, none waiting", atLeast: 0.8 },
      { kind: "memory", atMostMiB: 256 },
    ],
    rounds: 1,
  },
  {
    name: "idle-agents",
    title: "Idle agents in one process",
    operation:
      "Resident memory of a process with 100,000 agents, less that of the same process before it had any, for each agent. The owner of the store is another process. An agent with a handler has two mailboxes besides, and receives from both.",
    unit: "bytes each",
    levelName: "agents",
    levels: [100_000],
    subjects: [
      { name: "Colloquy agents", kind: "colloquy", module: subject("colloquy-idle-agents") },
      { name: "with a handler", kind: "floor", module: subject("colloquy-idle-handlers") },
    ],
    targets: [{ kind: "limit", atMost: 2_048 }],
    rounds: 1,
  },
];

function subject(name: string): URL {
  return new URL(`./subjects/${name}.ts`, import.meta.url);
}
