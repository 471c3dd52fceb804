import { expect, test } from "vitest";
import { Activity } from "../../src/exchange/activity.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { openFabric } from "../support/fabric.ts";

test("ends are counted, and latencies are those of the latest seconds, within a tenth", async () => {
  const clock = new VirtualClock();
  const activity = new Activity(clock);
  for (let index = 1; index <= 100; index++) {
    const began = activity.begin();
    await clock.advance(index);
    activity.end(began, index === 7);
  }
  const { handled, failed, averageMs, p50Ms = 0, p99Ms = 0 } = activity.figures;
  expect({ handled, failed, averageMs }).toEqual({ handled: 99, failed: 1, averageMs: 50.5 });
  for (const [told, real] of [
    [p50Ms, 50],
    [p99Ms, 99],
  ] as const) {
    expect(told / real).toBeGreaterThanOrEqual(1);
    expect(told / real).toBeLessThan(1.1);
  }

  await clock.advance(10_000);
  activity.end(activity.begin(), false);
  expect(activity.figures).toMatchObject({ handled: 100 });
  await clock.advance(20_000);
  expect(activity.figures).toEqual({
    handled: 100,
    failed: 1,
    averageMs: undefined,
    p50Ms: undefined,
    p99Ms: undefined,
  });
});

test("of very many starts only some read the clock, also when they begin again", async () => {
  const clock = new VirtualClock();
  let readings = 0;
  const counting = Object.assign(Object.create(clock) as VirtualClock, {
    monotonicMs: () => {
      readings++;
      return clock.monotonicMs();
    },
  });
  const activity = new Activity(counting);
  const many = () => {
    readings = 0;
    for (let index = 0; index < 1_000_000; index++) activity.end(activity.begin(), false);
    return readings;
  };
  expect(many()).toBeLessThan(30_000);
  await clock.advance(11_000);
  expect(activity.figures.handled).toBe(1_000_000);
  expect(many()).toBeLessThan(5_000);
  await clock.advance(60_000);
  // It is quiet again: everything is measured.
  expect(activity.figures.p50Ms).toBeUndefined();
  await clock.advance(10_001);
  expect(activity.figures.p50Ms).toBeUndefined();
  const began = activity.begin();
  await clock.advance(40);
  activity.end(began, false);
  expect(activity.figures.averageMs).toBe(40);
});

test("every process tells what its agents have done; one that is gone is left out", async () => {
  const { networks, clock, until, errors, close } = await openFabric(3);
  const [first, second, third] = networks as [
    (typeof networks)[0],
    (typeof networks)[0],
    (typeof networks)[0],
  ];
  const asker = await until(first.agent("asker"));
  const worker = await until(second.agent("worker"));
  const paused = await until(third.agent("paused"));
  worker.handle("work", async (ms) => {
    await new Promise<void>((resolve) => clock.setTimer(ms as number, resolve));
    if (ms === 30) throw new Error("thirty");
  });
  paused.handle("work", () => {});
  for (const ms of [10, 20, 30]) {
    await until(asker.request("agent:worker", "work", ms).catch(() => {}));
  }
  const all = await until(first.activity());
  expect(all.map(({ instance }) => instance).toSorted()).toEqual(
    networks.map(({ instance }) => instance).toSorted(),
  );
  const busy = all.find(({ instance }) => instance === second.instance);
  expect(busy).toMatchObject({
    counters: { started: 3 },
    agents: [{ id: "worker", load: 0, handled: 2, failed: 1, averageMs: 20 }],
  });
  expect(all.find(({ instance }) => instance === first.instance)?.counters.requests).toBe(3);
  await until(third.close());
  expect(await until(first.activity())).toHaveLength(2);
  await expect(first.activity({ timeoutMs: 0 })).rejects.toMatchObject({ code: "INVALID_OPTION" });
  await expect(first.activity({ signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "CANCELLED",
  });
  expect(errors).toEqual([]);
  await close();
});
