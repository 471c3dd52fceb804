import type { Network } from "colloquy";
import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

async function open() {
  fabric = await openFabric(1);
  const agent = await fabric.until((fabric.networks[0] as Network).agent("a"));
  agent.handle("GOOD", () => "well");
  return agent;
}

test("an effect that cannot be fails its own command only, not those that end with it", async () => {
  const agent = await open();
  agent.handle("BAD", (_input, { store }) => store.put("k".repeat(2_000), 1), {
    retry: { attemptsMax: 2, baseMs: 10 },
  });
  await fabric.until(agent.ready());
  const names = ["GOOD", "BAD", "GOOD"];
  const receipts = await fabric.until(
    Promise.all(names.map((name) => agent.send("agent:a", name))),
  );
  const outcomes = await fabric.until(Promise.all(receipts.map((receipt) => receipt.settled())));
  expect(outcomes).toMatchObject([
    { state: "done", result: "well" },
    { state: "dead", error: { code: "INVALID_OPTION", details: { field: "key" } } },
    { state: "done", result: "well" },
  ]);
});

test("a message that cannot be sent is refused alone, not those that are sent with it", async () => {
  const agent = await open();
  await fabric.until(agent.ready());
  const sent = [{}, { deliverAt: -1 }, {}].map((options) =>
    agent.send("agent:a", "GOOD", undefined, options),
  );
  const settled = await fabric.until(Promise.allSettled(sent));
  expect(settled).toMatchObject([
    { status: "fulfilled" },
    { status: "rejected", reason: { code: "INVALID_OPTION", details: { field: "notBeforeMs" } } },
    { status: "fulfilled" },
  ]);
});
