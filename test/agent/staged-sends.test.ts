import { afterEach, expect, test } from "vitest";
import { type Fabric, openFabric } from "../support/fabric.ts";

let fabric: Fabric;
afterEach(() => fabric.close());

test("a staged send to several of which one is no address stages nothing", async () => {
  fabric = await openFabric(1);
  const [net] = fabric.networks;
  const worker = await fabric.until(
    net?.agent("worker") ?? Promise.reject(new Error("no network")),
  );
  const codes: unknown[] = [];
  const heard: unknown[] = [];
  worker.handle("HEAR", (input) => heard.push(input));
  worker.handle("TELL", (_input, context) => {
    try {
      context.send(["agent:worker", "nonsense" as "agent:x"], "HEAR", 1);
    } catch (error) {
      codes.push((error as { code: string }).code);
    }
    context.send(["agent:worker"], "HEAR", 2);
  });
  await fabric.until(worker.ready());
  const receipt = await fabric.until(worker.send("agent:worker", "TELL"));
  await fabric.until(receipt.settled());
  await fabric.eventually(() => expect(heard.length).toBeGreaterThan(0));
  expect(codes).toEqual(["INVALID_ADDRESS"]);
  expect(heard).toEqual([2]);
});
