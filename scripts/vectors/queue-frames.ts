/** Frames by which durable messages are taken in, handed out, followed and awaited. */
import type { EnqueueOutcome, Notice, QueuedMessage } from "../../src/broker/broker.ts";
import {
  readAwait,
  readFinal,
  writeAwait,
  writeFinal,
} from "../../src/broker/hub/operations/await.ts";
import {
  readEnqueue,
  readEnqueued,
  writeEnqueue,
  writeEnqueued,
} from "../../src/broker/hub/operations/enqueue.ts";
import {
  readNotice,
  readNoticeReceiver,
  writeNotice,
} from "../../src/broker/hub/operations/notice.ts";
import {
  readDeliver,
  readDeliverReceiver,
  readEnded,
  readReceive,
  writeDeliver,
  writeEnded,
  writeReceive,
} from "../../src/broker/hub/operations/receive.ts";
import {
  readTrack,
  readTracked,
  type Tracked,
  writeTrack,
  writeTracked,
} from "../../src/broker/hub/operations/track.ts";
import { packValue } from "../../src/exchange/packed.ts";
import type { Frame } from "../../src/message/frame.ts";
import type { FrameVector } from "./frame-vector.ts";
import { aCommand } from "./messages.ts";
import { numbered } from "./session-frames.ts";

export const queue = "type:email";
const incarnation = "01JDCLENTCLENTCLENTCLENTCL";
const error = { code: "CANCELLED", message: "no longer wanted", retryable: false } as const;
const full = { code: "QUEUE_FULL", message: "1000 messages wait", retryable: true } as const;
const attempts = { failures: 1, pickups: 2, crashes: 3 } as const;
const firstAttempt = { failures: 0, pickups: 0, crashes: 0 } as const;

function enqueue(
  name: string,
  options: number,
  message: Omit<QueuedMessage, "frame">,
  more: Readonly<Record<string, unknown>> = {},
): FrameVector {
  const whole = { ...message, frame: aCommand };
  const sequence = 7;
  const repeatsFrom = 5;
  return {
    name,
    type: "ENQUEUE",
    from: "client",
    fields: { sequence, repeatsFrom, options, lane: message.lane, queue, ...more },
    write: (writer) => writeEnqueue(writer, sequence, repeatsFrom, queue, whole),
    read: (frame) => readEnqueue(frame, incarnation),
    found: {
      sequence,
      queue,
      message: { origin: { incarnation, sequence, repeatsFrom }, ...whole },
    },
  };
}

function told<Outcome>(
  read: (frame: Frame, tell: (number: number, outcome: Outcome) => void) => void,
): (frame: Frame) => unknown {
  return (frame) => {
    const all: (readonly [number, Outcome])[] = [];
    read(frame, (number, outcome) => all.push([number, outcome]));
    return all;
  };
}

const enqueued: readonly (readonly [number, EnqueueOutcome])[] = [
  [7, { kind: "stored", position: 100, duplicate: false }],
  [8, { kind: "stored", position: 101, duplicate: false }],
  [9, { kind: "stored", position: 40, duplicate: true }],
  [10, { kind: "rejected", error: full }],
  [11, { kind: "indeterminate", error: { ...full, code: "INDETERMINATE", retryable: false } }],
];

function tracked(name: string, state: number, found: Tracked, more: object = {}): FrameVector {
  return {
    name: `TRACKED: ${name}`,
    type: "TRACKED",
    from: "hub",
    fields: { number: 4, state, ...more },
    write: (writer) => writeTracked(writer, 4, found),
    read: readTracked,
    found: { number: 4, tracked: found },
  };
}

function notice(name: string, kind: number, found: Notice, more: object = {}): FrameVector {
  const { position, fence } = found.claim;
  return {
    name: `NOTICE: ${name}`,
    type: "NOTICE",
    from: "hub",
    fields: { receiver: 2, position, fence, kind, ...more },
    write: (writer) => writeNotice(writer, 2, found),
    read: (frame) => ({ receiver: readNoticeReceiver(frame), notice: readNotice(frame, queue) }),
    found: { receiver: 2, notice: found },
  };
}

function track(name: string, wait: number): FrameVector {
  const found = { number: 4, queue, position: 100, wait: wait > 0, follow: wait === 2 };
  return {
    name: `TRACK: ${name}`,
    type: "TRACK",
    from: "client",
    fields: { number: 4, position: 100, wait, queue },
    write: (writer) => writeTrack(writer, found),
    read: readTrack,
    found,
  };
}

const claim = { queue, position: 100, fence: 12 } as const;
const progress = packValue({ done: 3 });
const question = packValue("which account?");

const awaited = [
  { number: 10, position: 100 },
  { number: 11, position: 101 },
  { number: 12, position: 200 },
] as const;

export const queueFrames: readonly FrameVector[] = [
  enqueue("ENQUEUE, at least once", 1, { lane: 2, guarantee: "at-least-once", id: "" }),
  enqueue(
    "ENQUEUE, exactly once, with all options",
    2 + 4 + 8 + 16,
    {
      lane: 0,
      guarantee: "exactly-once",
      id: "01JDCMMANDCMMANDCMMANDCMMA",
      key: "desk~cust-456",
      notBeforeMs: 1_767_225_660_000,
      expiresAtMs: 1_767_229_200_000,
    },
    {
      id: "01JDCMMANDCMMANDCMMANDCMMA",
      key: "desk~cust-456",
      notBeforeMs: 1_767_225_660_000,
      expiresAtMs: 1_767_229_200_000,
    },
  ),
  enqueue("ENQUEUE, at most once", 0, { lane: 3, guarantee: "at-most-once", id: "" }),
  enqueue(
    "ENQUEUE of what somebody else numbered",
    1 + 32,
    {
      lane: 2,
      guarantee: "at-least-once",
      id: "",
      origin: { incarnation: "01JDTHERTHERTHERTHERTHERTH", sequence: 3, repeatsFrom: 2 },
    },
    { origin: { incarnation: "01JDTHERTHERTHERTHERTHERTH", sequence: 3, repeatsFrom: 2 } },
  ),
  {
    name: "ENQUEUED: two stored, a duplicate, a rejected one, one of which nobody knows",
    type: "ENQUEUED",
    from: "hub",
    fields: {
      runs: [
        { kind: 0, count: 2, sequence: 7, position: 100 },
        { kind: 1, count: 1, sequence: 9, position: 40 },
        { kind: 2, count: 1, sequence: 10, error: full },
        {
          kind: 3,
          count: 1,
          sequence: 11,
          error: { ...full, code: "INDETERMINATE", retryable: false },
        },
      ],
    },
    write: (writer) =>
      writeEnqueued(
        writer,
        enqueued.map(([sequence]) => sequence),
        enqueued.map(([, outcome]) => outcome),
      ),
    read: told(readEnqueued),
    found: enqueued,
  },
  {
    name: "RECEIVE",
    type: "RECEIVE",
    from: "client",
    fields: { receiver: 2, credit: 8, queue, consumer: "mailer-1", options: 1, claims: [] },
    write: (writer) =>
      writeReceive(writer, {
        receiver: 2,
        credit: 8,
        queue,
        consumer: "mailer-1",
        claims: [],
        hearsNotices: true,
      }),
    read: readReceive,
    found: { receiver: 2, credit: 8, queue, consumer: "mailer-1", claims: [], hearsNotices: true },
  },
  {
    name: "RECEIVE with two claims, without notices",
    type: "RECEIVE",
    from: "client",
    fields: {
      receiver: 2,
      credit: 8,
      queue,
      consumer: "mailer-1",
      options: 0,
      claims: [
        { position: 100, fence: 12 },
        { position: 103, fence: 14 },
      ],
    },
    write: (writer) =>
      writeReceive(writer, {
        receiver: 2,
        credit: 8,
        queue,
        consumer: "mailer-1",
        claims: [claim, { queue, position: 103, fence: 14 }],
        hearsNotices: false,
      }),
    read: readReceive,
    found: {
      receiver: 2,
      credit: 8,
      queue,
      consumer: "mailer-1",
      claims: [claim, { queue, position: 103, fence: 14 }],
      hearsNotices: false,
    },
  },
  {
    name: "DELIVER, the first time",
    type: "DELIVER",
    from: "hub",
    fields: { receiver: 2, position: 100, fence: 12, ...firstAttempt },
    write: (writer) =>
      writeDeliver(writer, 2, { ...claim, attempts: firstAttempt, frame: aCommand }),
    read: (frame) => ({
      receiver: readDeliverReceiver(frame),
      delivery: readDeliver(frame, queue),
    }),
    found: { receiver: 2, delivery: { ...claim, attempts: firstAttempt, frame: aCommand } },
  },
  {
    name: "DELIVER, after attempts that came to nothing",
    type: "DELIVER",
    from: "hub",
    fields: { receiver: 2, position: 100, fence: 19, ...attempts },
    write: (writer) => writeDeliver(writer, 2, { ...claim, fence: 19, attempts, frame: aCommand }),
    read: (frame) => readDeliver(frame, queue),
    found: { ...claim, fence: 19, attempts, frame: aCommand },
  },
  numbered("CANCEL", "CANCEL", "client", "receiver", 2),
  {
    name: "ENDED",
    type: "ENDED",
    from: "hub",
    fields: { receiver: 2, error: { ...error, code: "NOT_FOUND" } },
    write: (writer) => writeEnded(writer, 2, { ...error, code: "NOT_FOUND" }),
    read: readEnded,
  },
  notice("cancel", 0, { kind: "cancel", claim, reason: error }, { error }),
  notice("withdraw", 1, { kind: "withdraw", claim }),
  notice("follow", 2, { kind: "follow", claim }),
  notice(
    "input",
    3,
    { kind: "input", claim, answer: { number: 1, data: packValue("north") } },
    { question: 1 },
  ),
  track("the state now", 0),
  track("once it is final", 1),
  track("every change", 2),
  tracked("unknown", 0, { state: "unknown" }),
  tracked("queued", 1, { state: "queued", attempts }, attempts),
  tracked("offered", 2, { state: "offered", attempts: firstAttempt }, firstAttempt),
  tracked("started", 3, { state: "started", attempts, progress }, attempts),
  tracked(
    "waiting for input",
    4,
    { state: "waiting-input", attempts, number: 1, question },
    { ...attempts, question: 1 },
  ),
  tracked("done", 5, { state: "done" }),
  tracked("done with a result", 6, { state: "done", result: packValue({ sent: true }) }),
  ...(["failed", "dead", "expired", "cancelled", "rescinded"] as const).map((state, index) =>
    tracked(state, 7 + index, { state, error }, { error }),
  ),
  tracked("the hub could not find out", 12, { state: "error", error }, { error }),
  numbered("UNTRACK", "UNTRACK", "client", "number", 4),
  {
    name: "AWAIT: two of one run, and one more",
    type: "AWAIT",
    from: "client",
    fields: {
      queue,
      runs: [
        { number: 10, position: 100, count: 2 },
        { number: 12, position: 200, count: 1 },
      ],
    },
    write: (writer) => writeAwait(writer, queue, awaited),
    read: (frame) => {
      const found: unknown[] = [];
      readAwait(frame, (number, of, position) => found.push({ number, queue: of, position }));
      return found;
    },
    found: awaited.map((each) => ({ ...each, queue })),
  },
  {
    name: "FINAL",
    type: "FINAL",
    from: "hub",
    fields: {
      runs: [
        { number: 10, count: 2 },
        { number: 14, count: 1 },
      ],
    },
    write: (writer) => writeFinal(writer, [10, 11, 14]),
    read: (frame) => {
      const found: number[] = [];
      readFinal(frame, (number) => found.push(number));
      return found;
    },
    found: [10, 11, 14],
  },
];
