/** Limits that `join` takes, for the broker that it opens. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as pathOf } from "node:path";
import { type JoinLimits, join } from "colloquy";
import { openMemoryBroker } from "colloquy/testing";
import { expect, test } from "vitest";

test("of the store in memory, and of calls that wait", async () => {
  const net = await join("memory:", {
    limits: { store: { queueMessagesMax: 1 }, callsInFlightMax: 3, hopsMax: 4 },
    drainOnSignals: false,
  });
  await net.mailboxes.declare(["agent:nobody"]);
  const agent = await net.agent("sender");
  await agent.send("agent:nobody", "x", 1);
  await expect(agent.send("agent:nobody", "x", 2)).rejects.toMatchObject({
    code: "QUEUE_FULL",
    details: { limit: "queueMessagesMax" },
  });
  const gets = Array.from({ length: 5 }, () => net.store.get("x"));
  const settled = await Promise.allSettled(gets);
  expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(2);
  await net.close();
});

test("of the hub and the store of a directory, whose owner this process is", async () => {
  const directory = mkdtempSync(pathOf(tmpdir(), "colloquy-limits-"));
  const net = await join(`embedded:${directory}`, {
    limits: {
      hub: { subscriptionsMax: 3 },
      store: { queueMessagesMax: 1 },
      connection: { unacknowledgedMessagesMax: 1 },
      reserveBytes: 1,
    },
    drainOnSignals: false,
  });
  const agent = await net.agent("reader");
  // The process has its inbox, and hears when a server wants the directory.
  await agent.subscribe("one", () => {});
  await expect(agent.subscribe("two", () => {})).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await net.mailboxes.declare(["agent:nobody"]);
  await agent.send("agent:nobody", "x", 1);
  await expect(agent.send("agent:nobody", "x", 2)).rejects.toMatchObject({ code: "QUEUE_FULL" });
  await net.close();
  rmSync(directory, { recursive: true });
});

const nowhere = "tcp://127.0.0.1:1";

test.each<[string, unknown, string]>([
  ["memory:", { hub: { sessionsMax: 1 } }, "limits.hub"],
  ["memory:", { reserveBytes: 1 }, "limits.reserveBytes"],
  ["memory:", { connection: {} }, "limits.connection"],
  [nowhere, { store: {} }, "limits.store"],
  [nowhere, { hub: {} }, "limits.hub"],
  [nowhere, { connection: { backoffMinMs: 0 } }, "limits.connection.backoffMinMs"],
  [nowhere, { connection: { backoff: 1 } }, "limits.connection.backoff"],
  ["embedded:/nowhere", { hub: { sessionsMax: -1 } }, "limits.hub.sessionsMax"],
  ["embedded:/nowhere", { store: { queuesMax: 0.5 } }, "limits.store.queuesMax"],
  ["embedded:/nowhere", { store: 5 }, "limits.store"],
  ["embedded:/nowhere", { callsInFlightMax: 0 }, "limits.callsInFlightMax"],
  ["embedded:/nowhere", { reserveBytes: -1 }, "limits.reserveBytes"],
])("%s refuses %o, naming %s", async (url, limits, field) => {
  await expect(join(url, { limits: limits as Partial<JoinLimits> })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field },
  });
});

test("a broker that is open has its own", async () => {
  const broker = openMemoryBroker();
  await expect(join({ broker, limits: { store: {} } })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    details: { field: "limits.store" },
  });
  await broker.close();
});
