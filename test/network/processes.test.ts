import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { type Agent, isColloquyError, join, type Network } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

let directory: string;
let members: ChildProcess[];
let network: Network | undefined;

beforeEach(async () => {
  directory = await mkdtemp(joinPath(tmpdir(), "colloquy-processes-"));
  members = [];
});

afterEach(async () => {
  for (const member of members) member.kill("SIGKILL");
  await network?.close();
  network = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function start(id: string, capacity = 50): Promise<ChildProcess> {
  const program = absolute("test/network/programs/member.ts");
  const member = fork(program, [directory, id, `${capacity}`], { execArgv: [...sourceFlags] });
  members.push(member);
  await heard(member, "ready");
  return member;
}

async function heard(member: ChildProcess, word: string): Promise<void> {
  for (;;) {
    const [message] = await once(member, "message");
    if (message === word) return;
  }
}

async function enter(): Promise<Agent> {
  network = await join(`embedded:${directory}`, { drainOnSignals: false });
  return network.agent("me");
}

async function bookings(): Promise<number[]> {
  const booked: number[] = [];
  for await (const { value } of (network as Network).log.read("bookings")) {
    booked.push((value as { readonly n: number }).n);
  }
  return booked;
}

test("agents of several processes find one another and talk, with nothing to install", async () => {
  const [first, second] = [await start("first"), await start("second")];
  const me = await enter();
  await network?.waitFor({ type: "member" }, { count: 2 });
  expect(await me.request("agent:first", "pid")).toBe(first.pid);
  expect(await me.request("agent:second", "pid")).toBe(second.pid);
  const chunks: unknown[] = [];
  for await (const chunk of me.stream("agent:second", "count", 20)) chunks.push(chunk);
  expect(chunks).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  const receipt = await me.send("type:member", "BOOK", { n: 1 });
  expect(receipt.durability).toBe("os");
  expect(await receipt.settled()).toEqual({ state: "done", result: undefined });
  expect(await bookings()).toEqual([1]);
});

test("when the owner is killed requests, streams and commands under way come to their end", async () => {
  const owner = await start("owner");
  await start("other");
  const me = await enter();
  await network?.waitFor({ type: "member" }, { count: 2 });

  const slow = Array.from({ length: 20 }, (_, n) => me.request("agent:other", "slow", 50 * n));
  const chunks: unknown[] = [];
  const stream = me.stream("agent:other", "count", 200, { window: 16 });
  const reading = (async () => {
    for await (const chunk of stream) chunks.push(chunk);
  })();
  const sent = Array.from({ length: 300 }, (_, n) =>
    me.send("type:member", "BOOK", { n }, { guarantee: "exactly-once" }),
  );
  await sent[50];
  owner.kill("SIGKILL");

  const receipts = await Promise.all(sent);
  const outcomes = await Promise.all(receipts.map((receipt) => receipt.settled()));
  expect(outcomes.filter(({ state }) => state !== "done")).toEqual([]);
  expect((await bookings()).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 300 }, (_, n) => n),
  );
  expect(await Promise.all(slow)).toEqual(slow.map((_, n) => `other after ${50 * n}`));
  await reading;
  expect(chunks).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  expect(await stream.result).toBe("counted");
});

test("a request to a process that is gone fails at once, with what is known", async () => {
  await start("owner");
  const doomed = await start("doomed");
  const me = await enter();
  await network?.waitFor({ id: "doomed" });
  const exited = once(doomed, "exit");
  doomed.kill("SIGKILL");
  await exited;
  // Until the hub has read the end of its link, what is sent there is lost, and that is "unknown".
  let failure: unknown;
  do {
    failure = await me
      .request("agent:doomed", "pid", 0, { timeoutMs: 200 })
      .catch((error) => error);
  } while (isColloquyError(failure) && failure.details["outcome"] === "unknown");
  expect(failure).toMatchObject({
    code: "AGENT_UNREACHABLE",
    details: { outcome: "not-started" },
  });
});

test("a command whose handler's process is killed is handled by another", async () => {
  await start("owner");
  const doomed = await start("doomed");
  const me = await enter();
  const receipt = await me.send("agent:doomed", "LONG", 60_000);
  await heard(doomed, "started");
  doomed.kill("SIGKILL");
  const heir = await (network as Network).agent("doomed", { type: "member" });
  const attempts: number[] = [];
  heir.handle("LONG", (_input, { attempt }) => {
    attempts.push(attempt);
    return "by the heir";
  });
  expect(await receipt.settled()).toEqual({ state: "done", result: "by the heir" });
  expect(attempts).toEqual([2]);
});

test("SIGTERM lets a command under way end before the process does", async () => {
  await start("owner");
  const leaving = await start("leaving");
  const me = await enter();
  const receipt = await me.send("agent:leaving", "LONG", 500);
  await heard(leaving, "started");
  const exited = once(leaving, "exit");
  leaving.kill("SIGTERM");
  expect(await receipt.settled()).toMatchObject({ state: "done" });
  expect(await exited).toEqual([null, "SIGTERM"]);
});

test("agents of two and of three processes that wait for one another are told so, not timed out", async () => {
  for (const id of ["a", "b", "c"]) await start(id, 1);
  const me = await enter();
  await network?.waitFor({ type: "member" }, { count: 3 });
  const pass = (...way: readonly string[]) =>
    me.request(
      "agent:a",
      "pass",
      way.map((id) => `agent:${id}`),
    );
  for (const way of [
    ["b", "a"],
    ["b", "c", "a"],
  ]) {
    const path = ["a", ...way].map((agent) => ({ agent, name: "pass" }));
    await expect(pass(...way)).rejects.toMatchObject({ code: "DEADLOCK", details: { path } });
  }
  expect(await pass("b", "c")).toBe("done");
});
