/** What is measured, against whom, and what Colloquy should reach. */

export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What one operation is, the same for every subject that is not a floor. */
  readonly operation: string;
  readonly unit: "operations/s" | "MiB";
  /** Operations begun and not completed at a time; each is measured by itself. */
  readonly inFlight: readonly number[];
  /** Colloquy first. */
  readonly subjects: readonly SubjectEntry[];
  readonly targets: readonly Target[];
  /** Default: as many as the command line asks for. */
  readonly rounds?: number;
}

export interface SubjectEntry {
  readonly name: string;
  readonly kind: "colloquy" | "peer" | "floor";
  /** A module that exports `open: OpenSubject`. */
  readonly module: URL;
  /** Left out, with a word about it, where this is missing. */
  readonly needs?: readonly Need[];
}

/** `packages`: those of bench/package.json. */
export type Need = "packages" | "redis-server";

export type Target =
  /** Colloquy does this many times what `against` does; the median over the rounds counts. */
  | {
      readonly kind: "ratio";
      readonly inFlight: number;
      readonly against: string;
      readonly atLeast: number;
      readonly wanted?: number;
    }
  /** Colloquy's own value stays within this. */
  | { readonly kind: "limit"; readonly atMost: number };

export const workloads: readonly Workload[] = [
  {
    name: "request-local",
    title: "Request in one process",
    operation:
      "An async handler is called with the payload and returns it; the caller has the result. One request after the other.",
    unit: "operations/s",
    inFlight: [1],
    subjects: [
      { name: "Colloquy request", kind: "colloquy", module: subject("colloquy-request-local") },
      {
        name: "Moleculer call",
        kind: "peer",
        module: subject("moleculer-call"),
        needs: ["packages"],
      },
    ],
    targets: [{ kind: "ratio", inFlight: 1, against: "Moleculer call", atLeast: 1.2, wanted: 1.4 }],
  },
  {
    name: "publish-local",
    title: "Publish in one process",
    operation:
      "The one subscriber has been called with the payload. Published 512 at a time, without waiting for each.",
    unit: "operations/s",
    inFlight: [512],
    subjects: [
      { name: "Colloquy publish", kind: "colloquy", module: subject("colloquy-publish-local") },
      {
        name: "Moleculer emit",
        kind: "peer",
        module: subject("moleculer-emit"),
        needs: ["packages"],
      },
    ],
    targets: [{ kind: "ratio", inFlight: 512, against: "Moleculer emit", atLeast: 3, wanted: 5 }],
  },
  {
    name: "request-remote",
    title: "Request across processes",
    operation:
      "An async handler in another process gets the payload and returns it; the caller has the result. Colloquy: requester, owner of the store and handler are three processes, every message passes the owner. Moleculer: two processes that talk directly over TCP on loopback.",
    unit: "operations/s",
    inFlight: [1, 64, 256],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-request-remote") },
      {
        name: "Moleculer TCP",
        kind: "peer",
        module: subject("moleculer-tcp"),
        needs: ["packages"],
      },
      { name: "floor: socket echo", kind: "floor", module: subject("socket-echo") },
    ],
    targets: [{ kind: "ratio", inFlight: 256, against: "Moleculer TCP", atLeast: 2.5 }],
  },
  {
    name: "command-durable",
    title: "Durable command",
    operation:
      "The producer knows that the command is on disk, a consumer in another process has decoded it, and the producer knows that its settlement is on disk. Producer, store and consumer are three processes. The floors write each group of this many once, with one fsync, in one process.",
    unit: "operations/s",
    inFlight: [1, 256],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-command-durable") },
      {
        name: "Redis Streams always",
        kind: "peer",
        module: subject("redis-streams"),
        needs: ["packages", "redis-server"],
      },
      { name: "floor: file", kind: "floor", module: subject("file-group-commit") },
      { name: "floor: node:sqlite", kind: "floor", module: subject("sqlite-group-commit") },
    ],
    targets: [{ kind: "ratio", inFlight: 256, against: "Redis Streams always", atLeast: 2.5 }],
  },
  {
    name: "memory-waiting",
    title: "Memory of the owner with a million commands waiting",
    operation:
      "Resident memory of the process that owns the store, which does nothing else, after another process has sent a million durable commands that nobody takes.",
    unit: "MiB",
    inFlight: [1_024],
    subjects: [
      { name: "Colloquy embedded", kind: "colloquy", module: subject("colloquy-memory-waiting") },
    ],
    targets: [{ kind: "limit", atMost: 256 }],
    rounds: 1,
  },
];

function subject(name: string): URL {
  return new URL(`./subjects/${name}.ts`, import.meta.url);
}
