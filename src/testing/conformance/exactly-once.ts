/** What is stored once although it is sent again: repeats of a send, and ids of exactly-once. */
import assert from "node:assert/strict";
import type { Broker, EnqueueOutcome, QueuedMessage } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { assertRefused, enqueue, enqueueOne, message, settleOne, text } from "./messages.ts";
import type { Trial } from "./trial.ts";

const needsExactlyOnce = { needs: ["exactlyOnce"] } as const;

function once(id: string, content: string = "work"): QueuedMessage {
  return message(content, { id, guarantee: "exactly-once" });
}

/** The `sequence`th message of one life of one sender. */
function sequenced(incarnation: string, sequence: number, repeatsFrom: number = 1): QueuedMessage {
  const origin = { incarnation, sequence, repeatsFrom };
  return message(`${incarnation} ${sequence}`, { origin });
}

async function store(
  broker: Broker,
  queue: string,
  ...sent: readonly QueuedMessage[]
): Promise<readonly { readonly position: number; readonly duplicate: boolean }[]> {
  const outcomes = await broker.queues.enqueue(queue, sent);
  return outcomes.map((outcome: EnqueueOutcome) => {
    assert.ok(outcome.kind === "stored", JSON.stringify(outcome));
    const { position, duplicate } = outcome;
    return { position, duplicate };
  });
}

/** Expects `queue` to deliver exactly these, in whatever order, and nothing more. */
async function expectDelivered(
  trial: Trial,
  queue: string,
  contents: readonly string[],
): Promise<void> {
  const receiver = trial.receive(queue);
  const deliveries = await receiver.take(contents.length);
  await trial.quiet();
  assert.equal(receiver.waiting, 0, "nothing was stored twice");
  const delivered = deliveries.map(({ frame }) => text(frame));
  assert.deepEqual(delivered.toSorted(), [...contents].toSorted());
}

const originCases: readonly ConformanceCase[] = [
  conformanceCase("a repeated send is stored once, and told where", async (trial) => {
    const queue = await trial.queue();
    const [first] = await store(trial.broker, queue, sequenced("alpha", 1));
    assert.equal(first?.duplicate, false);
    const [again] = await store(trial.broker, queue, sequenced("alpha", 1));
    assert.deepEqual(again, { position: first?.position, duplicate: true });
    await expectDelivered(trial, queue, ["alpha 1"]);
  }),

  conformanceCase("a repeat may come over another connection", async (trial) => {
    const queue = await trial.queue();
    const other = await trial.connect();
    const [first] = await store(trial.broker, queue, sequenced("alpha", 1));
    const [again] = await store(other, queue, sequenced("alpha", 1));
    assert.deepEqual(again, { position: first?.position, duplicate: true });
    await expectDelivered(trial, queue, ["alpha 1"]);
  }),

  conformanceCase("each life of a sender counts for itself", async (trial) => {
    const queue = await trial.queue();
    const lives = ["alpha", "beta", "alpha again"];
    for (const life of lives) {
      const [stored] = await store(trial.broker, queue, sequenced(life, 1));
      assert.equal(stored?.duplicate, false);
    }
    await expectDelivered(
      trial,
      queue,
      lives.map((life) => `${life} 1`),
    );
  }),

  conformanceCase("a batch may hold repeats and new messages", async (trial) => {
    const queue = await trial.queue();
    const send = (...sequences: readonly number[]) =>
      store(trial.broker, queue, ...sequences.map((sequence) => sequenced("alpha", sequence)));
    const first = await send(1, 2, 3);
    const second = await send(2, 3, 4, 5);
    assert.deepEqual(
      second.map(({ duplicate }) => duplicate),
      [true, true, false, false],
    );
    assert.deepEqual(
      second.slice(0, 2).map(({ position }) => position),
      first.slice(1).map(({ position }) => position),
    );
    await expectDelivered(
      trial,
      queue,
      [1, 2, 3, 4, 5].map((sequence) => `alpha ${sequence}`),
    );
  }),

  conformanceCase("one life of a sender may send to many queues", async (trial) => {
    const [first, second] = [await trial.queue(), await trial.queue()];
    await store(trial.broker, first, sequenced("alpha", 1));
    await store(trial.broker, second, sequenced("alpha", 2));
    await store(trial.broker, first, sequenced("alpha", 3));
    const [repeat] = await store(trial.broker, second, sequenced("alpha", 2));
    assert.equal(repeat?.duplicate, true);
    await expectDelivered(trial, first, ["alpha 1", "alpha 3"]);
    await expectDelivered(trial, second, ["alpha 2"]);
  }),

  conformanceCase("a repeat is known although its message is done", async (trial) => {
    const queue = await trial.queue();
    const receiver = trial.receive(queue);
    const [first] = await store(trial.broker, queue, sequenced("alpha", 1));
    await settleOne(trial.broker, await receiver.next());
    const [again] = await store(trial.broker, queue, sequenced("alpha", 1));
    assert.deepEqual(again, { position: first?.position, duplicate: true });
    await trial.quiet();
    assert.equal(receiver.waiting, 0);
  }),

  conformanceCase("what was acknowledged need not be remembered, the rest is", async (trial) => {
    const queue = await trial.queue();
    for (let sequence = 1; sequence <= 50; sequence++) {
      const [stored] = await store(
        trial.broker,
        queue,
        sequenced("alpha", sequence, Math.max(1, sequence - 3)),
      );
      assert.equal(stored?.duplicate, false, `sequence ${sequence}`);
    }
    for (const sequence of [48, 49, 50]) {
      const [repeat] = await store(trial.broker, queue, sequenced("alpha", sequence, 47));
      assert.equal(repeat?.duplicate, true, `sequence ${sequence}`);
    }
  }),

  conformanceCase("the same send over two connections at once is stored once", async (trial) => {
    const queue = await trial.queue();
    const brokers = [trial.broker, await trial.connect(), await trial.connect()];
    const outcomes = await Promise.all(
      brokers.map((broker) => store(broker, queue, sequenced("alpha", 1))),
    );
    const stored = outcomes.flat();
    assert.equal(stored.filter(({ duplicate }) => !duplicate).length, 1);
    assert.equal(new Set(stored.map(({ position }) => position)).size, 1);
    await expectDelivered(trial, queue, ["alpha 1"]);
  }),

  conformanceCase("sends that come in another order are each stored once", async (trial) => {
    const queues = [await trial.queue(), await trial.queue()];
    const sequences = [2, 4, 3, 9, 1, 5, 8, 7, 6, 12, 10, 11];
    const queueOf = (sequence: number) => queues[sequence % 2] ?? "";
    const positions = new Map<number, number>();
    for (const sequence of sequences) {
      const sent = sequenced("alpha", sequence);
      const [stored] = await store(trial.broker, queueOf(sequence), sent);
      assert.equal(stored?.duplicate, false, `sequence ${sequence}`);
      positions.set(sequence, stored?.position ?? 0);
    }
    for (const sequence of sequences.toSorted((a, b) => a - b)) {
      const sent = sequenced("alpha", sequence);
      const [repeat] = await store(trial.broker, queueOf(sequence), sent);
      assert.deepEqual(repeat, { position: positions.get(sequence), duplicate: true });
    }
  }),

  conformanceCase("at-least-once does not look at ids", async (trial) => {
    const queue = await trial.queue();
    const id = "01JTHESAMEIDTWICE000000000";
    await enqueue(trial.broker, queue, [message("one", { id }), message("two", { id })]);
    await expectDelivered(trial, queue, ["one", "two"]);
  }),
];

const markerCases: readonly ConformanceCase[] = [
  conformanceCase(
    "a second message of one id is a duplicate, and told where the first is",
    async (trial) => {
      const queue = await trial.queue();
      const [first] = await store(trial.broker, queue, once("A"));
      const [again] = await store(trial.broker, queue, once("A"));
      const [other] = await store(trial.broker, queue, once("B"));
      assert.equal(first?.duplicate, false);
      assert.deepEqual(again, { position: first?.position, duplicate: true });
      assert.equal(other?.duplicate, false);
      await expectDelivered(trial, queue, ["work", "work"]);
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "duplicates within one batch are found",
    async (trial) => {
      const queue = await trial.queue();
      const stored = await store(
        trial.broker,
        queue,
        once("A", "first"),
        once("B", "second"),
        once("A", "third"),
      );
      assert.deepEqual(
        stored.map(({ duplicate }) => duplicate),
        [false, false, true],
      );
      assert.equal(stored[2]?.position, stored[0]?.position);
      await expectDelivered(trial, queue, ["first", "second"]);
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "of two clients that send one id at once, one is the first",
    async (trial) => {
      const queue = await trial.queue();
      const brokers = [trial.broker, await trial.connect(), await trial.connect()];
      const ids = Array.from({ length: 20 }, (_, index) => `ID ${index}`);
      const outcomes = await Promise.all(
        brokers.flatMap((broker) => ids.map((id) => store(broker, queue, once(id, id)))),
      );
      const stored = outcomes.flat();
      assert.equal(stored.filter(({ duplicate }) => !duplicate).length, ids.length);
      await expectDelivered(trial, queue, ids);
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "many ids, of whatever form, are all remembered",
    async (trial) => {
      const queue = await trial.queue();
      const ids = Array.from({ length: 3_000 }, (_, index) =>
        [`${index}`, `id-${index}-${"x".repeat(index % 90)}`, `é${index}😀`].at(index % 3),
      ).map((id) => id ?? "");
      const positions: number[] = [];
      for (let begin = 0; begin < ids.length; begin += 500) {
        const batch = ids.slice(begin, begin + 500).map((id) => once(id, id));
        positions.push(...(await enqueue(trial.broker, queue, batch)));
      }
      for (let begin = 0; begin < ids.length; begin += 500) {
        const batch = ids.slice(begin, begin + 500).map((id) => once(id, id));
        const again = await store(trial.broker, queue, ...batch);
        assert.deepEqual(
          again,
          positions.slice(begin, begin + 500).map((position) => ({ position, duplicate: true })),
        );
      }
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "an id is new in a mailbox that was removed and declared again",
    async (trial) => {
      const queue = await trial.queue();
      await store(trial.broker, queue, once("id", "removed"));
      await trial.broker.queues.remove([queue]);
      await trial.broker.queues.declare([queue]);
      const [again] = await store(trial.broker, queue, once("id", "again"));
      assert.equal(again?.duplicate, false);
      await expectDelivered(trial, queue, ["again"]);
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "an id is known although its message is done",
    async (trial) => {
      const queue = await trial.queue();
      const receiver = trial.receive(queue);
      const [first] = await store(trial.broker, queue, once("A"));
      await settleOne(trial.broker, await receiver.next());
      const [again] = await store(trial.broker, queue, once("A"));
      assert.deepEqual(again, { position: first?.position, duplicate: true });
      await trial.quiet();
      assert.equal(receiver.waiting, 0);
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "an exactly-once message is offered again when it was not settled",
    async (trial) => {
      const queue = await trial.queue();
      await store(trial.broker, queue, once("A"));
      const receiver = trial.receive(queue);
      await receiver.next();
      const heir = trial.receive(queue);
      await receiver.stop();
      await settleOne(trial.broker, await heir.next());
    },
    needsExactlyOnce,
  ),

  conformanceCase(
    "ids are remembered across a restart",
    async (trial) => {
      const queue = await trial.queue();
      const [first] = await store(trial.broker, queue, once("A"));
      const broker = await trial.restart("crash");
      const [again] = await store(broker, queue, once("A"));
      assert.deepEqual(again, { position: first?.position, duplicate: true });
    },
    { needs: ["exactlyOnce", "durability"] },
  ),

  conformanceCase(
    "repeats are known across a restart",
    async (trial) => {
      const queue = await trial.queue();
      const [first, second] = await store(
        trial.broker,
        queue,
        sequenced("alpha", 1),
        sequenced("alpha", 2),
      );
      const broker = await trial.restart("crash");
      const again = await store(broker, queue, sequenced("alpha", 2), sequenced("alpha", 3));
      assert.deepEqual(again[0], { position: second?.position, duplicate: true });
      assert.equal(again[1]?.duplicate, false);
      assert.notEqual(first?.position, again[1]?.position);
    },
    { needs: ["durability"] },
  ),

  conformanceCase(
    "exactly-once is refused, not ignored",
    async (trial) => {
      const queue = await trial.queue();
      await assertRefused(trial.broker.queues.enqueue(queue, [once("A")]), "UNSUPPORTED");
    },
    { lacks: ["exactlyOnce"] },
  ),
];

const atMostOnceCases: readonly ConformanceCase[] = [
  conformanceCase("an at-most-once message is delivered", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, message("maybe", { guarantee: "at-most-once" }));
    assert.equal(text((await trial.receive(queue).next()).frame), "maybe");
  }),

  conformanceCase("an at-most-once message is not delivered a second time", async (trial) => {
    const queue = await trial.queue();
    await enqueueOne(trial.broker, queue, message("maybe", { guarantee: "at-most-once" }));
    const receiver = trial.receive(queue);
    await receiver.next();
    await receiver.stop();
    const heir = trial.receive(queue);
    await enqueueOne(trial.broker, queue, "after");
    assert.equal(text((await heir.next()).frame), "after");
    await trial.quiet();
    assert.equal(heir.waiting, 0);
  }),
];

export const onceCases: readonly ConformanceCase[] = [
  ...originCases,
  ...markerCases,
  ...atMostOnceCases,
];
