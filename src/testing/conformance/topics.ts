/** Topics: live fan-out, at most once. */
import assert from "node:assert/strict";
import type { Broker } from "../../broker/broker.ts";
import { type ConformanceCase, conformanceCase } from "./case.ts";
import { assertRejects, bytes, text } from "./messages.ts";
import type { Trial } from "./trial.ts";

/** What a subscription has heard, as "topic: text". */
async function hear(
  trial: Trial,
  broker: Broker,
  pattern: string,
  signal: AbortSignal = trial.signal,
): Promise<string[]> {
  const heard: string[] = [];
  const receive = (topic: string, frame: Uint8Array) => {
    heard.push(`${topic}: ${text(frame)}`);
  };
  await trial.within(
    `subscribing to ${pattern}`,
    broker.topics.subscribe(pattern, receive, signal),
  );
  return heard;
}

function publish(broker: Broker, topic: string, ...contents: readonly string[]): void {
  broker.topics.publish(contents.map((content) => ({ topic, frame: bytes(content) })));
}

function heardAll(trial: Trial, heard: readonly string[], count: number): Promise<true> {
  const what = `${count} publications, of which ${heard.length} came`;
  return trial.eventually(what, () => (heard.length >= count ? true : undefined));
}

/** Publishes to each topic and expects a subscription to `pattern` to hear those that match. */
async function expectMatches(
  trial: Trial,
  pattern: string,
  matching: readonly string[],
  others: readonly string[],
): Promise<void> {
  const publisher = await trial.connect();
  const heard = await hear(trial, trial.broker, pattern);
  const all = await hear(trial, trial.broker, "last.of.all");
  for (const topic of [...others, ...matching]) publish(publisher, topic, "x");
  publish(publisher, "last.of.all", "x");
  await heardAll(trial, all, 1);
  await heardAll(trial, heard, matching.length);
  assert.deepEqual(
    heard,
    matching.map((topic) => `${topic}: x`),
  );
}

export const topicCases: readonly ConformanceCase[] = [
  conformanceCase("a publication reaches the subscriptions of other clients", async (trial) => {
    const publisher = await trial.connect();
    const heard = await hear(trial, trial.broker, "market.updates");
    publish(publisher, "market.updates", "up", "down");
    await heardAll(trial, heard, 2);
    assert.deepEqual(heard, ["market.updates: up", "market.updates: down"]);
  }),

  conformanceCase("a publication does not come back to the client that made it", async (trial) => {
    const other = await trial.connect();
    const own = await hear(trial, trial.broker, "echo");
    const others = await hear(trial, other, "echo");
    publish(trial.broker, "echo", "mine");
    await heardAll(trial, others, 1);
    publish(other, "echo", "theirs");
    await heardAll(trial, own, 1);
    await trial.quiet();
    assert.deepEqual(own, ["echo: theirs"]);
    assert.deepEqual(others, ["echo: mine"]);
  }),

  conformanceCase("a pattern without wildcards is heard for that topic only", (trial) =>
    expectMatches(trial, "a.b", ["a.b"], ["a", "a.b.c", "a.bb", "b.a", "A.b"]),
  ),

  conformanceCase("* stands for exactly one token", (trial) =>
    expectMatches(trial, "a.*.c", ["a.b.c", "a.bb.c"], ["a.c", "a.b", "a.b.b.c", "a.b.c.d"]),
  ),

  conformanceCase("several * stand for one token each", (trial) =>
    expectMatches(trial, "*.*", ["a.b", "c.d"], ["a", "a.b.c"]),
  ),

  conformanceCase("a last > stands for one token or more", (trial) =>
    expectMatches(trial, "a.>", ["a.b", "a.b.c", "a.b.c.d"], ["a", "b.a", "aa.b"]),
  ),

  conformanceCase("* and > go together", (trial) =>
    expectMatches(trial, "*.b.>", ["a.b.c", "x.b.c.d"], ["a.b", "b.c.d", "a.c.b"]),
  ),

  conformanceCase("every character of the grammar can be in a token", (trial) => {
    const topic = "Az09_-/:@.agent:one/two.x";
    return expectMatches(trial, topic, [topic], ["Az09_-/:@.agent:one/two.y"]);
  }),

  conformanceCase("publications of one client arrive in order, across topics", async (trial) => {
    const publisher = await trial.connect();
    const heard = await hear(trial, trial.broker, "tick.*");
    const expected: string[] = [];
    for (let round = 0; round < 100; round++) {
      const contents = Array.from({ length: 10 }, (_, index) => `${10 * round + index}`);
      publish(publisher, `tick.${round % 3}`, ...contents);
      expected.push(...contents.map((content) => `tick.${round % 3}: ${content}`));
    }
    await heardAll(trial, heard, expected.length);
    assert.deepEqual(heard, expected);
  }),

  conformanceCase("every subscription that matches hears a publication, once", async (trial) => {
    const [publisher, second, third] = await Promise.all([
      trial.connect(),
      trial.connect(),
      trial.connect(),
    ]);
    const heard = await Promise.all([
      hear(trial, trial.broker, "news.sport"),
      hear(trial, trial.broker, "news.sport"),
      hear(trial, trial.broker, "news.*"),
      hear(trial, second, "news.>"),
      hear(trial, third, "*.sport"),
    ]);
    publish(publisher, "news.sport", "goal", "end");
    for (const each of heard) await heardAll(trial, each, 2);
    await trial.quiet();
    for (const each of heard) assert.deepEqual(each, ["news.sport: goal", "news.sport: end"]);
  }),

  conformanceCase("a subscription is in force once it has resolved", async (trial) => {
    const publisher = await trial.connect();
    for (let round = 0; round < 30; round++) {
      const heard = await hear(trial, trial.broker, `round.${round}`);
      publish(publisher, `round.${round}`, "now");
      await heardAll(trial, heard, 1);
    }
  }),

  conformanceCase("what was published before is not heard", async (trial) => {
    const publisher = await trial.connect();
    const early = await hear(trial, trial.broker, "history");
    publish(publisher, "history", "before");
    await heardAll(trial, early, 1);
    const late = await hear(trial, trial.broker, "history");
    publish(publisher, "history", "after");
    await heardAll(trial, late, 1);
    assert.deepEqual(late, ["history: after"]);
  }),

  conformanceCase("an aborted subscription hears nothing more, the others do", async (trial) => {
    const publisher = await trial.connect();
    const controller = new AbortController();
    const ended = await hear(trial, trial.broker, "topic", controller.signal);
    const kept = await hear(trial, trial.broker, "topic");
    publish(publisher, "topic", "one");
    await heardAll(trial, ended, 1);
    controller.abort();
    publish(publisher, "topic", "two");
    await heardAll(trial, kept, 2);
    await trial.quiet();
    assert.deepEqual(ended, ["topic: one"]);
  }),

  conformanceCase("a subscription under an aborted signal is cancelled", async (trial) => {
    const receive = () => assert.fail("nobody subscribed");
    const subscribing = trial.broker.topics.subscribe("topic", receive, AbortSignal.abort());
    await assertRejects(subscribing, "CANCELLED");
  }),

  conformanceCase("frames arrive as they were: empty, binary, part of a buffer", async (trial) => {
    const publisher = await trial.connect();
    const received: Uint8Array[] = [];
    await trial.broker.topics.subscribe(
      "frames",
      (_, frame) => void received.push(frame),
      trial.signal,
    );
    const every = Uint8Array.from({ length: 512 }, (_, index) => index & 255);
    const frames = [new Uint8Array(), every, every.subarray(100, 356)];
    publisher.topics.publish(frames.map((frame) => ({ topic: "frames", frame })));
    await trial.eventually("three frames", () => (received.length >= 3 ? true : undefined));
    assert.deepEqual(
      received.map((frame) => [...frame]),
      frames.map((frame) => [...frame]),
    );
  }),

  conformanceCase("a frame of the longest length arrives, also among others", async (trial) => {
    const publisher = await trial.connect();
    const lengths: number[] = [];
    await trial.broker.topics.subscribe(
      "long",
      (_, frame) => void lengths.push(frame.length),
      trial.signal,
    );
    const { frameBytesMax } = trial.broker.capabilities;
    const frames = [1, frameBytesMax, 2].map((length) => new Uint8Array(length));
    publisher.topics.publish(frames.map((frame) => ({ topic: "long", frame })));
    await trial.eventually("three frames", () => (lengths.length >= 3 ? true : undefined));
    assert.deepEqual(lengths, [1, frameBytesMax, 2]);
  }),

  conformanceCase("urgent publications arrive among data", async (trial) => {
    const publisher = await trial.connect();
    const data = await hear(trial, trial.broker, "data");
    const control = await hear(trial, trial.broker, "control");
    for (let round = 0; round < 20; round++) {
      publish(publisher, "data", `${round}`);
      publisher.topics.publish([{ topic: "control", frame: bytes(`${round}`), control: true }]);
    }
    await heardAll(trial, data, 20);
    await heardAll(trial, control, 20);
    assert.deepEqual(
      control,
      Array.from({ length: 20 }, (_, round) => `control: ${round}`),
    );
  }),

  conformanceCase("what was heard is not called unheard", async (trial) => {
    const publisher = await trial.connect();
    const heard = await hear(trial, trial.broker, "here");
    let unheard = 0;
    const onUnheard = () => void unheard++;
    for (let round = 0; round < 10; round++) {
      publisher.topics.publish([{ topic: "here", frame: bytes("x"), onUnheard }]);
    }
    await heardAll(trial, heard, 10);
    await trial.quiet();
    assert.equal(unheard, 0);
  }),

  conformanceCase(
    "what nobody hears is told to its publisher, once for each publication",
    async (trial) => {
      const publisher = await trial.connect();
      const controller = new AbortController();
      await hear(trial, trial.broker, "gone", controller.signal);
      const told: string[] = [];
      const unheard = (topic: string) => ({
        topic,
        frame: bytes("x"),
        onUnheard: () => void told.push(topic),
      });
      publisher.topics.publish([unheard("never"), unheard("gone"), unheard("never")]);
      await heardAll(trial, told, 2);
      await trial.quiet();
      assert.deepEqual(told.splice(0), ["never", "never"]);
      controller.abort();
      let published = 0;
      // Nobody is told when the broker knows that the subscription is gone.
      await trial.eventually("word of what was heard before", async () => {
        publisher.topics.publish([unheard("gone")]);
        published++;
        await trial.quiet();
        return told[0];
      });
      assert.ok(told.length <= published && told.every((topic) => topic === "gone"), `${told}`);
    },
    { needs: ["unheard"] },
  ),

  conformanceCase(
    "a subscription survives a broken connection",
    async (trial) => {
      const publisher = await trial.connect();
      const heard = await hear(trial, trial.broker, "after");
      await trial.disconnect(trial.broker);
      await trial.eventually("a publication after the break", async () => {
        publish(publisher, "after", "again");
        await trial.quiet();
        return heard.length > 0 ? true : undefined;
      });
    },
    { needs: ["disconnect"] },
  ),
];
