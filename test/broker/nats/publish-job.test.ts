/** What is known of messages that are sent again and again, by themselves and with others. */

import { expect, test } from "vitest";
import { PublishJob } from "../../../src/broker/nats/queues/publish-job.ts";
import { ColloquyError } from "../../../src/errors.ts";
import { fc } from "../../support/properties.ts";

const error = new ColloquyError("INDETERMINATE", "the answer was lost");
const indexes = [0, 1, 2, 3];

interface Group {
  readonly jobs: readonly PublishJob[];
  readonly isBatch: boolean;
  readonly comesToServer: boolean;
  readonly isTaken: boolean;
  readonly duplicate: boolean;
}

/** Messages of one order, and a server that stores each of them once, and all of a batch or nothing. */
class Sender {
  readonly jobs = indexes.map(
    () => new PublishJob({ subject: "s", payload: new Uint8Array() }, "test", true),
  );
  readonly stored = new Set<PublishJob>();
  readonly #ended = new Set<PublishJob>();
  readonly #onTheirWay: Group[] = [];

  /** Those that may be sent. */
  get waiting(): readonly PublishJob[] {
    const away = new Set(this.#onTheirWay.flatMap(({ jobs }) => jobs));
    return this.jobs.filter((job) => !away.has(job) && !this.#ended.has(job));
  }

  send(members: readonly number[], isBatch: boolean, comesToServer: boolean): void {
    const jobs = this.waiting.filter((job) => members.includes(this.jobs.indexOf(job)));
    for (const group of isBatch ? [jobs] : jobs.map((job) => [job])) {
      const duplicate = group.some((job) => this.stored.has(job));
      const isTaken = comesToServer && !(isBatch && duplicate);
      for (const job of group) {
        job.setsOut(0);
        if (isTaken) this.stored.add(job);
      }
      this.#onTheirWay.push({ jobs: group, isBatch, comesToServer, isTaken, duplicate });
    }
  }

  comeBack(index: number, isLost: boolean): void {
    const [group] = this.#onTheirWay.splice(index % Math.max(1, this.#onTheirWay.length), 1);
    const lostBatch = { wasStored: undefined };
    for (const job of group?.jobs ?? []) {
      if (isLost && group?.isBatch) job.lostWith(lostBatch, error);
      else if (isLost) job.lost(error);
      else if (group?.isTaken) this.#end(job, group.duplicate);
      else if (group?.isBatch) job.refusedWithOthers();
    }
  }

  #end(job: PublishJob, duplicate: boolean): void {
    this.#ended.add(job);
    job.stored({ seq: 1, duplicate });
  }
}

test("whoever goes as stored is stored, and who is in no doubt is not", () => {
  const sending = fc.record({
    members: fc.subarray(indexes, { minLength: 1 }),
    isBatch: fc.boolean(),
    comesToServer: fc.boolean(),
  });
  const coming = fc.record({ index: fc.nat(3), isLost: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.oneof(sending, coming), { size: "large", maxLength: 40 }), (steps) => {
      const sender = new Sender();
      for (const step of steps) {
        if ("members" in step) sender.send(step.members, step.isBatch, step.comesToServer);
        else sender.comeBack(step.index, step.isLost);
        for (const job of sender.waiting) {
          if (job.how === "as stored") expect(sender.stored).toContain(job);
          if (job.doubt === undefined) expect(sender.stored).not.toContain(job);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test("the first of a lost batch tells that the others are stored, and so they stay", () => {
  const sender = new Sender();
  sender.send(indexes, true, true);
  sender.comeBack(0, true);
  expect(sender.jobs.map((job) => job.how)).toEqual(indexes.map(() => "alone"));
  sender.send([0], false, true);
  sender.comeBack(0, false);
  expect(sender.waiting.map((job) => job.how)).toEqual(["as stored", "as stored", "as stored"]);
  sender.send([1], false, true);
  sender.comeBack(0, true);
  expect(sender.jobs[1]?.how).toBe("as stored");
});

test("the first of a lost batch tells that the others are not stored: they begin anew", () => {
  const sender = new Sender();
  sender.send(indexes, true, false);
  sender.comeBack(0, true);
  sender.send([0], false, true);
  sender.comeBack(0, false);
  const others = sender.waiting;
  expect(others.map((job) => job.how)).toEqual(["together", "together", "together"]);
  sender.send(indexes, true, true);
  expect(others.map((job) => job.doubt)).toEqual([undefined, undefined, undefined]);
});

test("where the answer to the first is lost as well, the second tells", () => {
  const sender = new Sender();
  sender.send(indexes, true, true);
  sender.comeBack(0, true);
  for (const [member, isLost, how] of [
    [0, true, "alone"],
    [0, false, "alone"],
    [1, false, "as stored"],
  ] as const) {
    sender.send([member], false, true);
    sender.comeBack(0, isLost);
    expect(sender.waiting.slice(-2).map((job) => job.how)).toEqual([how, how]);
  }
});

test("one that was refused with others goes alone, and was not sent", () => {
  const sender = new Sender();
  sender.send([0], false, true);
  sender.comeBack(0, true);
  sender.send(indexes, true, true);
  sender.comeBack(0, false);
  expect(sender.waiting.map((job) => job.how)).toEqual(indexes.map(() => "alone"));
  expect(sender.jobs.map((job) => job.isRepeated)).toEqual(indexes.map(() => false));
});
