import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

describe("advance", () => {
  test("runs timers by due time, then in the order they were set", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.setTimer(20, () => ran.push(`c at ${clock.monotonicMs()}`));
    clock.setTimer(10, () => ran.push(`a at ${clock.monotonicMs()}`));
    clock.setTimer(10, () => ran.push(`b at ${clock.monotonicMs()}`));
    clock.setTimer(20.5, () => ran.push("later"));
    await clock.advance(20);
    expect(ran).toEqual(["a at 10", "b at 10", "c at 20"]);
    expect(clock.monotonicMs()).toBe(20);
  });

  test("runs what timers set on the way, at its own time", async () => {
    const clock = new VirtualClock();
    const ran: number[] = [];
    const tick = () => {
      ran.push(clock.monotonicMs());
      clock.setTimer(7, tick);
    };
    tick();
    await clock.advance(30);
    expect(ran).toEqual([0, 7, 14, 21, 28]);
    expect(clock.monotonicMs()).toBe(30);
  });

  test("a cancelled timer does not run, not even at the same instant", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.setTimer(5, () => victim.cancel());
    const victim = clock.setTimer(5, () => ran.push("victim"));
    const early = clock.setTimer(1, () => ran.push("early"));
    early.cancel();
    early.cancel();
    await clock.advance(10);
    expect(ran).toEqual([]);
  });

  test("promise reactions, however deep, run before the next timer", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    const deep = async () => {
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
      ran.push(`reaction at ${clock.monotonicMs()}`);
    };
    clock.setTimer(1, () => void deep());
    clock.setTimer(1, () => ran.push("second timer"));
    await clock.advance(1);
    expect(ran).toEqual(["reaction at 1", "second timer"]);
  });

  test("deferred work runs after the timers of its instant and before the next instant", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.setTimer(1, () => {
      ran.push("first");
      clock.defer(() => ran.push("deferred"));
      clock.setTimer(0, () => ran.push("set meanwhile"));
    });
    clock.setTimer(1, () => ran.push("second"));
    clock.setTimer(2, () => ran.push("next instant"));
    await clock.advance(2);
    expect(ran).toEqual(["first", "second", "deferred", "set meanwhile", "next instant"]);
  });

  test("what a timer throws rejects, the clock stands there, and the rest still runs", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.setTimer(3, () => {
      throw new Error("planted");
    });
    clock.setTimer(3, () => ran.push("after"));
    await expect(clock.advance(10)).rejects.toThrow("planted");
    expect(clock.monotonicMs()).toBe(3);
    await clock.settle();
    expect(ran).toEqual(["after"]);
  });

  test("one mover at a time, and never backwards", async () => {
    const clock = new VirtualClock();
    const first = clock.advance(5);
    await expect(clock.advance(5)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    await first;
    await expect(clock.advance(-1)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(clock.monotonicMs()).toBe(5);
  });
});

describe("settle", () => {
  test("runs what is due and what that causes without moving", async () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.defer(() => {
      ran.push("deferred");
      clock.defer(() => ran.push("deferred again"));
      clock.setTimer(0, () => ran.push("timer"));
    });
    clock.setTimer(1, () => ran.push("not yet"));
    await clock.settle();
    expect(ran).toEqual(["deferred", "timer", "deferred again"]);
    expect(clock.monotonicMs()).toBe(0);
  });
});

describe("run", () => {
  test("ends where the last timer was", async () => {
    const clock = new VirtualClock();
    clock.setTimer(10, () => clock.setTimer(32, () => {}));
    clock.setTimer(99, () => {}).cancel();
    await clock.run();
    expect(clock.monotonicMs()).toBe(42);
  });

  test("gives up on a heartbeat that never ends", async () => {
    const clock = new VirtualClock();
    const beat = () => void clock.setTimer(1_000, beat);
    beat();
    await expect(clock.run(5_500)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(clock.monotonicMs()).toBe(5_500);
  });
});

describe("until", () => {
  const sleep = (clock: VirtualClock, ms: number) =>
    new Promise<void>((resolve) => void clock.setTimer(ms, resolve));

  test("moves just as far as the promise needs", async () => {
    const clock = new VirtualClock();
    clock.setTimer(10_000, () => {});
    const work = sleep(clock, 250).then(() => "done");
    await expect(clock.until(work)).resolves.toBe("done");
    expect(clock.monotonicMs()).toBe(250);
  });

  test("passes a rejection on", async () => {
    const clock = new VirtualClock();
    const work = sleep(clock, 5).then(() => Promise.reject(new Error("planted")));
    await expect(clock.until(work)).rejects.toThrow("planted");
  });

  test("says so when nothing can settle it any more, or not in time", async () => {
    const clock = new VirtualClock();
    const never = new Promise<never>(() => {});
    await expect(clock.until(never)).rejects.toMatchObject({ code: "TIMEOUT" });
    await expect(clock.until(sleep(clock, 100), 50)).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(clock.monotonicMs()).toBe(50);
  });
});

describe("the wall clock", () => {
  test("is whole milliseconds and moves with time", async () => {
    const clock = new VirtualClock({ startMs: 1_000 });
    await clock.advance(1.5);
    expect(clock.nowMs()).toBe(1_001);
    expect(clock.monotonicMs()).toBe(1.5);
  });

  test("jumps without timers or durations noticing", async () => {
    const clock = new VirtualClock({ startMs: 10_000_000 });
    const ran: number[] = [];
    clock.setTimer(100, () => ran.push(clock.nowMs()));
    await clock.advance(40);
    clock.setWallClock(5_000);
    expect(clock.monotonicMs()).toBe(40);
    await clock.advance(59);
    expect(ran).toEqual([]);
    await clock.advance(1);
    expect(ran).toEqual([5_060]);
  });
});
