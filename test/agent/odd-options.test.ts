import { join, type Network } from "colloquy";
import { expect, test } from "vitest";
import { openFabric } from "../support/fabric.ts";

function refused(field: string) {
  return expect.objectContaining({
    code: "INVALID_OPTION",
    details: expect.objectContaining({ field }),
  });
}

test("half a chunk is no window, and half a start no number of starts", async () => {
  const fabric = await openFabric(1);
  const agent = await fabric.until((fabric.networks[0] as Network).agent("a"));
  agent.handle("count", async function* () {
    yield 1;
  });
  const stream = () => agent.stream("agent:a", "count", 1, { window: 0.5 });
  expect(stream).toThrow(refused("window"));
  const call = agent.call("agent:a", "count");
  call.result.catch(() => {});
  expect(() => agent.attach(call.id, { window: 1.5 })).toThrow(refused("window"));
  const retry = { attemptsMax: 1.5 };
  expect(() => agent.handle("once", () => 1, { retry })).toThrow(refused("retry.attemptsMax"));
  await fabric.close();
});

test.each([
  { compression: { algorithm: "brotli" as "gzip" }, field: "compression.algorithm" },
  { compression: { bytesMin: -1 }, field: "compression.bytesMin" },
])("join refuses $field that makes no sense", async ({ compression, field }) => {
  const joining = join("memory:", { compression, drainOnSignals: false });
  await expect(joining).rejects.toThrow(refused(field));
});

test("a durable request takes no listener that nobody would tell", async () => {
  const fabric = await openFabric(1);
  const agent = await fabric.until((fabric.networks[0] as Network).agent("a"));
  for (const field of ["onProgress", "onInput"]) {
    const options = { durable: true, [field]: () => {} };
    const asking = fabric.until(agent.request("agent:a", "count", 1, options));
    await expect(asking).rejects.toThrow(refused(field));
  }
  await fabric.close();
});
