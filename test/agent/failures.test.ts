import { ColloquyError, type Network } from "colloquy";
import { expect, test } from "vitest";
import { openFabric } from "../support/fabric.ts";

test("an error that cannot travel whole arrives all the same, and its handler's place is free", async () => {
  const fabric = await openFabric(2);
  const [asking, handling] = fabric.networks as readonly [Network, Network];
  const asker = await fabric.until(asking.agent("asker"));
  const handler = await fabric.until(handling.agent("handler", { capacity: 1 }));
  handler.handle("long", () => {
    throw new Error("x".repeat(2 ** 21));
  });
  handler.handle("odd", () => {
    throw new ColloquyError("FORBIDDEN", "no", { details: { when: new Date(), big: 1n } });
  });
  await fabric.acquainted();
  const ask = (name: string) => fabric.until(asker.request("agent:handler", name));
  await expect(ask("long")).rejects.toMatchObject({
    code: "HANDLER_FAILED",
    message: "x".repeat(8_192),
  });
  await expect(ask("odd")).rejects.toMatchObject({ code: "FORBIDDEN", details: {} });
  expect(handler.load).toBe(0);
  await fabric.close();
});
