/** An agent that sends faster than it is worked for, with real agents. */
import type { Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open(sendWindow: { sendsMax?: number; until?: "stored" | "settled" }) {
  fabric = await openFabric(2);
  const [sending, working] = fabric.networks as [Network, Network];
  const sender = await fabric.until(sending.agent("sender", { sendWindow }));
  const slow = await fabric.until(working.agent("slow"));
  const quick = await fabric.until(working.agent("quick"));
  slow.handle("WORK", async () => {
    await new Promise<void>((resolve) => fabric.clock.setTimer(100, resolve));
  });
  quick.handle("WORK", () => {});
  await fabric.until(Promise.all([slow.ready(), quick.ready()]));
  return { sender, sending, slow };
}

async function waitingIn(network: Network, address: string): Promise<number> {
  const all = await fabric.until(network.mailboxes.list());
  return all.find((it) => it.address === address)?.waiting ?? 0;
}

test("no more of an agent's messages than its window wait for one destination", async () => {
  const { sender, sending } = await open({ sendsMax: 5, until: "settled" });
  let stored = 0;
  const sends = Array.from({ length: 40 }, async () => {
    const receipt = await sender.send("agent:slow", "WORK");
    stored++;
    return receipt;
  });
  await fabric.eventually(() => expect(stored).toBeGreaterThanOrEqual(5));
  if (fabric.isVirtual) expect(stored).toBe(5);
  // Another destination has a window of its own.
  const other = await fabric.until(sender.send("agent:quick", "WORK"));
  expect(await fabric.until(other.settled())).toMatchObject({ state: "done" });
  let most = 0;
  for (let step = 0; step < 20; step++) {
    most = Math.max(most, await waitingIn(sending, "agent:slow"));
    await fabric.clock.advance(37);
  }
  // A server may take away a moment later what its sender knows to be settled.
  if (fabric.isVirtual) expect(most).toBe(5);
  else expect(most).toBeLessThanOrEqual(10);
  const receipts = await fabric.until(Promise.all(sends));
  for (const receipt of receipts) {
    expect(await fabric.until(receipt.settled())).toMatchObject({ state: "done" });
  }
});

test("a send that waits for its turn is cancelled by its signal, and refused when its agent closes", async () => {
  const { sender, sending } = await open({ sendsMax: 1, until: "settled" });
  await fabric.until(sending.mailboxes.declare("type:nobody"));
  await fabric.until(sender.send("type:nobody", "WORK"));
  const stop = new AbortController();
  const code = (sent: Promise<unknown>) => sent.catch((error: { code: string }) => error.code);
  const cancelled = code(sender.send("type:nobody", "WORK", 2, { signal: stop.signal }));
  const refused = code(sender.send("type:nobody", "WORK", 3));
  await fabric.clock.advance(10);
  stop.abort();
  expect(await fabric.until(cancelled)).toBe("CANCELLED");
  await fabric.until(sender.close());
  expect(await fabric.until(refused)).toBe("CLOSED");
  expect(await waitingIn(sending, "type:nobody")).toBe(1);
});

test("until they are stored, sends of one burst go in order", async () => {
  const { sender } = await open({ sendsMax: 2 });
  const positions: string[] = [];
  const sends = Array.from({ length: 10 }, async (_, n) => {
    await sender.send("agent:quick", "WORK", n);
    positions.push(`${n}`);
  });
  await fabric.until(Promise.all(sends));
  expect(positions).toEqual(Array.from({ length: 10 }, (_, n) => `${n}`));
});
