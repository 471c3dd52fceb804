import type { Network } from "colloquy";
import { expect, test } from "vitest";
import { openFabric } from "../support/fabric.ts";

test("an agent that refuses requests for lack of room still keeps the commands it has taken", async () => {
  const fabric = await openFabric(1);
  const network = fabric.networks[0] as Network;
  const asker = await fabric.until(network.agent("asker"));
  const busy = await fabric.until(network.agent("busy", { capacity: 1, waitingMax: 1 }));
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  busy.handle("block", () => gate);
  busy.handle("WORK", (_input, { attempt }) => attempt);
  await fabric.until(busy.ready());
  const waiting = [asker.request("agent:busy", "block"), asker.request("agent:busy", "block")];
  await expect(fabric.until(asker.request("agent:busy", "block"))).rejects.toMatchObject({
    code: "QUEUE_FULL",
    details: { agent: "busy", waitingMax: 1 },
  });
  const mailboxes = ["agent:busy", "type:agent", "agent:busy", "type:agent"] as const;
  const receipts = await fabric.until(Promise.all(mailboxes.map((to) => asker.send(to, "WORK"))));
  await fabric.clock.advance(1_000);
  release();
  await fabric.until(Promise.all(waiting));
  const outcomes = await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  expect(outcomes).toEqual(mailboxes.map(() => ({ state: "done", result: 1 })));
  await fabric.close();
});

test.each([
  { where: "in one process", processes: 1 },
  { where: "across processes", processes: 2 },
])("$where requests that were given up while they waited make room for others", async (it) => {
  const fabric = await openFabric(it.processes);
  const asker = await fabric.until((fabric.networks[0] as Network).agent("asker"));
  const there = fabric.networks[it.processes - 1] as Network;
  const busy = await fabric.until(there.agent("busy", { capacity: 1, waitingMax: 2 }));
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const started: unknown[] = [];
  busy.handle("block", (input) => {
    started.push(input);
    return gate;
  });
  await fabric.acquainted();
  const ask = (input: number) => asker.request("agent:busy", "block", input);
  const running = ask(1);
  const givenUp = [2, 3].map((input) => asker.call("agent:busy", "block", input));
  const left = Promise.allSettled(givenUp.map(({ result }) => result));
  await fabric.eventually(() => expect(busy.load).toBe(3));
  const cancelled = Promise.all(givenUp.map((call) => call.cancel()));
  expect(await fabric.until(cancelled)).toEqual(["accepted", "accepted"]);
  await fabric.until(left);

  const answers = Promise.all([running, ask(4), ask(5)]);
  await expect(fabric.until(ask(6))).rejects.toMatchObject({ code: "QUEUE_FULL" });
  release();
  await fabric.until(answers);
  expect(started).toEqual([1, 4, 5]);
  await fabric.close();
});
