/** Frames by which a session begins, lives and ends. */
import {
  readGoodbye,
  readHello,
  readWelcome,
  writeGoodbye,
  writeHello,
  writeResumed,
  writeWelcome,
} from "../../src/broker/hub/operations/greeting.ts";
import { readNumbered, writeNumbered } from "../../src/broker/hub/operations/numbered.ts";
import { frameTypes } from "../../src/message/frame.ts";
import type { FrameVector } from "./frame-vector.ts";

export const hello = {
  incarnation: "01JDCLENTCLENTCLENTCLENTCL",
  name: "desk 4711",
  process: 4_711,
  host: "box pid:[4026531836]",
} as const;

const welcome = {
  hub: "01JDHBHBHBHBHBHBHBHBHBHBHB",
  broker: "embedded",
  silenceMsMax: 30_000,
  capabilities: {
    durability: { level: "os", verified: true, evidence: { synchronous: "FULL" } },
    effects: "atomic",
    store: true,
    log: true,
    priorities: true,
    delay: true,
    keyOrder: true,
    exactlyOnce: true,
    frameBytesMax: 1_114_124,
  },
} as const;

const reason = { code: "UNAUTHORIZED", message: "who are you?", retryable: false } as const;
const withToken = { ...hello, credential: "a token of 16 characters or more" };

/** A frame that has a number and nothing else. */
export function numbered(
  name: string,
  type:
    | "PING"
    | "PONG"
    | "UNSUBSCRIBE"
    | "SUBSCRIBED"
    | "UNHEARD"
    | "HEEDED"
    | "CANCEL"
    | "UNTRACK"
    | "HANGUP",
  from: "client" | "hub",
  field: string,
  number: number,
): FrameVector {
  return {
    name,
    type,
    from,
    fields: { [field]: number },
    write: (writer) => writeNumbered(writer, frameTypes[type], number),
    read: (frame) => ({ [field]: readNumbered(frame) }),
  };
}

export const sessionFrames: readonly FrameVector[] = [
  {
    name: "HELLO",
    type: "HELLO",
    from: "client",
    fields: { protocol: 1, ...hello },
    write: (writer) => writeHello(writer, hello),
    read: readHello,
    found: hello,
  },
  {
    name: "HELLO with a credential",
    type: "HELLO",
    from: "client",
    fields: { protocol: 1, ...withToken },
    write: (writer) => writeHello(writer, withToken),
    read: readHello,
    found: withToken,
  },
  {
    name: "WELCOME",
    type: "WELCOME",
    from: "hub",
    fields: { protocol: 1, ...welcome },
    write: (writer) => writeWelcome(writer, welcome),
    read: readWelcome,
    found: welcome,
  },
  {
    name: "GOODBYE in order",
    type: "GOODBYE",
    from: "client",
    fields: {},
    write: (writer) => writeGoodbye(writer),
    read: readGoodbye,
    found: undefined,
  },
  {
    name: "GOODBYE with a reason",
    type: "GOODBYE",
    from: "hub",
    fields: { reason },
    write: (writer) => writeGoodbye(writer, reason),
    read: readGoodbye,
    found: reason,
  },
  {
    name: "RESUMED",
    type: "RESUMED",
    from: "client",
    fields: {},
    write: writeResumed,
    read: () => ({}),
  },
  numbered("PING", "PING", "client", "number", 7),
  numbered("PONG: the largest number", "PONG", "hub", "number", 2 ** 53 - 1),
];
