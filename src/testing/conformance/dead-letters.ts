/** Dead letters: kept, shown, and put back or deleted by a person. */
import assert from "node:assert/strict";
import type { DeadLetter } from "../../broker/broker.ts";
import { deadLetterTopic } from "../../broker/dead-letter-topic.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import {
  collect,
  dead,
  enqueue,
  enqueueOne,
  messages,
  retry,
  settleOne,
  text,
} from "./messages.ts";
import type { Trial } from "./trial.ts";

/** Times are told by the broker's clock, which a client that tells them may know only nearly. */
const clocksApartMs = 5_000;

/** Puts messages to death, one after the other. @returns their queue. */
async function bury(trial: Trial, contents: readonly string[], queue?: string): Promise<string> {
  const name = queue ?? (await trial.queue());
  const receiver = trial.receive(name, { credit: 1 });
  for (const content of contents) {
    await enqueueOne(trial.broker, name, content);
    await settleOne(trial.broker, await receiver.next(), dead(`why ${content}`));
  }
  await receiver.stop();
  return name;
}

function letters(trial: Trial, range = {}): Promise<DeadLetter[]> {
  return collect(trial.broker.queues.deadLetters(range, trial.signal));
}

function texts(found: readonly DeadLetter[]): readonly string[] {
  return found.map(({ frame }) => text(frame));
}

export const deadLetterCases: readonly ConformanceCase[] = [
  conformanceCase("a dead message is kept with what is known about it", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "poison");
    const receiver = trial.receive(queue);
    const startMs = trial.clock.nowMs();
    await settleOne(trial.broker, await receiver.next(), retry());
    await trial.sleep(20);
    await settleOne(trial.broker, await receiver.next(), retry());
    await trial.sleep(20);
    await settleOne(trial.broker, await receiver.next(), dead("no use"));
    const [letter, ...more] = await letters(trial);
    assert.ok(letter && more.length === 0);
    assert.deepEqual([letter.queue, letter.position], [queue, position]);
    assert.equal(text(letter.frame), "poison");
    assert.equal(letter.error.message, "no use");
    assert.equal(letter.attempts.failures, 2, "as when it was offered last");
    const endMs = trial.clock.nowMs();
    assert.ok(letter.firstFailureMs > startMs - clocksApartMs);
    assert.ok(letter.lastFailureMs > letter.firstFailureMs);
    assert.ok(letter.lastFailureMs < endMs + clocksApartMs);
    await trial.quiet();
    assert.equal(receiver.waiting, 0, "it is not offered again");
  }),

  conformanceCase("a dead message is dead when tracked, with its reason", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "poison");
    await settleOne(trial.broker, await trial.receive(queue).next(), dead("no use"));
    const state = await trial.broker.queues.track(queue, position, { wait: true });
    assert.ok(state.state === "dead", state.state);
    assert.equal(state.error.message, "no use");
  }),

  conformanceCase(
    "whoever listens hears that dead letters have come, once they are there",
    async (trial) => {
      const listener = await trial.connect();
      const found: Promise<DeadLetter[]>[] = [];
      const look = () => {
        const listing = collect(listener.queues.deadLetters({}, trial.signal));
        // What is looked at last, the end of the case may interrupt.
        listing.catch(() => {});
        found.push(listing);
      };
      await listener.topics.subscribe(deadLetterTopic, look, trial.signal);
      await bury(trial, ["1"]);
      await trial.eventually("word of the first", () => found[0]);
      assert.deepEqual(texts(await (found[0] as Promise<DeadLetter[]>)), ["1"]);
      const heard = found.length;
      await bury(trial, ["2"]);
      await trial.eventually("word of the second", () => found[heard]);
    },
  ),

  conformanceCase(
    "whoever settles what becomes a dead letter is told like the others",
    async (trial) => {
      let told = 0;
      await trial.broker.topics.subscribe(deadLetterTopic, () => void told++, trial.signal);
      await bury(trial, ["1"]);
      await trial.eventually("word of it", () => (told > 0 ? true : undefined));
    },
  ),

  conformanceCase("dead letters of every queue are shown, oldest first", async (trial) => {
    const queue = await bury(trial, ["1", "2"]);
    await bury(trial, ["3"]);
    await bury(trial, ["4"], queue);
    const found = await letters(trial);
    assert.deepEqual(texts(found), ["1", "2", "3", "4"]);
    const numbers = found.map(({ number }) => number);
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(numbers).size, 4);
  }),

  conformanceCase("dead letters can be read page by page", async (trial) => {
    await bury(trial, ["1", "2", "3", "4", "5"]);
    const first = await letters(trial, { limit: 2 });
    assert.deepEqual(texts(first), ["1", "2"]);
    const second = await letters(trial, { limit: 2, after: first[1]?.number ?? 0 });
    assert.deepEqual(texts(second), ["3", "4"]);
    assert.deepEqual(texts(await letters(trial, { after: second[1]?.number ?? 0 })), ["5"]);
  }),

  conformanceCase("looking at dead letters does not touch them", async (trial) => {
    await bury(trial, ["1", "2"]);
    const other = await trial.connect();
    const first = await letters(trial);
    assert.deepEqual(await letters(trial), first);
    const elsewhere = await collect(other.queues.deadLetters({}, trial.signal));
    assert.deepEqual(texts(elsewhere), ["1", "2"]);
  }),

  conformanceCase("a replayed letter is a new message in the queue it came from", async (trial) => {
    const queue = await bury(trial, ["poison", "cured"]);
    const [kept, replayed] = await letters(trial);
    assert.ok(kept && replayed);
    assert.equal(await trial.broker.queues.replay([replayed.number]), 1);
    assert.deepEqual(texts(await letters(trial)), ["poison"]);
    const delivery = await trial.receive(queue).next();
    assert.equal(text(delivery.frame), "cured");
    assert.notEqual(delivery.position, replayed.position);
    assert.deepEqual(delivery.attempts, { failures: 0, pickups: 0, crashes: 0 });
    await settleOne(trial.broker, delivery);
  }),

  conformanceCase("a letter is replayed once, however often it is asked for", async (trial) => {
    const queue = await bury(trial, ["poison"]);
    const [letter] = await letters(trial);
    assert.ok(letter);
    const other = await trial.connect();
    const counts = await Promise.all([
      trial.broker.queues.replay([letter.number, letter.number]),
      other.queues.replay([letter.number]),
    ]);
    assert.equal(counts[0] + counts[1], 1);
    const receiver = trial.receive(queue);
    await receiver.next();
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase("a purged letter is gone, the others stay", async (trial) => {
    const queue = await bury(trial, ["1", "2", "3"]);
    const numbers = (await letters(trial)).map(({ number }) => number);
    assert.equal(await trial.broker.queues.purge([numbers[0] ?? 0, numbers[2] ?? 0]), 2);
    assert.deepEqual(texts(await letters(trial)), ["2"]);
    assert.equal(await trial.broker.queues.purge(numbers), 1, "only one was left");
    assert.deepEqual(await letters(trial), []);
    assert.deepEqual(await collect(trial.broker.queues.browse(queue, {}, trial.signal)), []);
  }),

  conformanceCase("letters that are not there are skipped", async (trial) => {
    await bury(trial, ["poison"]);
    const [letter] = await letters(trial);
    const unknown = (letter?.number ?? 0) + 1_000;
    assert.equal(await trial.broker.queues.replay([unknown]), 0);
    assert.equal(await trial.broker.queues.purge([unknown]), 0);
    assert.equal(await trial.broker.queues.replay([]), 0);
    assert.equal((await letters(trial)).length, 1);
  }),

  conformanceCase("a dead message does not count as waiting", async (trial) => {
    const queue = await bury(trial, ["poison"]);
    const [mailbox] = await trial.broker.queues.mailboxes();
    assert.deepEqual([mailbox?.queue, mailbox?.waiting, mailbox?.offered], [queue, 0, 0]);
  }),

  conformanceCase(
    "dead letters survive a restart, and can be replayed after it",
    async (trial) => {
      const queue = await bury(trial, ["1", "2"]);
      const before = await letters(trial);
      const broker = await trial.restart("crash");
      assert.deepEqual(
        (await letters(trial)).map((letter) => ({ ...letter, frame: text(letter.frame) })),
        before.map((letter) => ({ ...letter, frame: text(letter.frame) })),
      );
      await broker.queues.replay(before.map(({ number }) => number));
      assert.equal((await trial.receive(queue).take(2)).length, 2);
      await enqueue(broker, queue, messages(["3"]));
      await bury(trial, [], queue);
      assert.deepEqual(await letters(trial), []);
    },
    { needs: ["durability"] },
  ),
];
