/** Consumers in processes of their own, and a server that dies: what was promised is kept. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import type { Broker, QueuedMessage } from "../../src/broker/broker.ts";
import { sourceFlags } from "../support/run-node.ts";
import { overEachServer } from "../support/servers/over-servers.ts";
import { openAt } from "../support/servers/servers.ts";

const leaseMs = 1_500;
const timeout = 90_000;
const patience = { timeout: 60_000, interval: 20 };

overEachServer((theServer) => {
  const running = new Set<Worker>();
  afterAll(() => {
    for (const worker of running) worker.process.kill("SIGKILL");
  });

  test("of workers one is killed and one is stopped for longer than its lease: everything is done once, and what the stopped one settles late is stale", {
    timeout,
  }, async () => {
    const url = (await theServer()).placeUrl("competition", leaseMs);
    const broker = await openAt(url);
    await broker.queues.declare(["work"]);
    const workers = [1, 2, 3].map(() => new Worker(url));
    for (const worker of workers) running.add(worker);
    const [killed, stopped, left] = workers as [Worker, Worker, Worker];
    await vi.waitFor(() => {
      for (const worker of workers) expect(worker.count("ready")).toBe(1);
    }, patience);
    const sent = Array.from({ length: 300 }, (_, index) => keyed(index));
    await broker.queues.enqueue("work", sent);
    await vi.waitFor(() => {
      for (const worker of workers) expect(worker.count("took")).toBeGreaterThan(0);
    }, patience);
    stopped.process.kill("SIGSTOP");
    for (const worker of [killed, left]) worker.begin();
    await vi.waitFor(() => expect(killed.count("settled")).toBeGreaterThan(0), patience);
    killed.process.kill("SIGKILL");
    await vi.waitFor(async () => {
      const [mailbox] = await broker.queues.mailboxes();
      expect(mailbox?.waiting).toBe(0);
    }, patience);
    stopped.process.kill("SIGCONT");
    // What it took, others have done since.
    stopped.begin();
    await vi.waitFor(() => expect(stopped.count("stale")).toBeGreaterThan(0), patience);
    const done = await readLog(broker);
    expect(done.toSorted()).toEqual(sent.map(({ frame }) => text(frame)).toSorted());
    for (let key = 0; key < keys; key++) {
      const ofKey = done.map(Number).filter((index) => index % 3 === 0 && index % keys === key);
      expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
    }
    for (const worker of workers) await worker.end();
    await broker.close();
  });

  test("the server is killed again and again under load: what was acknowledged is delivered, nothing is stored twice, and what was settled stays settled", {
    timeout,
  }, async () => {
    const server = await theServer();
    const url = server.placeUrl("killed", leaseMs);
    const [sender, receiver] = await Promise.all([openAt(url), openAt(url)]);
    await sender.queues.declare(["work"]);
    const acknowledged = new Map<number, string>();
    const settled: number[] = [];
    const again: number[] = [];
    const ending = new AbortController();
    const receiving = (async () => {
      const credit = { credit: 64, consumer: "receiver" };
      for await (const batch of receiver.queues.receive("work", credit, ending.signal)) {
        for (const { position } of batch) if (settled.includes(position)) again.push(position);
        const done = batch.map((delivery) => ({ ...delivery, outcome: { kind: "done" } as const }));
        const outcomes = await receiver.queues.settle(done);
        for (const [index, { kind }] of outcomes.entries()) {
          if (kind === "settled") settled.push(batch[index]?.position ?? 0);
        }
      }
    })();
    let sequence = 0;
    let sending = true;
    const load = (async () => {
      while (sending) {
        // A sender that is faster than the receiver would leave it thousands.
        await vi.waitFor(() => expect(sequence - settled.length).toBeLessThan(300), patience);
        const batch = Array.from({ length: 10 }, () => originated(++sequence));
        const outcomes = await sender.queues.enqueue("work", batch);
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.kind !== "stored") throw new Error(JSON.stringify(outcome));
          acknowledged.set(outcome.position, text(batch[index]?.frame));
        }
      }
    })();
    for (let kill = 0; kill < 3; kill++) {
      const before = settled.length;
      await vi.waitFor(() => expect(settled.length).toBeGreaterThan(before + 100), patience);
      await server.kill();
      await server.start();
    }
    sending = false;
    await load;
    await vi.waitFor(() => expect(settled.length).toBeGreaterThanOrEqual(sequence), patience);
    expect(acknowledged.size).toBe(sequence);
    expect(new Set(settled).size).toBe(settled.length);
    expect(settled.toSorted((a, b) => a - b)).toEqual(
      [...acknowledged.keys()].toSorted((a, b) => a - b),
    );
    expect(again).toEqual([]);
    ending.abort();
    await receiving;
    await Promise.all([sender.close(), receiver.close()]);
  });
});

const keys = 7;

function keyed(index: number): QueuedMessage {
  const frame = new TextEncoder().encode(String(index));
  const message = { frame, lane: 2, guarantee: "at-least-once", id: `id ${index}` } as const;
  // Those without a key go to whoever has room, those with one follow one another.
  return index % 3 === 0 ? { ...message, key: `key ${index % keys}` } : message;
}

function originated(sequence: number): QueuedMessage {
  const origin = { incarnation: "the sender", sequence, repeatsFrom: Math.max(1, sequence - 100) };
  const frame = new TextEncoder().encode(String(sequence));
  return { frame, lane: 2, guarantee: "at-least-once", id: `id ${sequence}`, origin };
}

function text(frame: Uint8Array | undefined): string {
  return new TextDecoder().decode(frame);
}

async function readLog(broker: Broker): Promise<string[]> {
  const found: string[] = [];
  const { signal } = new AbortController();
  for await (const entries of broker.log?.read("done", 1, {}, signal) ?? []) {
    found.push(...entries.map(({ data }) => text(data)));
  }
  return found;
}

/** A process of support/worker.ts, and what it says. */
class Worker {
  readonly process: ChildProcess;
  readonly #stdin: Writable;
  readonly #lines: string[] = [];
  readonly #exited: Promise<unknown>;

  constructor(url: string) {
    const program = fileURLToPath(new URL("support/worker.ts", import.meta.url));
    const parameters = [...sourceFlags, program, url];
    const child = spawn(process.execPath, parameters, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (line) => this.#lines.push(line));
    this.process = child;
    this.#stdin = child.stdin;
    this.#exited = once(child, "exit");
  }

  /** How often it has said that. */
  count(what: string): number {
    return this.#lines.filter((line) => line.split(" ", 1)[0] === what).length;
  }

  /** To work on what it takes. */
  begin(): void {
    this.#stdin.write("begin\n");
  }

  async end(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#exited;
  }
}
