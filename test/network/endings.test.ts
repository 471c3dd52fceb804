/** What becomes of requests and streams when real processes are killed. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { type Agent, type ColloquyError, join, type Network } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

let directory: string;
let links: ChildProcess[];
let network: Network;
let me: Agent;
/** What the processes have told, and who waits for it. */
let told: string[];
let listeners: Set<() => void>;

beforeEach(async () => {
  directory = await mkdtemp(joinPath(tmpdir(), "colloquy-endings-"));
  [links, told, listeners] = [[], [], new Set()];
});

afterEach(async () => {
  for (const link of links) link.kill("SIGKILL");
  await network.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(id: string): Promise<ChildProcess> {
  const program = absolute("test/network/programs/link.ts");
  const link = fork(program, [directory, id], { execArgv: [...sourceFlags] });
  links.push(link);
  const ready = new Promise<void>((resolve) => {
    link.on("message", (message) => {
      if (message === "ready") resolve();
      else told.push(String(message));
      for (const listener of listeners) listener();
    });
  });
  await ready;
  return link;
}

/** Resolves when all of that has been told. */
function heard(...what: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!what.every((it) => told.includes(it))) return;
      listeners.delete(look);
      resolve();
    };
    listeners.add(look);
    look();
  });
}

/** The first process owns the store; this one comes when all are there. */
async function enter(count: number): Promise<void> {
  network = await join(`embedded:${directory}`, { drainOnSignals: false });
  me = await network.agent("me");
  await network.waitFor({ type: "link" }, { count });
}

test("a handler's process that is killed ends requests and streams, and no timeout has to", async () => {
  await start("owner");
  const doomed = await start("doomed");
  await enter(2);
  const hanging = me.request("agent:doomed", "hang").catch((error: unknown) => error);
  const endless = me.stream("agent:doomed", "endless");
  const chunks: unknown[] = [];
  const reading = (async () => {
    for await (const chunk of endless) {
      chunks.push(chunk);
      if (chunks.length === 20) doomed.kill("SIGKILL");
    }
  })().catch((error: unknown) => error);
  expect(await hanging).toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { outcome: "unknown" },
  });
  expect(await reading).toMatchObject({
    code: "STREAM_CUT",
    details: { received: chunks.length },
  });
  expect(chunks).toEqual(chunks.map((_, index) => index + 1));
});

test("a stream goes on with another of its pool when its handler's process is killed, the owner of the store", async () => {
  const first = await start("first");
  await enter(1);
  const reply = me.stream("type:link", "count", 300, { window: 16 });
  const chunks: unknown[] = [];
  for await (const chunk of reply) {
    chunks.push(chunk);
    if (chunks.length !== 50) continue;
    await start("second");
    await network.waitFor({ type: "link" }, { count: 2 });
    first.kill("SIGKILL");
  }
  expect(chunks).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  expect(await reply.result).toBe("counted");
  expect(told.map((it) => it.replace(/[1-9]\d*$/, "n"))).toEqual([
    "first counts from 0",
    "second counts from n",
  ]);
});

test("what an asker has under way is cancelled when its process is killed", async () => {
  await start("owner");
  const asker = await start("asker");
  await start("handler");
  await enter(3);
  asker.send("agent:handler");
  await heard("handler started");
  asker.kill("SIGKILL");
  await heard("handler cleaned up");
  expect(await network.store.get("hung/handler")).toBeUndefined();
});

test("a cancel goes through three processes, is acknowledged, and their cleanup runs", async () => {
  for (const id of ["first", "second", "third"]) await start(id);
  await enter(3);
  const call = me.call("agent:first", "pass", ["agent:second", "agent:third"]);
  call.result.catch(() => {});
  await heard("third started");
  expect(await call.cancel()).toBe("accepted");
  await heard("first cleaned up", "second cleaned up", "third cleaned up");
  expect(await network.cancel(call.id)).toBe("accepted");
  await expect(call.result).rejects.toMatchObject({ code: "CANCELLED" });
  expect(await network.store.get("hung/third")).toBeUndefined();
});

test("work that was left is found again by its id when the owner has been killed in between", async () => {
  const owner = await start("owner");
  await start("worker");
  await enter(2);
  const options = { timeoutMs: 3_000, onTimeout: "leave" } as const;
  const failure = await me
    .request("agent:worker", "hang", 1, options)
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "TIMEOUT", details: { outcome: "in-progress" } });
  const { id } = (failure as ColloquyError).details as { readonly id: string };
  const exited = once(owner, "exit");
  owner.kill("SIGKILL");
  await exited;
  const again = network.attach(id);
  again.result.catch(() => {});
  await me.request("agent:worker", "pid");
  expect(await network.cancel(id)).toBe("accepted");
  await expect(again.result).rejects.toMatchObject({ code: "CANCELLED" });
  await heard("worker cleaned up");
});
