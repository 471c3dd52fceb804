import { expect, test } from "vitest";
import type { Clock } from "../../src/runtime/clock.ts";
import { TimerWheel, WheelEntry } from "../../src/runtime/timer-wheel.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fc } from "../support/properties.ts";

const tickMs = 50;

class Entry extends WheelEntry {
  addedMs = Number.NaN;
  delayMs = Number.NaN;
  pending = false;
}

interface Expiry {
  readonly entry: Entry;
  readonly lateMs: number;
}

function wheelOn(clock: Clock, slots = 8): { wheel: TimerWheel<Entry>; expiries: Expiry[] } {
  const expiries: Expiry[] = [];
  const expire = (entry: Entry) => {
    expect(entry.pending).toBe(true);
    entry.pending = false;
    expiries.push({ entry, lateMs: clock.monotonicMs() - entry.addedMs - entry.delayMs });
  };
  return { wheel: new TimerWheel<Entry>({ clock, tickMs, slots, expire }), expiries };
}

function add(wheel: TimerWheel<Entry>, clock: Clock, entry: Entry, delayMs: number): void {
  entry.addedMs = clock.monotonicMs();
  entry.delayMs = delayMs;
  entry.pending = true;
  wheel.add(entry, delayMs);
}

test("every entry expires once, never early, at most two ticks late, over many rounds", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), entry: fc.nat(9), delayMs: fc.nat(3_000) }),
    fc.record({ kind: fc.constant("remove" as const), entry: fc.nat(9) }),
    fc.record({
      kind: fc.constant("move" as const),
      ms: fc.double({ min: 0, max: 700, noNaN: true }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new VirtualClock();
      const { wheel, expiries } = wheelOn(clock);
      const entries = Array.from({ length: 10 }, () => new Entry());
      for (const next of steps) {
        if (next.kind === "move") {
          await clock.advance(next.ms);
          continue;
        }
        const entry = entries[next.entry] as Entry;
        if (next.kind === "add") add(wheel, clock, entry, next.delayMs);
        else wheel.remove(entry);
        if (next.kind === "remove") entry.pending = false;
        expect(wheel.size).toBe(entries.filter(({ pending }) => pending).length);
      }
      await clock.run();
      expect(wheel.size).toBe(0);
      expect(entries.filter(({ pending }) => pending)).toEqual([]);
      for (const { lateMs } of expiries) {
        expect(lateMs).toBeGreaterThanOrEqual(-1e-6);
        expect(lateMs).toBeLessThanOrEqual(2 * tickMs + 1e-6);
      }
    }),
    { numRuns: 150 },
  );
});

test("an entry added during a long stall is not early", () => {
  // Time that passes while no timer can run, as in a blocked process.
  let nowMs = 0;
  let tick = () => {};
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer: (_, run) => {
      tick = run;
      return { cancel: () => {} };
    },
    defer: () => {},
  };
  const { wheel, expiries } = wheelOn(clock);
  const before = new Entry();
  const during = new Entry();
  add(wheel, clock, before, 100);
  nowMs = 10_000;
  add(wheel, clock, during, 100);
  tick();
  expect(expiries).toEqual([]);
  nowMs = 10_100;
  tick();
  expect(expiries.map(({ entry }) => entry)).toEqual([before, during]);
});

test("entries far behind after a stall all expire, from every slot", () => {
  let nowMs = 0;
  let tick = () => {};
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer: (_, run) => {
      tick = run;
      return { cancel: () => {} };
    },
    defer: () => {},
  };
  const { wheel, expiries } = wheelOn(clock, 4);
  for (let delayMs = 0; delayMs < 1_000; delayMs += 10) add(wheel, clock, new Entry(), delayMs);
  nowMs = 50;
  tick();
  nowMs = 60_000;
  tick();
  expect(expiries).toHaveLength(100);
  expect(wheel.size).toBe(0);
});

test("an expiry may add, re-add and remove entries of the same tick", async () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const first = new WheelEntry();
  const victim = new WheelEntry();
  let again = 2;
  const wheel: TimerWheel<WheelEntry> = new TimerWheel({
    clock,
    tickMs,
    expire: (entry) => {
      ran.push(entry === first ? "first" : "victim");
      wheel.remove(victim);
      if (again-- > 0) wheel.add(first, 10);
    },
  });
  wheel.add(first, 10);
  wheel.add(victim, 10);
  await clock.run();
  expect(ran).toEqual(["first", "first", "first"]);
});

test("an empty wheel sets no timer, and removing and clearing are safe to repeat", async () => {
  const clock = new VirtualClock();
  const { wheel, expiries } = wheelOn(clock);
  const entry = new Entry();
  wheel.remove(entry);
  add(wheel, clock, entry, 500);
  wheel.remove(entry);
  wheel.remove(entry);
  await clock.run();
  expect(clock.monotonicMs()).toBe(tickMs);

  add(wheel, clock, entry, 500);
  await clock.advance(120);
  expect(wheel.takeAll()).toEqual([entry]);
  expect(wheel.takeAll()).toEqual([]);
  await clock.run();
  expect(clock.monotonicMs()).toBe(170);
  expect(expiries).toEqual([]);
  add(wheel, clock, entry, 1);
  await clock.run();
  expect(expiries).toHaveLength(1);
});

test("what is held expires never and costs no tick; it is found, let go, and may be given a time again", async () => {
  const clock = new VirtualClock();
  const { wheel, expiries } = wheelOn(clock);
  const [first, second, third] = [new Entry(), new Entry(), new Entry()];
  add(wheel, clock, first, 500);
  for (const entry of [first, second, second, third]) wheel.hold(entry);
  expect(wheel.size).toBe(0);
  await clock.run();
  expect(clock.monotonicMs()).toBe(tickMs);
  wheel.remove(third);
  wheel.remove(third);
  add(wheel, clock, second, 100);
  expect(wheel.size).toBe(1);
  await clock.run();
  expect(expiries).toMatchObject([{ entry: second }]);
  expect(wheel.size).toBe(0);
  expect(wheel.takeAll()).toEqual([first]);
  expect(wheel.size).toBe(0);
});

test("options that make no wheel are refused", () => {
  const clock = new VirtualClock();
  const expire = () => {};
  expect(() => new TimerWheel({ clock, expire, tickMs: 0 })).toThrow("tickMs: 0");
  expect(() => new TimerWheel({ clock, expire, slots: 100 })).toThrow("slots: 100");
});
