import { MessageChannel, Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { MessagePortLink } from "../../src/link/message-port.ts";
import { linkCases } from "./link-cases.ts";

for (const { name, run } of linkCases) {
  test(name, async () => {
    const { port1, port2 } = new MessageChannel();
    const pair = {
      near: new MessagePortLink(port1, "far"),
      far: new MessagePortLink(port2, "near"),
    };
    try {
      await run(pair);
    } finally {
      pair.near.destroy();
      pair.far.destroy();
    }
  });
}

test("a thread that ends without closing breaks the link", async () => {
  const { port1, port2 } = new MessageChannel();
  const keepPort = `const { workerData } = require("node:worker_threads");
    workerData.on("message", () => process.exit(0));`;
  const worker = new Worker(keepPort, { eval: true, workerData: port2, transferList: [port2] });
  const link = new MessagePortLink(port1, "worker");
  const reading = (async () => {
    for await (const _ of link.receive());
  })();
  link.send(Buffer.from("exit"));
  await expect(reading).rejects.toMatchObject({ code: "AGENT_UNREACHABLE" });
  await worker.terminate();
});
