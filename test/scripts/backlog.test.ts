/** The backlog of a measurement: all of it comes, and an account that is wrong is told as wrong. */
import { expect, test } from "vitest";
import { drain, fill } from "../../scripts/backlog/backlog.ts";
import { parseOptions } from "../../scripts/backlog/options.ts";
import { isRight, reportOf } from "../../scripts/backlog/report.ts";
import { runBacklog } from "../../scripts/backlog/run.ts";
import { MeasuredServer } from "../../scripts/backlog/server.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { openRedisBroker } from "../../src/broker/redis/index.ts";
import { missingServer, serverProgram } from "../support/brokers.ts";

const options = { messages: 1_000, frameBytes: 20, batch: 64, inFlight: 3 } as const;
const conditions = { command: "npm run backlog", date: "today", machine: "this", server: "none" };

test("what was put in comes out, each message once", async () => {
  const broker = openMemoryBroker();
  const told: number[] = [];
  const backlog = {
    ...options,
    queue: "type:backlog",
    onProgress: (count: number) => told.push(count),
  };
  await fill(broker, backlog);
  const [mailbox] = await broker.queues.mailboxes();
  expect(mailbox?.waiting).toBe(options.messages);
  expect(told.at(-1)).toBe(options.messages);
  expect(await drain(broker, backlog)).toMatchObject({ received: options.messages, again: 0 });
  await broker.close();
});

test.skipIf(missingServer("redis"))(
  "a server keeps a backlog through its end, and is measured",
  async () => {
    const server = await MeasuredServer.start("redis", serverProgram("redis"));
    try {
      const run = await runBacklog(server, openRedisBroker, options, () => {});
      expect(run.drained).toMatchObject({ received: options.messages, again: 0 });
      expect(run.waiting).toEqual([options.messages, 0]);
      expect(isRight(run, options)).toBe(true);
      expect(run.server.full.diskBytes).toBeGreaterThan(options.messages * options.frameBytes);
      expect(run.clientBytesMax.fill).toBeGreaterThan(0);
      const report = reportOf(run, options, conditions);
      expect(report).toContain("Every message came, and every one was settled. 1,000 messages");
      const wrong = { ...run, drained: { ...run.drained, received: options.messages - 1 } };
      expect(isRight(wrong, options)).toBe(false);
      expect(reportOf(wrong, options, conditions)).toContain("**Wrong**: 999 came, 0 are left.");
    } finally {
      await server.remove();
    }
  },
);

test("options are checked", () => {
  expect(parseOptions([])).toMatchObject({ brokers: ["nats", "redis"], messages: 1_000_000 });
  expect(parseOptions(["--broker", "redis", "--messages", "7"])).toMatchObject({
    brokers: ["redis"],
    messages: 7,
  });
  for (const args of [
    ["--broker", "kafka"],
    ["--messages", "0"],
    ["--bytes", "1"],
    ["--batch", "x"],
  ]) {
    expect(() => parseOptions(args)).toThrow(args[0]);
  }
});
