/** Whoever gives up joining is told at once, and nothing of it goes on. */
import { tmpdir } from "node:os";
import { type Broker, join } from "colloquy";
import { expect, test } from "vitest";
import { storeOf } from "../../src/broker/guarded.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { absolute } from "../support/repository.ts";
import { runNode } from "../support/run-node.ts";

interface Told {
  readonly rejected: { readonly code: string; readonly cause: string; readonly afterTicks: number };
  readonly exitTicks: number;
}

/** Of 100 ms: half of the shortest time for which connecting goes on by itself. */
const atOnceTicks = 25;

test.each([
  "embedded: another owns it",
  "embedded: its owner is stopped",
  "unix",
  "tcp",
  "tls",
  "ws",
  "wss",
  "nats",
  "nats: it has greeted",
  "nats: no JetStream answers",
  "nats+tls",
  "redis",
  "rediss",
])("%s: a join that is given up rejects, and lets the process end", async (what) => {
  const program = absolute("test/network/programs/aborted-join.ts");
  const options = { workingDirectory: tmpdir(), timeoutMs: 50_000, parameters: [what] };
  const { exitCode, stdout, stderr } = await runNode(program, options);
  expect(exitCode, stderr).toBe(0);
  const { rejected, exitTicks } = JSON.parse(stdout) as Told;
  expect(rejected).toMatchObject({ code: "CANCELLED", cause: "Error: enough" });
  expect(rejected.afterTicks).toBeLessThan(atOnceTicks);
  expect(exitTicks).toBeLessThan(atOnceTicks);
});

test("a join that is given up while it shows itself leaves, and closes its broker", async () => {
  const memory = openMemoryBroker();
  const giveUp = new AbortController();
  const closed = Promise.withResolvers<void>();
  const never = () => new Promise<never>(() => {});
  const put = () => {
    giveUp.abort(new Error("enough"));
    return never();
  };
  const close = () => memory.close().then(closed.resolve);
  const { name, capabilities, topics, queues, log } = memory;
  const statuses = (signal: AbortSignal) => memory.statuses(signal);
  const store = { ...storeOf(memory), put, watch: never };
  const broker: Broker = { name, capabilities, topics, queues, store, log, statuses, close };
  const joining = join({ broker, signal: giveUp.signal, drainOnSignals: false });
  await expect(joining).rejects.toMatchObject({ code: "CANCELLED", message: "cancelled: enough" });
  await closed.promise;
});
