/** Frames as a client sends them to its hub, and a hub to its client: valid, and in no sensible order. */
import type { Effect, Notice, Outcome, QueuedMessage } from "../../../src/broker/broker.ts";
import { writeAwait, writeFinal } from "../../../src/broker/hub/operations/await.ts";
import {
  writeCall,
  writeErrorReply,
  writeNote,
  writeReply,
} from "../../../src/broker/hub/operations/call.ts";
import { writeEnqueue, writeEnqueued } from "../../../src/broker/hub/operations/enqueue.ts";
import {
  writeGoodbye,
  writeHello,
  writeResumed,
} from "../../../src/broker/hub/operations/greeting.ts";
import { writeNotice } from "../../../src/broker/hub/operations/notice.ts";
import { writeNumbered } from "../../../src/broker/hub/operations/numbered.ts";
import {
  writeDeliver,
  writeEnded,
  writeReceive,
} from "../../../src/broker/hub/operations/receive.ts";
import { writeSettle, writeSettled } from "../../../src/broker/hub/operations/settle.ts";
import {
  writeLoud,
  writePublish,
  writeQuiet,
  writeSubscribe,
} from "../../../src/broker/hub/operations/topics.ts";
import { writeTrack, writeTracked } from "../../../src/broker/hub/operations/track.ts";
import type { ErrorInfo } from "../../../src/errors.ts";
import { frameTypes } from "../../../src/message/frame.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";
import type { Draw } from "./draw.ts";

type Operation = (writer: FrameWriter, draw: Draw) => void;

/** One to four frames in one chunk. */
export function operationsOf(kinds: readonly Operation[], draw: Draw): Uint8Array {
  const writer = new FrameWriter();
  for (let left = 1 + draw.below(4); left > 0; left--) draw.oneOf(kinds)(writer, draw);
  return writer.take();
}

const numberedToHub = [
  frameTypes.UNSUBSCRIBE,
  frameTypes.HEEDED,
  frameTypes.CANCEL,
  frameTypes.UNTRACK,
  frameTypes.HANGUP,
  frameTypes.PING,
  frameTypes.PONG,
] as const;

export const toHub: readonly Operation[] = [
  (writer, draw) => writeNumbered(writer, draw.oneOf(numberedToHub), number(draw)),
  (writer, draw) =>
    writeSubscribe(writer, number(draw), draw.chance(0.3) ? draw.oneOf([">", "a.*"]) : topic(draw)),
  (writer, draw) => writePublish(writer, number(draw), topic(draw), body(draw), draw.chance(0.3)),
  (writer, draw) => writeEnqueue(writer, draw.number(), draw.number(), queue(draw), message(draw)),
  (writer, draw) =>
    writeReceive(writer, {
      receiver: number(draw),
      queue: queue(draw),
      credit: 1 + draw.below(50),
      consumer: "fuzz",
      claims: many(draw, () => claim(draw)),
      hearsNotices: draw.chance(0.7),
    }),
  (writer, draw) =>
    writeSettle(writer, draw.number(), {
      ...claim(draw),
      outcome: outcome(draw),
      effects: many(draw, () => effect(draw)),
    }),
  (writer, draw) =>
    writeTrack(writer, {
      number: number(draw),
      queue: queue(draw),
      position: number(draw),
      wait: draw.chance(0.5),
      follow: draw.chance(0.5),
    }),
  (writer, draw) =>
    writeAwait(
      writer,
      queue(draw),
      many(draw, () => ({ number: number(draw), position: number(draw) })),
    ),
  (writer, draw) => writeCall(writer, draw.number(), draw.oneOf(methods), parameters(draw)),
  (writer, draw) => {
    if (draw.chance(0.8)) writeResumed(writer);
    else if (draw.chance(0.5)) writeGoodbye(writer);
    else writeHello(writer, { incarnation: "again", name: "again", process: 1, host: "here" });
  },
];

const numberedToClient = [
  frameTypes.SUBSCRIBED,
  frameTypes.UNHEARD,
  frameTypes.DROPPED,
  frameTypes.PING,
  frameTypes.PONG,
] as const;

export const toClient: readonly Operation[] = [
  (writer, draw) => writeNumbered(writer, draw.oneOf(numberedToClient), number(draw)),
  (writer, draw) => writePublish(writer, number(draw), topic(draw), body(draw), draw.chance(0.3)),
  (writer, draw) => writeQuiet(writer, topic(draw)),
  (writer, draw) => writeLoud(writer, number(draw), topic(draw)),
  (writer, draw) =>
    writeEnqueued(writer, [number(draw)], [{ kind: "stored", position: 1, duplicate: false }]),
  (writer, draw) =>
    writeDeliver(writer, number(draw), {
      ...claim(draw),
      frame: body(draw),
      attempts: { failures: draw.below(3), pickups: draw.below(3), crashes: 0 },
    }),
  (writer, draw) => writeNotice(writer, number(draw), notice(draw)),
  (writer, draw) => writeEnded(writer, number(draw), failure(draw)),
  (writer, draw) => writeSettled(writer, [number(draw)], [{ kind: "settled" }]),
  (writer, draw) =>
    writeTracked(
      writer,
      number(draw),
      draw.chance(0.5)
        ? { state: "done", result: body(draw) }
        : draw.chance(0.5)
          ? { state: "dead", error: failure(draw) }
          : { state: "waiting-input", attempts: noAttempts, number: 1, question: body(draw) },
    ),
  (writer, draw) =>
    writeFinal(
      writer,
      many(draw, () => number(draw)),
    ),
  (writer, draw) => writeReply(writer, number(draw), parameters(draw)),
  (writer, draw) => writeErrorReply(writer, number(draw), failure(draw)),
  (writer, draw) => writeNote(writer, number(draw), parameters(draw)),
];

const methods = [
  "queues.declare",
  "queues.remove",
  "queues.mailboxes",
  "queues.report",
  "queues.cancel",
  "queues.answer",
  "queues.browse",
  "queues.deadLetters",
  "queues.replay",
  "queues.purge",
  "store.get",
  "store.put",
  "store.list",
  "store.watch",
  "log.append",
  "log.read",
  "cursor.more",
  "cursor.close",
  "constructor",
];

/** Each member is what some method takes, or what none does. */
function parameters(draw: Draw): unknown {
  const wrong = (right: unknown) => draw.oneOf([right, right, right, null, "", -1, [], {}, true]);
  return draw.oneOf<unknown>([
    { queues: wrong([queue(draw)]) },
    { queue: wrong(queue(draw)), after: wrong(0), limit: wrong(5) },
    { numbers: wrong([1, 2]) },
    { reports: wrong([wrong({ ...claim(draw), kind: wrong("started") })]) },
    {
      reports: [
        { ...claim(draw), kind: "waiting-input", number: wrong(1), question: wrong(body(draw)) },
      ],
    },
    {
      queue: queue(draw),
      position: wrong(number(draw)),
      ifUnstarted: wrong(true),
      reason: wrong(failure(draw)),
    },
    {
      queue: queue(draw),
      position: wrong(number(draw)),
      number: wrong(1),
      data: wrong(body(draw)),
    },
    { keys: wrong(["a", "b"]) },
    { writes: wrong([wrong({ key: wrong("a"), value: wrong(body(draw)), ifRevision: wrong(0) })]) },
    { prefix: wrong(""), after: wrong("") },
    { stream: wrong("s"), entries: wrong([wrong(body(draw))]), at: wrong(1) },
    { stream: wrong("s"), from: wrong(1), follow: wrong(false) },
    { cursor: wrong(number(draw)) },
    undefined,
    7,
  ]);
}

/** Of something that another frame may have opened. */
function number(draw: Draw): number {
  return draw.chance(0.9) ? 1 + draw.below(8) : draw.number();
}

function topic(draw: Draw): string {
  if (draw.chance(0.95)) return draw.oneOf(["a", "a.b", "a.b.c", "_inbox.x"]);
  return draw.oneOf(["a.*", ">", "", "..", "a b", "x".repeat(255)]);
}

function queue(draw: Draw): string {
  return draw.chance(0.95) ? "jobs" : draw.oneOf(["others", "", "x".repeat(600)]);
}

function body(draw: Draw): Uint8Array {
  return draw.bytes(draw.below(40));
}

function claim(draw: Draw): { queue: string; position: number; fence: number } {
  return { queue: queue(draw), position: number(draw), fence: number(draw) };
}

const noAttempts = { failures: 0, pickups: 0, crashes: 0 } as const;

function notice(draw: Draw): Notice {
  const told = { claim: claim(draw) };
  return draw.oneOf<Notice>([
    { kind: "cancel", reason: failure(draw), ...told },
    { kind: "withdraw", ...told },
    { kind: "follow", ...told },
    { kind: "input", answer: { number: number(draw) % 2 ** 32, data: body(draw) }, ...told },
  ]);
}

function many<Value>(draw: Draw, make: () => Value): readonly Value[] {
  return Array.from({ length: draw.below(3) }, make);
}

function message(draw: Draw): QueuedMessage {
  return {
    frame: body(draw),
    lane: draw.oneOf([0, 1, 2, 3]),
    guarantee: draw.oneOf(["at-most-once", "at-least-once", "exactly-once"]),
    id: draw.oneOf(["one", "two", ""]),
    ...(draw.chance(0.3) ? { key: draw.oneOf(["k", "l"]) } : {}),
    ...(draw.chance(0.1) ? { notBeforeMs: draw.number() } : {}),
    ...(draw.chance(0.1) ? { expiresAtMs: draw.number() } : {}),
  };
}

function failure(draw: Draw): ErrorInfo {
  return { code: "HANDLER_FAILED", message: draw.text("abc ", 0, 20), retryable: false };
}

function outcome(draw: Draw): Outcome {
  return draw.oneOf<Outcome>([
    { kind: "done" },
    { kind: "done", result: body(draw) },
    { kind: "failed", error: failure(draw) },
    { kind: "retry", delayMs: draw.number(), error: failure(draw) },
    { kind: "dead", error: failure(draw) },
    { kind: "release" },
  ]);
}

function effect(draw: Draw): Effect {
  return draw.oneOf<Effect>([
    { kind: "enqueue", queue: queue(draw), message: message(draw) },
    { kind: "publish", topic: topic(draw), frame: body(draw) },
    { kind: "put", key: draw.oneOf(["a", ""]), value: body(draw), ifRevision: draw.below(3) },
    { kind: "append", stream: "s", entries: many(draw, () => body(draw)), at: draw.below(4) },
  ]);
}
