/** What whoever opens a directory is told when it cannot be had, and what happens when its thread fails. */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BrokerStatus, QueuedMessage } from "../../../src/broker/broker.ts";
import { openMemoryBroker } from "../../../src/broker/memory.ts";
import { writeHubFile } from "../../../src/hub/embedded/hub-file.ts";
import { openEmbedded } from "../../../src/hub/embedded.ts";
import { Hub } from "../../../src/hub/hub.ts";
import type { Link } from "../../../src/link/link.ts";
import { listenUnix } from "../../../src/link/unix.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { absolute } from "../../support/repository.ts";
import { sourceFlags } from "../../support/run-node.ts";
import { changesOf } from "../../support/status-changes.ts";
import { Stage } from "../support/actors.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "colloquy-open-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

const message: QueuedMessage = {
  frame: Uint8Array.of(1),
  lane: 2,
  guarantee: "at-least-once",
  id: "",
};

test("a directory is made, with nothing in it for version control or for other users", async () => {
  const data = join(directory, "deep", ".colloquy");
  const broker = await openEmbedded(data);
  expect(broker).toMatchObject({ owner: true, name: `embedded ${data}` });
  expect(readFileSync(join(data, ".gitignore"), "utf8")).toBe("*\n");
  expect(broker.capabilities).toMatchObject({ effects: "atomic", store: true, log: true });
  await broker.close();
  await broker.close();
});

test("whoever opens it next finds what the last one left", async () => {
  const first = await openEmbedded(directory);
  await first.queues.declare(["jobs"]);
  await first.queues.enqueue("jobs", [message]);
  await first.close();
  const second = await openEmbedded(directory);
  expect(await second.queues.mailboxes()).toMatchObject([{ queue: "jobs", waiting: 1 }]);
  await second.close();
});

test("twice in one process is one owner and one client", async () => {
  const [first, second] = await Promise.all([openEmbedded(directory), openEmbedded(directory)]);
  expect([first.owner, second.owner].toSorted()).toEqual([false, true]);
  await Promise.all([first.close(), second.close()]);
});

test("a directory opens although its owner says nothing more after its welcome", async () => {
  const id = "01JHUB00000000000000000000";
  const memory = openMemoryBroker();
  const hub = new Hub({ broker: memory, clock: systemClock, id });
  const socket = join(directory, "s");
  const listener = await listenUnix(socket, (link) => hub.accept(silentAfterWelcome(link)));
  writeHubFile(join(directory, "hub.json"), { hub: id, socket, process: process.pid });
  const opened = await openEmbedded(directory);
  expect(opened.owner).toBe(false);
  await opened.close();
  await listener.close();
  await hub.close();
  await memory.close();
});

function silentAfterWelcome(link: Link): Link {
  let welcomed = false;
  return {
    peer: link.peer,
    send: (chunk) => {
      if (!welcomed) link.send(chunk);
      welcomed = true;
      return true;
    },
    drained: () => link.drained(),
    receive: () => link.receive(),
    close: () => link.close(),
    destroy: () => link.destroy(),
  };
}

test("a file that is no store is STORE_FAILED, and left as it is", async () => {
  const file = join(directory, "store.sqlite");
  const text = "somebody's notes ".repeat(500);
  writeFileSync(file, text);
  const refused = { code: "STORE_FAILED", details: { reason: "foreign" } };
  await expect(openEmbedded(directory)).rejects.toMatchObject(refused);
  // Not "somebody owns it": the lock was given back.
  await expect(openEmbedded(directory)).rejects.toMatchObject(refused);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("a lock file that is no lock is STORE_FAILED", async () => {
  writeFileSync(join(directory, "owner.lock"), "somebody's notes ".repeat(500));
  await expect(openEmbedded(directory)).rejects.toMatchObject({ code: "STORE_FAILED" });
});

test("a damaged store is STORE_FAILED", async () => {
  await (await openEmbedded(directory)).close();
  const file = join(directory, "store.sqlite");
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 8_192, 16_384);
  writeFileSync(file, bytes);
  await expect(openEmbedded(directory)).rejects.toMatchObject({
    code: "STORE_FAILED",
    details: { reason: "damaged" },
  });
});

test("a store of a later version is INVALID_VERSION", async () => {
  await (await openEmbedded(directory)).close();
  const database = new DatabaseSync(join(directory, "store.sqlite"));
  database.exec("PRAGMA user_version = 1000");
  database.close();
  await expect(openEmbedded(directory)).rejects.toMatchObject({ code: "INVALID_VERSION" });
});

test("a file where the directory should be is STORE_FAILED", async () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  await expect(openEmbedded(file)).rejects.toMatchObject({ code: "STORE_FAILED" });
});

test("a directory that cannot be written is STORE_FAILED", async () => {
  const data = join(directory, "data");
  mkdirSync(data);
  chmodSync(directory, 0o755);
  chmodSync(data, 0o555);
  expect(await openAsAnybody(data)).toMatchObject({ code: "STORE_FAILED" });
});

test("an owner that lives and does not answer is AGENT_UNREACHABLE, and named", async () => {
  const stage = new Stage();
  try {
    const owner = await stage.enter();
    owner.process.kill("SIGSTOP");
    // A thread that is running just then stops a moment after the signal was sent.
    let failure: unknown;
    while (failure === undefined) {
      failure = await openEmbedded(stage.directory, { openTimeoutMs: 300 }).then(
        (broker) => broker.close(),
        (error: unknown) => error,
      );
    }
    expect(failure).toMatchObject({
      code: "AGENT_UNREACHABLE",
      details: { directory: stage.directory, process: owner.process.pid },
    });
    owner.process.kill("SIGCONT");
    const broker = await openEmbedded(stage.directory);
    expect(broker.owner).toBe(false);
    await broker.close();
  } finally {
    await stage.leave();
  }
});

test("a thread of the store that fails is followed by another, which knows what was stored", async () => {
  vi.stubEnv("COLLOQUY_TEST_FATE", join(directory, "fate"));
  vi.stubEnv("COLLOQUY_TEST_VICTIM", "thread");
  writeFileSync(join(directory, "fate"), "enqueued");
  const probeModule = new URL("../support/probe.ts", import.meta.url).href;
  const broker = await openEmbedded(directory, { probeModule });
  await broker.queues.declare(["jobs"]);
  expect(await broker.queues.enqueue("jobs", [message])).toMatchObject([
    { kind: "stored", position: 1, duplicate: true },
  ]);
  expect(broker.owner).toBe(true);
  await broker.close();
});

test("a thread of the store that fails again stays down, and everybody is told", async () => {
  const probeModule = new URL("../support/thread-ends.ts", import.meta.url).href;
  const broker = await openEmbedded(directory, { probeModule });
  const statuses: BrokerStatus["kind"][] = [];
  const watching = (async () => {
    for await (const { kind } of changesOf(broker)) statuses.push(kind);
  })();
  await broker.queues.declare(["jobs"]);
  expect(await broker.queues.enqueue("jobs", [message])).toMatchObject([{ kind: "indeterminate" }]);
  await watching;
  expect(statuses).toEqual(["ready", "lost", "ready", "lost", "closed"]);
  await expect(broker.queues.mailboxes()).rejects.toMatchObject({ code: "INTERNAL_ERROR" });
  await broker.close();
});

/** In a process that may not write everywhere, which root may. */
function openAsAnybody(data: string): Promise<unknown> {
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const flags = [...sourceFlags, absolute("test/hub/support/open.ts"), data];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, flags, user, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(error);
    });
  });
}
