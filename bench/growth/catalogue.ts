/** How the cost of one operation grows with what is there: `npm run bench -- --growth`. */
import type { Workload } from "../catalogue.ts";

const common = { rounds: 1, targets: [] } as const;

export const curves: readonly Workload[] = [
  {
    ...common,
    name: "subscriptions",
    title: "Subscriptions",
    operation:
      "A publication has reached its one subscriber in another process, among so many subscriptions to topics of their own; which of them is drawn at random.",
    unit: "operations/s",
    levelName: "subscriptions",
    levels: [1, 10, 100, 1_000, 10_000, 100_000],
    subjects: [curve("subscriptions")],
  },
  {
    ...common,
    name: "queued",
    title: "Queued messages",
    operation:
      "One command was stored and one settled, while about so many wait in the same mailbox.",
    unit: "operations/s",
    levelName: "messages",
    levels: [1, 1_000, 100_000, 1_000_000, 10_000_000],
    subjects: [curve("queued")],
  },
  {
    ...common,
    name: "connections",
    title: "Connections",
    operation:
      "A request to another process and its answer, 64 in flight, while so many other clients are connected to the hub and idle.",
    unit: "operations/s",
    levelName: "connections",
    levels: [1, 10, 100, 1_000, 9_900],
    subjects: [curve("connections")],
  },
  {
    ...common,
    name: "processes",
    title: "Joined processes",
    operation:
      "The same, while so many networks have joined and are idle: each shows itself to all others, and renews its lease.",
    unit: "operations/s",
    levelName: "networks",
    levels: [1, 10, 100, 300],
    subjects: [curve("processes")],
  },
  {
    ...common,
    name: "payloads",
    title: "Payloads",
    operation:
      "A request to another process and its answer, both with so many random bytes; 2 in flight.",
    unit: "operations/s",
    levelName: "bytes",
    levels: [16, 256, 4_096, 65_536, 1_000_000],
    subjects: [curve("payloads")],
  },
  {
    ...common,
    name: "agents",
    title: "Agents",
    operation:
      "A request to one of so many agents of another process, drawn at random, and its answer; 64 in flight. Memory is that of the process the agents live in.",
    unit: "operations/s",
    levelName: "agents",
    levels: [1, 100, 1_000, 10_000, 100_000],
    subjects: [curve("agents")],
  },
];

function curve(name: string): Workload["subjects"][number] {
  return {
    name: "Colloquy embedded",
    kind: "colloquy",
    module: new URL(`./curves/${name}.ts`, import.meta.url),
  };
}
