import { expect, test } from "vitest";
import type {
  Attempts,
  Effect,
  EnqueueOutcome,
  Notice,
  Outcome,
  QueuedMessage,
  SettleOutcome,
  StoreWrite,
} from "../../../src/broker/broker.ts";
import {
  type Awaited,
  readAwait,
  readFinal,
  writeAwait,
  writeFinal,
} from "../../../src/broker/hub/operations/await.ts";
import {
  readCall,
  readNote,
  readReply,
  writeCall,
  writeErrorReply,
  writeNote,
  writeReply,
} from "../../../src/broker/hub/operations/call.ts";
import {
  readEnqueue,
  readEnqueued,
  writeEnqueue,
  writeEnqueued,
} from "../../../src/broker/hub/operations/enqueue.ts";
import { readHello, readWelcome } from "../../../src/broker/hub/operations/greeting.ts";
import { sessionLimits } from "../../../src/broker/hub/operations/limits.ts";
import {
  readNotice,
  readNoticeReceiver,
  writeNotice,
} from "../../../src/broker/hub/operations/notice.ts";
import {
  readDeliver,
  readDeliverReceiver,
  readReceive,
  writeDeliver,
  writeReceive,
} from "../../../src/broker/hub/operations/receive.ts";
import {
  readSettle,
  readSettled,
  writeSettle,
  writeSettled,
} from "../../../src/broker/hub/operations/settle.ts";
import {
  forwardPublish,
  readLoud,
  readPublishNumber,
  readPublishTopic,
  readQuiet,
  readSubscribe,
  writeLoud,
  writePublish,
  writeQuiet,
  writeSubscribe,
} from "../../../src/broker/hub/operations/topics.ts";
import {
  readTrack,
  readTracked,
  type Tracked,
  writeTrack,
  writeTracked,
} from "../../../src/broker/hub/operations/track.ts";
import { type ErrorInfo, isColloquyError } from "../../../src/errors.ts";
import { type Frame, frameAt, frameTypes } from "../../../src/message/frame.ts";
import { FrameParser } from "../../../src/message/frame-parser.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";
import { fc } from "../../support/properties.ts";

const whole = fc.maxSafeNat();
const name = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" });
const bytes = fc.uint8Array({ maxLength: 200 });
const error: fc.Arbitrary<ErrorInfo> = fc.record({
  code: fc.constantFrom("HANDLER_FAILED", "CONFLICT", "QUEUE_FULL"),
  message: fc.string({ unit: "grapheme" }),
  retryable: fc.boolean(),
});

const message: fc.Arbitrary<QueuedMessage> = fc
  .record(
    {
      frame: bytes,
      lane: fc.constantFrom(0, 1, 2, 3),
      guarantee: fc.constantFrom("at-most-once", "at-least-once", "exactly-once"),
      id: name,
      key: name,
      notBeforeMs: whole,
      expiresAtMs: whole,
      origin: fc.record({ incarnation: name, sequence: whole, repeatsFrom: whole }),
    },
    { requiredKeys: ["frame", "lane", "guarantee", "id"] },
  )
  // Only exactly-once needs its id at the broker.
  .map((value) => (value.guarantee === "exactly-once" ? value : { ...value, id: "" }));

const write: fc.Arbitrary<StoreWrite> = fc.record(
  {
    key: name,
    value: bytes,
    ifRevision: whole,
    ttlMs: whole,
    volatile: fc.constant(true),
  },
  { requiredKeys: ["key"] },
);

const effect: fc.Arbitrary<Effect> = fc.oneof(
  fc.record({ kind: fc.constant("enqueue" as const), queue: name, message }),
  fc.record({ kind: fc.constant("publish" as const), topic: fc.constant("a.b"), frame: bytes }),
  write.map((put) => ({ kind: "put" as const, ...put })),
  fc.record(
    { kind: fc.constant("append" as const), stream: name, entries: fc.array(bytes), at: whole },
    { requiredKeys: ["kind", "stream", "entries"] },
  ),
);

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({ kind: fc.constant("done" as const), result: bytes }, { requiredKeys: ["kind"] }),
  fc.record({ kind: fc.constantFrom("failed" as const, "dead" as const), error }),
  fc.record({ kind: fc.constant("retry" as const), delayMs: whole, error }),
  fc.record({ kind: fc.constant("release" as const) }),
);

test("a message for a queue arrives as it was sent", () => {
  fc.assert(
    fc.property(name, message, whole, whole, (queue, sent, sequence, repeatsFrom) => {
      const frame = roundTrip((writer) => writeEnqueue(writer, sequence, repeatsFrom, queue, sent));
      const origin = sent.origin ?? { incarnation: "me", sequence, repeatsFrom };
      const read = readEnqueue(frame, "me");
      expect(read).toEqual({ sequence, queue, message: { ...sent, origin } });
    }),
  );
});

test("outcomes of messages arrive for the sequences they were for, in whatever order those were", () => {
  const stored = fc.record({
    kind: fc.constant("stored" as const),
    position: fc.nat(20),
    duplicate: fc.boolean(),
  });
  const refused = fc.record({
    kind: fc.constantFrom("rejected" as const, "indeterminate" as const),
    error,
  });
  const one: fc.Arbitrary<EnqueueOutcome> = fc.oneof(stored, refused);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), one), { maxLength: 600 }), (sent) => {
      const read: [number, EnqueueOutcome][] = [];
      const frames = roundTripAll((writer) =>
        writeEnqueued(
          writer,
          sent.map(([sequence]) => sequence),
          sent.map(([, result]) => result),
        ),
      );
      for (const frame of frames) readEnqueued(frame, (...told) => read.push(told));
      expect(read).toEqual(sent);
    }),
  );
});

test("a run of stored messages takes one run on the wire", () => {
  const sequences = Array.from({ length: 10_000 }, (_, index) => index + 7);
  const outcomes = sequences.map(
    (sequence): EnqueueOutcome => ({ kind: "stored", position: sequence * 1, duplicate: false }),
  );
  const frame = roundTrip((writer) => writeEnqueued(writer, sequences, outcomes));
  expect(frame.end - frame.start).toBeLessThan(64);
});

test("a settlement arrives as it was sent, with its effects", () => {
  fc.assert(
    fc.property(
      whole,
      name,
      outcome,
      fc.option(fc.array(effect, { minLength: 1, maxLength: 5 }), { nil: undefined }),
      (number, queue, ended, effects) => {
        const claim = { queue, position: number, fence: number, outcome: ended };
        const settlement = effects === undefined ? claim : { ...claim, effects };
        const frame = roundTrip((writer) => writeSettle(writer, number, settlement));
        expect(readSettle(frame)).toEqual({ number, settlement });
      },
    ),
  );
});

test("outcomes of settlements arrive for the numbers they were for", () => {
  const one: fc.Arbitrary<SettleOutcome> = fc.oneof(
    fc.record({ kind: fc.constantFrom("settled" as const, "stale" as const) }),
    fc.record({ kind: fc.constantFrom("refused" as const, "indeterminate" as const), error }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), one), { maxLength: 600 }), (sent) => {
      const read: [number, SettleOutcome][] = [];
      const frames = roundTripAll((writer) =>
        writeSettled(
          writer,
          sent.map(([number]) => number),
          sent.map(([, result]) => result),
        ),
      );
      for (const frame of frames) readSettled(frame, (...told) => read.push(told));
      expect(read).toEqual(sent);
    }),
  );
});

test("receivers, claims and deliveries arrive as they were sent", () => {
  const attempts: fc.Arbitrary<Attempts> = fc.record({
    failures: fc.nat(0xffff),
    pickups: fc.nat(0xffff),
    crashes: fc.nat(0xffff),
  });
  fc.assert(
    fc.property(
      whole,
      name,
      fc.array(fc.tuple(whole, whole)),
      attempts,
      bytes,
      fc.boolean(),
      (receiver, queue, held, counted, frame, hearsNotices) => {
        const claims = held.map(([position, fence]) => ({ queue, position, fence }));
        const receive = { receiver, queue, credit: 7, consumer: queue, claims, hearsNotices };
        expect(readReceive(roundTrip((writer) => writeReceive(writer, receive)))).toEqual(receive);
        const delivery = { queue, position: receiver, fence: receiver, attempts: counted, frame };
        const delivered = roundTrip((writer) => writeDeliver(writer, receiver, delivery));
        expect(readDeliverReceiver(delivered)).toBe(receiver);
        expect(readDeliver(delivered, queue)).toEqual(delivery);
      },
    ),
  );
});

test("questions about messages and their answers arrive as they were sent", () => {
  const count = fc.nat(0xffff);
  const attempts = fc.record({ failures: count, pickups: count, crashes: count });
  const someBytes = bytes.filter(({ length }) => length > 0);
  const tracked: fc.Arbitrary<Tracked> = fc.oneof(
    fc.constantFrom<Tracked>({ state: "unknown" }, { state: "done" }),
    fc.record({ state: fc.constantFrom("queued", "offered", "started"), attempts }),
    fc.record({ state: fc.constant("started" as const), attempts, progress: someBytes }),
    fc.record({
      state: fc.constant("waiting-input" as const),
      attempts,
      number: count,
      question: bytes,
    }),
    fc.record({ state: fc.constant("done" as const), result: bytes }),
    fc.record({
      state: fc.constantFrom("failed", "dead", "expired", "cancelled", "rescinded", "error"),
      error,
    }),
  );
  const waits = fc.constantFrom([false, false], [true, false], [true, true]);
  const arrive = fc.property(whole, whole, name, waits, tracked, (...drawn) => {
    const [number, position, queue, [wait = false, follow = false], told] = drawn;
    const question = { number, position, queue, wait, follow };
    expect(readTrack(roundTrip((writer) => writeTrack(writer, question)))).toEqual(question);
    const answer = roundTrip((writer) => writeTracked(writer, number, told));
    expect(readTracked(answer)).toEqual({ number, tracked: told });
  });
  void fc.assert(arrive);
});

test("notices to those who hold a message arrive as they were sent", () => {
  const notice: fc.Arbitrary<Notice> = fc
    .tuple(whole, whole, name, whole, bytes, error)
    .chain(([position, fence, queue, number, data, reason]) => {
      const claim = { queue, position, fence };
      const answer = { number: number % 2 ** 32, data };
      return fc.constantFrom<Notice>(
        { kind: "cancel", claim, reason },
        { kind: "withdraw", claim },
        { kind: "follow", claim },
        { kind: "input", claim, answer },
      );
    });
  const arrive = fc.property(whole, notice, (receiver, told) => {
    const frame = roundTrip((writer) => writeNotice(writer, receiver, told));
    expect(readNoticeReceiver(frame)).toBe(receiver);
    expect(readNotice(frame, told.claim.queue)).toEqual(told);
  });
  void fc.assert(arrive);
});

test("waits for many messages and their ends arrive as they were sent, in runs and between them", () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(1, 1, 1, 2, 7), fc.constantFrom(1, 1, 1, 3)), {
    maxLength: 700,
  });
  const arrive = fc.property(fc.nat(2 ** 40), name, steps, (first, queue, drawn) => {
    let at = { number: first, position: first };
    const awaited: Awaited[] = drawn.map(([numbers, positions]) => {
      at = { number: at.number + numbers, position: at.position + positions };
      return at;
    });
    const asked: Awaited[] = [];
    for (const frame of roundTripAll((writer) => writeAwait(writer, queue, awaited))) {
      readAwait(frame, (number, from, position) => {
        expect(from).toBe(queue);
        asked.push({ number, position });
      });
    }
    expect(asked).toEqual(awaited);
    const told: number[] = [];
    const numbers = awaited.map(({ number }) => number);
    for (const frame of roundTripAll((writer) => writeFinal(writer, numbers))) {
      readFinal(frame, (number) => told.push(number));
    }
    expect(told).toEqual(numbers);
  });
  void fc.assert(arrive);
});

test("subscriptions and publications arrive as they were sent", () => {
  fc.assert(
    fc.property(
      whole,
      fc.constantFrom("a", "a.b.c", "_inbox.01J"),
      bytes,
      (number, topic, sent) => {
        const subscribed = roundTrip((writer) => writeSubscribe(writer, number, topic));
        expect(readSubscribe(subscribed)).toEqual({ subscription: number, pattern: topic });
        const published = roundTrip((writer) => writePublish(writer, number, topic, sent, false));
        expect(readPublishNumber(published)).toBe(number);
        expect(readPublishTopic(published)).toBe(topic);
        expect(published.payload).toEqual(sent);
        expect(readQuiet(roundTrip((writer) => writeQuiet(writer, topic)))).toBe(topic);
        const loud = roundTrip((writer) => writeLoud(writer, number, topic));
        expect(readLoud(loud)).toEqual({ number, topic });
      },
    ),
  );
});

test("calls, answers and notes carry plain data with bytes inside", () => {
  const value = { texts: ["a", "b"], bytes: Buffer.from("xyz"), nested: { deep: [1, null, true] } };
  const plain = { ...value, bytes: new Uint8Array(value.bytes) };
  const called = readCall(roundTrip((writer) => writeCall(writer, 5, "store.put", value)));
  expect(called).toEqual({ number: 5, method: "store.put", parameters: plain });
  const replied = readReply(roundTrip((writer) => writeReply(writer, 5, value)));
  expect(replied).toEqual({ number: 5, ok: true, value: plain });
  expect(readNote(roundTrip((writer) => writeNote(writer, 5, value)))).toEqual({
    number: 5,
    value: plain,
  });
  const failed: ErrorInfo = { code: "CONFLICT", message: "no", retryable: false };
  const refused = readReply(roundTrip((writer) => writeErrorReply(writer, 5, failed)));
  expect(refused).toEqual({ number: 5, ok: false, error: failed });
});

test("an answer that cannot be sent becomes the error that says why", () => {
  const refused = readReply(roundTrip((writer) => writeReply(writer, 5, { at: () => 1 })));
  expect(refused).toMatchObject({ ok: false, error: { code: "SERIALIZATION_ERROR" } });
});

test("an error whose details do not fit loses them, and one whose text does not, its tail", () => {
  const details = { much: "x".repeat(70_000) };
  const long: ErrorInfo = {
    code: "CONFLICT",
    message: "\n".repeat(70_000),
    retryable: false,
    details,
  };
  const frame = roundTrip((writer) =>
    writeSettled(writer, [1], [{ kind: "refused", error: long }]),
  );
  readSettled(frame, (_, settled) => {
    expect(settled).toMatchObject({ kind: "refused", error: { code: "CONFLICT" } });
    expect(settled).not.toHaveProperty("error.details");
  });
});

test("an error whose details are no data loses them", () => {
  const cycle: Record<string, unknown> = {};
  cycle["itself"] = cycle;
  const error: ErrorInfo = { code: "CONFLICT", message: "m", retryable: false, details: cycle };
  const frame = roundTrip((writer) => writeSettled(writer, [1], [{ kind: "refused", error }]));
  readSettled(frame, (_, settled) => {
    expect(settled).toEqual({
      kind: "refused",
      error: { code: "CONFLICT", message: "m", retryable: false },
    });
  });
});

test("bytes that are no operation are refused with a typed error, never anything else", () => {
  const readers: readonly ((frame: Frame) => unknown)[] = [
    (frame) => readEnqueue(frame, "me"),
    (frame) => readEnqueued(frame, () => {}),
    (frame) => readSettle(frame),
    (frame) => readSettled(frame, () => {}),
    (frame) => readReceive(frame),
    (frame) => readDeliver(frame, "queue"),
    (frame) => readSubscribe(frame),
    (frame) => readPublishTopic(frame),
    (frame) => readQuiet(frame),
    (frame) => readLoud(frame),
    (frame) => readTrack(frame),
    (frame) => readTracked(frame),
    (frame) => readCall(frame),
    (frame) => readReply(frame),
    (frame) => readNote(frame),
    (frame) => readHello(frame),
    (frame) => readWelcome(frame),
  ];
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 80 }),
      (head, body) => {
        const frame = roundTrip((writer) => {
          const open = writer.begin(frameTypes.HELLO);
          writer.bytes(head);
          writer.endHeader(open);
          writer.bytes(body);
          writer.end(open);
        });
        for (const read of readers) {
          try {
            read(frame);
          } catch (failure) {
            expect(isColloquyError(failure)).toBe(true);
          }
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

function roundTrip(write: (writer: FrameWriter) => void): Frame {
  const frames = roundTripAll(write);
  expect(frames).toHaveLength(1);
  return frames[0] as Frame;
}

function roundTripAll(write: (writer: FrameWriter) => void): readonly Frame[] {
  const writer = new FrameWriter();
  write(writer);
  const frames: Frame[] = [];
  new FrameParser(sessionLimits).push(writer.take(), (frame) => frames.push(frame));
  return frames;
}

test("a hub passes a PUBLISH on as it came, but for the number", () => {
  const writer = new FrameWriter();
  writePublish(writer, 7, "a.b", Uint8Array.of(1, 2, 3), true);
  const came = writer.take();
  const chunk = Uint8Array.of(9, 9, ...came, 9);
  forwardPublish(writer, 2 ** 40 + 5, frameAt(chunk, 2));
  const left = frameAt(writer.take());
  expect(readPublishNumber(left)).toBe(2 ** 40 + 5);
  expect(readPublishTopic(left)).toBe("a.b");
  expect(left.payload).toEqual(Uint8Array.of(1, 2, 3));
  expect(left.flags).toBe(frameAt(came).flags);
  expect(left.bytes.length).toBe(came.length);
});

test("a frame of a few bytes cannot make the other end walk through more than 4,096 messages", () => {
  const many = (count: number, from = 1): Awaited[] =>
    Array.from({ length: count }, (_, index) => ({ number: from + index, position: from + index }));
  let asked = 0;
  const frames = roundTripAll((writer) => writeAwait(writer, "jobs", many(10_000)));
  for (const frame of frames) readAwait(frame, () => asked++);
  expect([frames.length, asked]).toEqual([3, 10_000]);

  let told = 0;
  const numbers = many(10_000).map(({ number }) => number);
  const finals = roundTripAll((writer) => writeFinal(writer, numbers));
  for (const frame of finals) readFinal(frame, () => told++);
  expect([finals.length, told]).toEqual([3, 10_000]);

  // Two runs that only together are too many.
  const [whole] = roundTripAll((writer) => {
    writeAwait(writer, "jobs", [...many(2_048), ...many(2_048, 5_000)]);
  }) as [Frame];
  const { chunk, headerStart } = whole;
  new DataView(chunk.buffer, chunk.byteOffset).setUint32(headerStart + 2 + 4 + 4 + 16, 2_049);
  expect(() => readAwait(whole, () => {})).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});
