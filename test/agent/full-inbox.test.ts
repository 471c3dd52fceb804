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
