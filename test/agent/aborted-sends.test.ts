import type { Network } from "colloquy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
let network: Network;

beforeEach(async () => {
  fabric = await openFabric(1);
  network = fabric.networks[0] as Network;
});
afterEach(() => fabric.close());

async function waitingIn(address: string): Promise<number | undefined> {
  await fabric.clock.advance(50);
  const all = await fabric.until(network.mailboxes.list());
  return all.find((it) => it.address === address)?.waiting;
}

test("a send whose signal has aborted before stores nothing", async () => {
  const sender = await fabric.until(network.agent("sender"));
  await fabric.until(network.mailboxes.declare("type:box"));
  const signal = AbortSignal.abort();
  const sent = [
    sender.send("type:box", "work", 1, { signal }),
    sender.send("type:box", "work", 1, { signal, fallback: ["type:box"] }),
    sender.request("type:box", "work", 1, { signal, durable: true }),
  ];
  for (const each of sent) {
    await expect(fabric.until(each)).rejects.toMatchObject({ code: "CANCELLED" });
  }
  expect(await waitingIn("type:box")).toBe(0);
});

test("a send that is given up while its mailbox is being declared stores nothing", async () => {
  const sender = await fabric.until(network.agent("sender"));
  const giveUp = new AbortController();
  const declared = network.mailboxes.declare("type:box");
  const sent = sender.send("type:box", "work", 1, { signal: giveUp.signal });
  giveUp.abort();
  await expect(fabric.until(sent)).rejects.toMatchObject({ code: "CANCELLED" });
  await fabric.until(declared);
  expect(await waitingIn("type:box")).toBe(0);
});

test("a durable request that is given up while it is being stored is cancelled", async () => {
  const sender = await fabric.until(network.agent("sender"));
  await fabric.until(network.mailboxes.declare("type:box"));
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const asked = sender.request("type:box", "work", 1, { signal, durable: true });
  await Promise.resolve();
  giveUp.abort();
  await expect(fabric.until(asked)).rejects.toMatchObject({ code: "CANCELLED" });
  // Behind it, so that it has been stored.
  await fabric.until(sender.send("type:box", "work", 2));
  // Whoever gives up does not wait for it.
  await fabric.eventually(async () => expect(await waitingIn("type:box")).toBe(1));
  expect(fabric.errors).toEqual([]);
});
