/** The life of commands across real processes that ask, answer, stop and die. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { type Agent, join, type Network, type Receipt } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { absolute } from "../support/repository.ts";
import { sourceFlags } from "../support/run-node.ts";

const timeout = 120_000;
let directory: string;
let members: ChildProcess[];
let network: Network | undefined;

beforeEach(async () => {
  directory = await mkdtemp(joinPath(tmpdir(), "colloquy-life-cycle-"));
  members = [];
});

afterEach(async () => {
  for (const member of members) member.kill("SIGKILL");
  await network?.close();
  network = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function start(id: string): Promise<ChildProcess> {
  const program = absolute("test/network/programs/member.ts");
  const member = fork(program, [directory, id], { execArgv: [...sourceFlags] });
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

async function end(member: ChildProcess): Promise<void> {
  const exited = once(member, "exit");
  member.kill("SIGKILL");
  await exited;
}

async function enter(): Promise<Agent> {
  network = await join(`embedded:${directory}`, { drainOnSignals: false });
  return network.agent("me");
}

async function logged(stream: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const { value } of (network as Network).log.read(stream)) values.push(value);
  return values;
}

async function question(receipt: Receipt, number: number): Promise<unknown> {
  for await (const update of receipt.updates()) {
    if (update.state === "waiting-input" && update.number === number) return update.question;
  }
  throw new Error(`never asked question ${number}`);
}

test("a handler's questions are answered from elsewhere, and outlive its process and the owner", {
  timeout,
}, async () => {
  const owner = await start("owner");
  const doomed = await start("clerk");
  const me = await enter();
  const receipt = await me.send("agent:clerk", "APPROVE", 7);
  const states: string[] = [];
  const following = (async () => {
    for await (const { state } of receipt.updates()) {
      if (states.at(-1) !== state) states.push(state);
    }
  })();
  expect(await question(receipt, 1)).toEqual({ who: 7 });
  expect(await (network as Network).track(receipt.id).answer("Ada")).toBe("accepted");
  expect(await question(receipt, 2)).toBe("sure?");
  await end(doomed);
  await end(owner);
  expect(await question(receipt, 2)).toBe("sure?");
  expect((await receipt.state()).state).toBe("waiting-input");
  expect(await receipt.answer(true)).toBe("accepted");
  await start("clerk");
  expect(await receipt.settled()).toEqual({ state: "done", result: { name: "Ada", sure: true } });
  expect(await logged("approved")).toEqual([{ by: "clerk", name: "Ada", sure: true }]);
  await following;
  expect(states).toContain("waiting-input");
  expect(states.at(-1)).toBe("done");
});

test("a handler runs through two takeovers of the hub, and is started once", {
  timeout,
}, async () => {
  const owner = await start("owner");
  const worker = await start("worker");
  const heir = await start("heir");
  const last = await start("last");
  const me = await enter();
  let starts = 0;
  worker.on("message", (message) => {
    if (message === "started") starts++;
  });
  const receipt = await me.send("agent:worker", "LONG", 9_000);
  await heard(worker, "started");
  await end(owner);
  // Longer than a new owner keeps back what nobody claims.
  await pause(2_000);
  expect((await receipt.state()).state).toBe("started");
  // Whoever owns the directory now: all who may but the worker and this process.
  await end(heir);
  await end(last);
  await pause(2_000);
  expect((await receipt.state()).state).toBe("started");
  expect(await receipt.settled()).toMatchObject({ state: "done" });
  expect(starts).toBe(1);
  expect(await logged("ended")).toEqual(["worker"]);
});

test("a handler whose process is stopped for a while keeps its message", { timeout }, async () => {
  await start("owner");
  const worker = await start("worker");
  const me = await enter();
  let starts = 0;
  worker.on("message", (message) => {
    if (message === "started") starts++;
  });
  const receipt = await me.send("agent:worker", "LONG", 500);
  await heard(worker, "started");
  worker.kill("SIGSTOP");
  await pause(3_000);
  worker.kill("SIGCONT");
  expect(await receipt.settled()).toMatchObject({ state: "done" });
  expect(starts).toBe(1);
});

test("a message that kills its owner each time is dead after three deaths", {
  timeout,
}, async () => {
  let me = await enter();
  await network?.mailboxes.declare("agent:lonely");
  const { id } = await me.send("agent:lonely", "POISON");
  await network?.close();
  for (let death = 1; death <= 3; death++) {
    const program = absolute("test/network/programs/member.ts");
    const owner = fork(program, [directory, "lonely"], { execArgv: [...sourceFlags] });
    members.push(owner);
    const [, signal] = await once(owner, "exit");
    expect(signal).toBe("SIGKILL");
  }
  me = await enter();
  const receipt = (network as Network).track(id);
  expect(await receipt.settled()).toMatchObject({ state: "dead" });
  const { value: letter } = await (network as Network).dead.list().next();
  expect(letter?.attempts.crashes).toBe(3);
  await start("lonely");
});

test("a command is cancelled across processes, and its handler's signal aborts", {
  timeout,
}, async () => {
  await start("owner");
  await start("clerk");
  const me = await enter();
  const receipt = await me.send("agent:clerk", "APPROVE", 1);
  await question(receipt, 1);
  expect(await receipt.cancel({ reason: "no need" })).toBe("accepted");
  expect(await receipt.settled()).toMatchObject({
    state: "cancelled",
    error: { code: "CANCELLED", message: "no need" },
  });
  expect(await logged("approved")).toEqual([]);
  expect(await receipt.answer("late")).toBe("too-late");
});

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
