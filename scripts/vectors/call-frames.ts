/** Calls and their answers. */
import {
  readCall,
  readNote,
  readReply,
  writeCall,
  writeErrorReply,
  writeNote,
  writeReply,
} from "../../src/broker/hub/operations/call.ts";
import { packValue } from "../../src/exchange/packed.ts";
import type { FrameVector } from "./frame-vector.ts";
import { numbered } from "./session-frames.ts";

const notFound = { code: "NOT_FOUND", message: "cursor: 3", retryable: false } as const;

function call(name: string, codec: number, method: string, parameters: unknown): FrameVector {
  return {
    name: `CALL ${name}`,
    type: "CALL",
    from: "client",
    fields: { number: 5, method, codec, parameters },
    write: (writer) => writeCall(writer, 5, method, parameters),
    read: readCall,
    found: { number: 5, method, parameters },
  };
}

function reply(name: string, codec: number, value: unknown): FrameVector {
  return {
    name: `REPLY ${name}`,
    type: "REPLY",
    from: "hub",
    fields: { number: 5, status: 0, codec, ...(value === undefined ? {} : { value }) },
    write: (writer) => writeReply(writer, 5, value),
    read: readReply,
    found: { number: 5, ok: true, value },
  };
}

const entry = {
  key: "presence/01JDWRKERWRKERWRKERWRKERWR/lease",
  value: packValue({ links: 1 }),
  revision: 9,
};
const changes = [
  { kind: "put", ...entry },
  { kind: "delete", key: "presence/x/lease" },
  { kind: "reset" },
];

export const callFrames: readonly FrameVector[] = [
  call("queues.declare", 1, "queues.declare", { queues: ["type:email"] }),
  call("store.put, with bytes inside", 3, "store.put", {
    writes: [{ key: entry.key, value: entry.value, ttlMs: 5_000, volatile: true, bound: true }],
  }),
  call("queues.cancel", 1, "queues.cancel", {
    queue: "type:email",
    position: 100,
    ifUnstarted: true,
    reason: { code: "CANCELLED", message: "no longer wanted", retryable: false },
  }),
  reply("without a value", 0, undefined),
  reply("with a value", 1, { kind: "stored", revisions: [9] }),
  reply("with bytes inside, and null for what is not there", 3, [entry, null]),
  {
    name: "REPLY with an error",
    type: "REPLY",
    from: "hub",
    fields: { number: 5, status: 1, codec: 1, value: notFound },
    write: (writer) => writeErrorReply(writer, 5, notFound),
    read: readReply,
    found: { number: 5, ok: false, error: notFound },
  },
  {
    name: "NOTE of a watch",
    type: "NOTE",
    from: "hub",
    fields: { number: 5, codec: 3, value: changes },
    write: (writer) => writeNote(writer, 5, changes),
    read: readNote,
    found: { number: 5, value: changes },
  },
  numbered("HANGUP", "HANGUP", "client", "number", 5),
];
