/** Frames of live fan-out. */
import {
  isControl,
  readDropped,
  readLoud,
  readPublishNumber,
  readPublishTopic,
  readQuiet,
  readSubscribe,
  readSubscribed,
  readUnheard,
  writeDropped,
  writeLoud,
  writePublish,
  writeQuiet,
  writeSubscribe,
  writeSubscriptionRefused,
  writeUnheard,
} from "../../src/broker/hub/operations/topics.ts";
import type { FrameVector } from "./frame-vector.ts";
import { anEvent } from "./messages.ts";
import { numbered } from "./session-frames.ts";

const forbidden = { code: "FORBIDDEN", message: "not yours", retryable: false } as const;

function publish(
  name: string,
  from: "client" | "hub",
  number: number,
  topic: string,
  control = false,
): FrameVector {
  return {
    name,
    type: "PUBLISH",
    from,
    fields: { number, topic },
    write: (writer) => writePublish(writer, number, topic, anEvent, control),
    read: (frame) => ({
      number: readPublishNumber(frame),
      topic: readPublishTopic(frame),
      control: isControl(frame),
      payload: frame.payload,
    }),
    found: { number, topic, control, payload: anEvent },
  };
}

export const topicFrames: readonly FrameVector[] = [
  {
    name: "SUBSCRIBE",
    type: "SUBSCRIBE",
    from: "client",
    fields: { subscription: 1, pattern: "market.*" },
    write: (writer) => writeSubscribe(writer, 1, "market.*"),
    read: readSubscribe,
  },
  numbered("SUBSCRIBED", "SUBSCRIBED", "hub", "subscription", 1),
  {
    name: "SUBSCRIBED: refused",
    type: "SUBSCRIBED",
    from: "hub",
    fields: { subscription: 2, error: forbidden },
    write: (writer) => writeSubscriptionRefused(writer, 2, forbidden),
    read: readSubscribed,
    found: { number: 2, refusal: forbidden },
  },
  numbered("UNSUBSCRIBE", "UNSUBSCRIBE", "client", "subscription", 1),
  publish(
    "PUBLISH of a client that wants to know whether it was heard",
    "client",
    9,
    "market.gold",
  ),
  publish("PUBLISH of a client that does not", "client", 0, "market.gold"),
  publish("PUBLISH of a hub, for subscription 1", "hub", 1, "market.gold"),
  publish("PUBLISH with the flag CONTROL", "client", 10, "_inbox.01JDWRKERWRKERWRKERWRKERWR", true),
  {
    name: "UNHEARD",
    type: "UNHEARD",
    from: "hub",
    fields: { number: 9 },
    write: (writer) => writeUnheard(writer, 9, false),
    read: readUnheard,
    found: { number: 9, noRoom: false },
  },
  {
    name: "UNHEARD: who was subscribed is too slow",
    type: "UNHEARD",
    from: "hub",
    fields: { number: 9, reason: 1 },
    write: (writer) => writeUnheard(writer, 9, true),
    read: readUnheard,
    found: { number: 9, noRoom: true },
  },
  {
    name: "DROPPED",
    type: "DROPPED",
    from: "hub",
    fields: { count: 12, subscription: 1 },
    write: (writer) => writeDropped(writer, 12, 1),
    read: readDropped,
  },
  {
    name: "QUIET",
    type: "QUIET",
    from: "hub",
    fields: { topic: "market.gold" },
    write: (writer) => writeQuiet(writer, "market.gold"),
    read: (frame) => ({ topic: readQuiet(frame) }),
  },
  {
    name: "LOUD",
    type: "LOUD",
    from: "hub",
    fields: { number: 3, topic: "market.gold" },
    write: (writer) => writeLoud(writer, 3, "market.gold"),
    read: readLoud,
  },
  numbered("HEEDED", "HEEDED", "client", "number", 3),
];
