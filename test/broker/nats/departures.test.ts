/** Which message goes next: whatever is lost on the way, those of one order are stored in it. */

import { expect, test } from "vitest";
import { Departures, type Source } from "../../../src/broker/nats/queues/departures.ts";
import { fc } from "../../support/properties.ts";

interface Job {
  readonly order: string | undefined;
  readonly id: number;
}

interface Sending {
  readonly source: Source;
  readonly countMax: number;
  readonly isBatch: boolean;
  /** So many depart where each goes by itself. */
  readonly room: number;
}

interface Return {
  readonly index: number;
  readonly fate: "answered" | "answer lost" | "lost" | "refused for good";
  /** Of those without an order. */
  readonly isFirst: boolean;
}

type Step = { readonly order: string | undefined } | Sending | Return;

const sources = ["line", "parked"] as const;

/** A sender, and a server that stores each message once, and all of a batch or nothing. */
class Sender {
  readonly departures = new Departures<Job>();
  readonly added: Job[] = [];
  readonly onTheirWay: (readonly Job[])[] = [];
  readonly stored = new Set<Job>();
  readonly ended = new Set<Job>();

  get isIdle(): boolean {
    return sources.every((source) => this.departures.peek(source) === undefined);
  }

  take(step: Step): void {
    if ("source" in step) this.send(step);
    else if ("fate" in step) this.comeBack(step);
    else this.add(step.order);
  }

  add(order: string | undefined): Job {
    const job = { order, id: this.added.length };
    this.added.push(job);
    this.departures.add(job);
    return job;
  }

  send({ source, countMax, isBatch, room }: Sending): void {
    const group: Job[] = [];
    while (group.length < countMax) {
      const job = this.departures.peek(source);
      if (job === undefined) break;
      expect(this.departures.shift(source)).toBe(job);
      group.push(job);
    }
    if (isBatch && room > 0 && group.length > 0) {
      this.#depart(group);
      return;
    }
    const left: Job[] = [];
    for (const [index, job] of group.entries()) {
      const gone = index - left.length;
      if (gone < room && !this.departures.isHeldUp(job)) this.#depart([job]);
      else left.push(job);
    }
    this.departures.putBack(left);
  }

  comeBack({ index, fate, isFirst }: Return): void {
    const [group] = this.onTheirWay.splice(index % Math.max(1, this.onTheirWay.length), 1);
    if (group === undefined) return;
    const comesToServer = fate === "answered" || fate === "answer lost";
    // With one that it knows a batch is refused.
    const isTaken =
      comesToServer && (group.length === 1 || !group.some((job) => this.stored.has(job)));
    if (isTaken) for (const job of group) this.stored.add(job);
    const isEnd = fate === "refused for good" || (fate === "answered" && isTaken);
    for (const job of group.toReversed()) {
      if (!isEnd) {
        this.departures.again(job, isFirst);
        continue;
      }
      this.ended.add(job);
      this.departures.ended(job);
    }
  }

  #depart(group: readonly Job[]): void {
    for (const job of group) this.departures.departed(job);
    this.onTheirWay.push(group);
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ order: fc.constantFrom("a", "b", undefined) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        source: fc.constantFrom(...sources),
        countMax: fc.integer({ min: 1, max: 6 }),
        isBatch: fc.boolean(),
        room: fc.integer({ min: 0, max: 4 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        index: fc.nat(5),
        fate: fc.constantFrom("answered", "answer lost", "lost", "refused for good"),
        isFirst: fc.boolean(),
      }),
    },
  ),
  { size: "large", maxLength: 150 },
) satisfies fc.Arbitrary<Step[]>;

test("whatever is lost, those of one order are stored in it, and nobody is forgotten", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const sender = new Sender();
      for (const step of all) {
        sender.take(step);
        const orders = sender.onTheirWay.flatMap((group) => [
          ...new Set(group.flatMap(({ order }) => order ?? [])),
        ]);
        // One of each, or one batch.
        expect(orders).toEqual([...new Set(orders)]);
      }
      while (sender.onTheirWay.length > 0 || !sender.isIdle) {
        while (sender.onTheirWay.length > 0) {
          sender.comeBack({ index: 0, fate: "answered", isFirst: false });
        }
        for (const source of sources) {
          sender.send({ source, countMax: 1, isBatch: false, room: 1 });
        }
      }
      expect(sender.ended.size).toBe(sender.added.length);
      for (const order of ["a", "b"]) {
        const stored = [...sender.stored].filter((job) => job.order === order);
        expect(stored).toEqual(sender.added.filter((job) => stored.includes(job)));
      }
    }),
  );
});

test("what is cleared is all that has not departed, once", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const sender = new Sender();
      for (const step of all) sender.take(step);
      const gone = new Set([...sender.onTheirWay.flat(), ...sender.ended]);
      const cleared = sender.departures.clear().toSorted((one, other) => one.id - other.id);
      expect(cleared).toEqual(sender.added.filter((job) => !gone.has(job)));
      expect(sender.isIdle).toBe(true);
    }),
  );
});

test("whoever waits for its order holds up nobody behind it", () => {
  const sender = new Sender();
  for (const order of ["a", "a", "a"]) sender.add(order);
  const alone = { source: "line", isBatch: false, room: 1 } as const;
  sender.send({ ...alone, countMax: 1 });
  const others = [sender.add("b"), sender.add(undefined)];
  expect(sender.departures.peek("line")).toBe(others[0]);
  expect(sender.departures.parkedWith(sender.added[0] as Job)).toBe(2);
  expect(sender.departures.peek("parked")).toBeUndefined();
  sender.comeBack({ index: 0, fate: "answered", isFirst: false });
  expect(sender.departures.peek("parked")).toBe(sender.added[1]);
});

test("an order goes on when all of it have ended that departed together", () => {
  const departures = new Departures<Job>();
  const jobs = [0, 1, 2].map((id) => ({ order: "a", id }));
  for (const job of jobs) departures.add(job);
  const batch = [departures.shift("line"), departures.shift("line")] as Job[];
  for (const job of batch) departures.departed(job);
  expect(departures.peek("line")).toBeUndefined();
  for (const job of batch) {
    expect(departures.peek("parked")).toBeUndefined();
    departures.ended(job);
  }
  expect(departures.peek("parked")).toBe(jobs[2]);
});
