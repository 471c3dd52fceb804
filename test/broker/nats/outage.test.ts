import { expect, test } from "vitest";
import { Outage } from "../../../src/broker/nats/outage.ts";

test("waits double up to their limit, and are drawn from below it", () => {
  const outage = new Outage({ uint32: () => 0, float: () => 0.5 }, { minMs: 10, maxMs: 100 });
  const waits = [0, 1, 2, 3, 4, 40].map((failures) => outage.backOffMs(failures));
  expect(waits).toEqual([5, 10, 20, 40, 50, 50]);
});

test("the first attempt is not told twice; each further one says that the last has failed", () => {
  const outage = new Outage({ uint32: () => 0, float: () => 0.5 }, { minMs: 10, maxMs: 100 });
  outage.cause = "gone";
  expect(outage.begin()).toEqual({ kind: "lost", cause: "gone", attempt: 1, delayMs: 0 });
  expect(outage.attempted()).toBeUndefined();
  expect(outage.attempted()).toEqual({ kind: "lost", cause: "gone", attempt: 2, delayMs: 10 });
  expect(outage.attempted()).toMatchObject({ attempt: 3, delayMs: 20 });
  expect(outage.delayMs).toBe(40);
});
