/** What becomes of messages before they are settled: started, getting on, waiting for somebody's input. */
import assert from "node:assert/strict";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { follow, Holder, report } from "./holder.ts";
import {
  bytes,
  collect,
  dead,
  enqueue,
  enqueueOne,
  messages,
  release,
  retry,
  settleOne,
  text,
} from "./messages.ts";

function ask(number: number, question: string) {
  return { kind: "waiting-input", number, question: bytes(question) } as const;
}

function answer(number: number, data: string) {
  return { number, data: bytes(data) };
}

export const followCases: readonly ConformanceCase[] = [
  conformanceCase(
    "who follows a message is told each state in turn, in every client",
    async (trial) => {
      const queue = await trial.queue();
      const other = await trial.connect();
      const position = await enqueueOne(trial.broker, queue, "work");
      const followed = [trial.broker, other].map((client) =>
        follow(trial, client, queue, position),
      );
      for (const { seen } of followed) {
        await trial.eventually("the state now", () => (seen.length > 0 ? true : undefined));
      }
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      await holder.notice("follow", delivery);
      for (const { seen } of followed) {
        await trial.eventually("that it is offered", () => (seen.length > 1 ? true : undefined));
      }
      await report(trial.broker, delivery, { kind: "started" });
      await settleOne(trial.broker, delivery);
      for (const { final } of followed) await trial.within("the end", final);
      for (const { seen } of followed) {
        assert.deepEqual(seen, ["queued", "offered", "started", "done"]);
      }
    },
  ),

  conformanceCase("the progress that a handler reports reaches those who follow", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const seen: string[] = [];
    const followed = trial.broker.queues.track(queue, position, {
      wait: true,
      onChange: (state) => {
        if ("progress" in state) seen.push(text(state.progress));
      },
    });
    const delivery = await new Holder(trial, queue).next();
    for (const data of ["half", "nearly"]) {
      await report(trial.broker, delivery, { kind: "progress", data: bytes(data) });
    }
    await settleOne(trial.broker, delivery);
    await trial.within("the end", followed);
    assert.deepEqual(seen, ["half", "nearly"]);
  }),

  conformanceCase("who looks once is told whether a handler has started", async (trial) => {
    const queue = await trial.queue();
    const holder = new Holder(trial, queue);
    // Nobody waits for long: what a holder on a slow machine says may come too late. Then it is tried again.
    await trial.eventually("it has been told in time", async () => {
      const position = await enqueueOne(trial.broker, queue, "work");
      const delivery = await holder.next();
      const looked = trial.broker.queues.track(queue, position);
      await holder.notice("follow", delivery);
      await report(trial.broker, delivery, { kind: "started" });
      const { state } = await trial.within("the state", looked);
      const later = await trial.broker.queues.track(queue, position);
      assert.equal(later.state, "started");
      if (state === "started") return state;
      assert.equal(state, "offered");
      return undefined;
    });
  }),

  conformanceCase("a holder that does not answer holds nobody up", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    await new Holder(trial, queue).next();
    const looked = trial.broker.queues.track(queue, position);
    assert.equal((await trial.within("the state", looked)).state, "offered");
  }),

  conformanceCase("a message that comes back is seen waiting again", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const followed = follow(trial, trial.broker, queue, position);
    await trial.eventually("the state now", () => followed.seen[0]);
    const receiver = trial.receive(queue, { credit: 1 });
    await settleOne(trial.broker, await receiver.next(), retry());
    await settleOne(trial.broker, await receiver.next());
    await trial.within("the end", followed.final);
    assert.deepEqual(followed.seen, ["queued", "offered", "queued", "offered", "done"]);
  }),

  conformanceCase("reports of an earlier attempt are stale", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "work");
    const receiver = trial.receive(queue, { credit: 1 });
    const first = await receiver.next();
    await settleOne(trial.broker, first, release);
    await receiver.next();
    const { queue: name, position, fence } = first;
    const claim = { queue: name, position, fence };
    const outcomes = await trial.broker.queues.report([
      { ...claim, kind: "started" },
      { ...claim, ...ask(1, "late?") },
    ]);
    assert.deepEqual(outcomes, [{ kind: "stale" }, { kind: "stale" }]);
  }),
];

export const inputCases: readonly ConformanceCase[] = [
  conformanceCase("a question is seen and answered by other clients", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const position = await enqueueOne(trial.broker, queue, "work");
    const followed = follow(trial, other, queue, position);
    await trial.eventually("the state now", () => followed.seen[0]);
    const holder = new Holder(trial, queue);
    const delivery = await holder.next();
    await report(trial.broker, delivery, ask(1, "which?"));
    const state = await other.queues.track(queue, position);
    assert.ok(state.state === "waiting-input", state.state);
    assert.deepEqual([state.number, text(state.question)], [1, "which?"]);
    assert.equal(await other.queues.answer(queue, position, answer(1, "that")), "accepted");
    const notice = await holder.notice("input", delivery);
    assert.deepEqual([notice.answer.number, text(notice.answer.data)], [1, "that"]);
    assert.equal((await other.queues.track(queue, position)).state, "started");
    await settleOne(trial.broker, delivery);
    await trial.within("the end", followed.final);
    assert.deepEqual(followed.seen.slice(-3), ["waiting-input", "started", "done"]);
  }),

  conformanceCase("an answer counts once, and may be repeated", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const delivery = await new Holder(trial, queue).next();
    const give = (number: number, data: string) =>
      trial.broker.queues.answer(queue, position, answer(number, data));
    assert.equal(await give(1, "too early"), "unknown");
    await report(trial.broker, delivery, ask(1, "which?"));
    assert.equal(await give(2, "no such question"), "unknown");
    assert.equal(await give(1, "that"), "accepted");
    assert.equal(await give(1, "that"), "accepted");
    assert.equal(await give(1, "another"), "too-late");
    await settleOne(trial.broker, delivery);
    assert.equal(await give(1, "that"), "too-late");
    assert.equal(await trial.broker.queues.answer(queue, 4_711, answer(1, "x")), "unknown");
  }),

  conformanceCase("a delivery that waits for input takes up no credit", async (trial) => {
    const queue = await trial.queue();
    const [first = 0] = await enqueue(trial.broker, queue, messages(["asks", "b", "c"]));
    const holder = new Holder(trial, queue, trial.broker, 1);
    const asking = await holder.next();
    await report(trial.broker, asking, ask(1, "which?"));
    const second = await holder.next();
    assert.equal(text(second.frame), "b");
    await trial.broker.queues.answer(queue, first, answer(1, "that"));
    await holder.notice("input", asking);
    await settleOne(trial.broker, second);
    await trial.quiet();
    assert.equal(holder.receiver.waiting, 0, "answered, it counts again");
    await settleOne(trial.broker, asking);
    assert.equal(text((await holder.next()).frame), "c");
  }),

  conformanceCase(
    "whoever is offered a message again is told the answers it has been given",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      await report(trial.broker, delivery, ask(1, "first?"));
      await trial.broker.queues.answer(queue, position, answer(1, "one"));
      await report(trial.broker, delivery, ask(2, "second?"));
      await holder.receiver.stop();
      const state = await trial.broker.queues.track(queue, position);
      assert.equal(state.state, "waiting-input", "also while nobody holds it");
      assert.equal(await trial.broker.queues.answer(queue, position, answer(2, "two")), "accepted");
      const heir = new Holder(trial, queue);
      const again = await heir.next();
      const { attempts } = again;
      assert.deepEqual(attempts, delivery.attempts, "to wait for a person costs no attempt");
      await trial.eventually("both answers", () => (heir.notices.length >= 2 ? true : undefined));
      const answers = heir.notices.map((notice) =>
        notice.kind === "input" ? text(notice.answer.data) : notice.kind,
      );
      assert.deepEqual(answers.slice(0, 2), ["one", "two"]);
    },
  ),

  conformanceCase(
    "asked again, a question that was answered is answered at once",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const holder = new Holder(trial, queue);
      const delivery = await holder.next();
      await report(trial.broker, delivery, ask(1, "which?"));
      await trial.broker.queues.answer(queue, position, answer(1, "that"));
      await holder.notice("input", delivery);
      holder.notices.length = 0;
      await report(trial.broker, delivery, ask(1, "which?"));
      const { answer: given } = await holder.notice("input", delivery);
      assert.equal(text(given.data), "that");
    },
  ),

  conformanceCase(
    "questions and answers are kept across a restart",
    async (trial) => {
      const queue = await trial.queue();
      const position = await enqueueOne(trial.broker, queue, "work");
      const delivery = await new Holder(trial, queue).next();
      await report(trial.broker, delivery, ask(1, "first?"));
      await trial.broker.queues.answer(queue, position, answer(1, "one"));
      await report(trial.broker, delivery, ask(2, "second?"));
      const broker = await trial.restart("crash");
      const state = await broker.queues.track(queue, position);
      assert.ok(state.state === "waiting-input", state.state);
      assert.deepEqual([state.number, text(state.question)], [2, "second?"]);
      assert.equal(await broker.queues.answer(queue, position, answer(2, "two")), "accepted");
      const again = await trial.restart("clean");
      const heir = new Holder(trial, queue, again);
      const offered = await heir.next();
      await trial.eventually("both answers", () => (heir.notices.length >= 2 ? true : undefined));
      await settleOne(again, offered);
      const last = await trial.restart("crash");
      assert.equal((await last.queues.track(queue, position)).state, "done");
    },
    { needs: ["durability"] },
  ),

  conformanceCase("a message that waits for input can be cancelled", async (trial) => {
    const queue = await trial.queue();
    const position = await enqueueOne(trial.broker, queue, "work");
    const holder = new Holder(trial, queue);
    const delivery = await holder.next();
    await report(trial.broker, delivery, ask(1, "which?"));
    assert.equal(await trial.broker.queues.cancel(queue, position), "cancelled");
    await holder.notice("cancel", delivery);
    const late = trial.broker.queues.answer(queue, position, answer(1, "that"));
    assert.equal(await late, "too-late");
  }),
];

export const historyCases: readonly ConformanceCase[] = [
  conformanceCase("a dead letter tells how each attempt failed", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "work");
    const receiver = trial.receive(queue, { credit: 1 });
    for (const message of ["first", "second"]) {
      await settleOne(trial.broker, await receiver.next(), retry(0, message));
    }
    await settleOne(trial.broker, await receiver.next(), dead("third"));
    const [letter] = await collect(trial.broker.queues.deadLetters({}, trial.signal));
    const history = letter?.history ?? [];
    assert.deepEqual(
      history.map(({ error, attempt, consumer }) => [error.message, attempt, consumer]),
      [
        ["first", 1, "conformance"],
        ["second", 2, "conformance"],
        ["third", 3, "conformance"],
      ],
    );
    assert.equal(history.at(-1)?.atMs, letter?.lastFailureMs);
    assert.equal(history[0]?.atMs, letter?.firstFailureMs);
  }),

  conformanceCase(
    "how attempts failed is remembered across a restart",
    async (trial) => {
      const queue = await trial.queue();
      await enqueueOne(trial.broker, queue, "work");
      const first = await trial.receive(queue, { credit: 1 }).next();
      await settleOne(trial.broker, first, retry(0, "first"));
      const broker = await trial.restart("crash");
      const second = await trial.receive(queue, { credit: 1 }).next();
      await settleOne(broker, second, dead("second"));
      const [letter] = await collect(broker.queues.deadLetters({}, trial.signal));
      const errors = letter?.history.map(({ error }) => error.message);
      assert.deepEqual(errors, ["first", "second"]);
    },
    { needs: ["durability"] },
  ),

  conformanceCase("of many failures the latest twenty are kept", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, "work");
    const receiver = trial.receive(queue, { credit: 1 });
    for (let failure = 1; failure <= 25; failure++) {
      await settleOne(trial.broker, await receiver.next(), retry(0, `failure ${failure}`));
    }
    await settleOne(trial.broker, await receiver.next(), dead("the last"));
    const [letter] = await collect(trial.broker.queues.deadLetters({}, trial.signal));
    const history = letter?.history ?? [];
    assert.equal(history.length, 20);
    assert.equal(history[0]?.error.message, "failure 7");
    assert.equal(history.at(-1)?.error.message, "the last");
  }),
];
