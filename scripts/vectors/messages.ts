/** Messages of each kind that agents send, and some that a reader has to bear with. */
import { type ControlName, controlNames, toHandler } from "../../src/exchange/requests/control.ts";
import { encodeBatch } from "../../src/message/batch.ts";
import type { Envelope } from "../../src/message/envelope.ts";
import { encodeMessage, encodeValue } from "../../src/message/envelope-codec.ts";
import { bytesOf } from "./vector.ts";

export interface MessageVector {
  readonly name: string;
  readonly envelope: Envelope;
  /** Undefined: there is no payload. */
  readonly value: unknown;
  readonly bytes: Uint8Array;
  /** Nobody here writes it just so. */
  readonly readOnly?: true;
}

const asker = { agent: "desk", type: "desk", instance: "01JDASKERASKERASKERASKERAS" } as const;
const worker = {
  agent: "analyst-1",
  type: "analyst",
  instance: "01JDWRKERWRKERWRKERWRKERWR",
} as const;
const requestId = "01JDREQUESTREQUESTREQUESTR";
const createdMs = 1_767_225_600_000;
const askerInbox = `_inbox.${asker.instance}`;
const common = { version: "1.0.0", createdMs, priority: "normal" } as const;

const request: Envelope = {
  ...common,
  id: requestId,
  kind: "request",
  name: "risk.assess",
  from: asker,
  to: ["agent:analyst-1"],
  timeoutMs: 30_000,
  hops: 32,
  replyTo: askerInbox,
};

/** What answers the request, or is about it. */
const answer: Envelope = {
  ...common,
  id: requestId,
  kind: "response",
  name: "risk.assess",
  from: worker,
  to: ["agent:desk"],
  correlationId: requestId,
};

const event: Envelope = {
  ...common,
  id: "01JDEVENTEVENTEVENTEVENTEV",
  kind: "event",
  name: "market.gold",
  from: worker,
  to: [],
};

const command: Envelope = {
  ...common,
  id: "01JDCMMANDCMMANDCMMANDCMMA",
  kind: "command",
  name: "SEND_EMAIL",
  from: asker,
  to: ["type:email"],
  hops: 32,
};

/** Who asks says where it wants to be told; an answer to that needs none. */
function control(name: ControlName, more: Partial<Envelope>): Envelope {
  const index = String(controlNames.indexOf(name)).padStart(2, "0");
  const asks = toHandler.has(name) || ["waits", "survey"].includes(name);
  return {
    ...common,
    id: `01JDCNTRLCNTRLCNTRLCNTRL${index}`,
    kind: "control",
    name,
    from: asks ? asker : worker,
    to: [asks ? "agent:analyst-1" : "agent:desk"],
    priority: "critical",
    correlationId: requestId,
    ...(asks ? { replyTo: askerInbox } : {}),
    ...more,
  };
}

const ago = { sentAgoMs: 1_250 };

const controls: Readonly<Record<ControlName, readonly [value: unknown, more?: Partial<Envelope>]>> =
  {
    accepted: ["started"],
    progress: [{ done: 3, of: 10 }],
    resumable: [undefined],
    question: [{ number: 1, question: "which account?" }],
    refused: [undefined],
    missing: [undefined],
    forgotten: [undefined],
    verdict: [{ ask: "cancel", outcome: "in-progress" }],
    cancel: [ago],
    leave: [ago],
    look: [ago],
    credit: [undefined, { credit: 150 }],
    inquiry: [ago, { sequence: 41, credit: 150 }],
    attach: [undefined, { sequence: 41, credit: 150 }],
    answer: [{ number: 1, kind: "answer", answer: "account-7731" }],
    waits: [[requestId]],
    waiting: [null],
    survey: [undefined],
    surveyed: [{ joinedForMs: 60_000, counters: {}, agents: [] }],
    present: [undefined],
  };

const failure = {
  code: "HANDLER_FAILED",
  message: "no prices today",
  retryable: false,
  details: { name: "RangeError" },
};

const all: Envelope = {
  ...request,
  name: "Prüfung",
  to: ["agent:analyst-1", "type:analyst", "skill:risk.assess", "all:analyst"],
  priority: "low",
  ttlMs: 60_000,
  deadlineMs: createdMs + 10_000,
  sequence: 2 ** 53 - 1,
  credit: 100,
  budget: 20,
  correlationId: "01JDCAUSECAUSECAUSECAUSECA",
  conversationId: "conversation/7",
  workflowId: "workflow@1",
  causationId: "01JDCAUSECAUSECAUSECAUSECA",
  key: "cust-456",
  trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  path: [
    { agent: "desk", name: "review" },
    { agent: "critic", name: "bewerten…" },
  ],
  headers: { "x-tenant": "north", note: "größer €" },
  status: "partial",
};

const written: readonly (readonly [name: string, envelope: Envelope, value: unknown])[] = [
  ["request", request, { portfolio: "north", exposure: 250.5 }],
  ["request without a payload", request, undefined],
  ["request for a stream: credit for 100 chunks", { ...request, credit: 100 }, "bees"],
  ["every optional field", all, null],
  ["answer: its id is that of the request, and left out", answer, { score: 0.2 }],
  ["answer with bytes", answer, bytesOf("00ff10")],
  ["chunk of a stream", { ...answer, sequence: 1, status: "partial" }, "a draft"],
  ["last answer of a stream of three chunks", { ...answer, sequence: 3 }, undefined],
  ["failure", { ...answer, kind: "error" }, failure],
  ["event", event, { price: 4_321.5 }],
  ["command", command, { to: "a@example.org" }],
  [
    "command with a key, a deadline and a time to live",
    { ...command, key: "cust-456", ttlMs: 60_000, deadlineMs: createdMs + 90_000 },
    { to: "a@example.org" },
  ],
  ["notification", { ...event, kind: "notification" }, true],
  ["heartbeat", { ...event, kind: "heartbeat" }, undefined],
  ...controlNames.map((name) => {
    const [value, more] = controls[name];
    return [`control ${name}`, control(name, more ?? {}), value] as const;
  }),
];

/** Where things are, for those who change bytes. Offsets are from the beginning of the frame. */
const reservedOffset = 12 + 7;
const presentOffset = 12 + 8;

/** With what a reader skips: reserved byte, authentication, a field to come, unknown flags. */
function withUnknownParts(): Uint8Array {
  const plain = Buffer.from(encodeValue(event, 1));
  const headerLength = plain.readUInt32BE(4);
  const authenticationAt = presentOffset + 4 + 8;
  const changed = Buffer.concat([
    plain.subarray(0, authenticationAt),
    bytesOf("0003 aabbcc"),
    plain.subarray(authenticationAt + 2, 12 + headerLength),
    bytesOf("0102030405060708"),
    plain.subarray(12 + headerLength),
  ]);
  changed[3] = 0xfe;
  changed.writeUInt32BE(headerLength + 3 + 8, 4);
  changed[reservedOffset] = 0xff;
  changed.writeUInt32BE(0x20000, presentOffset);
  return new Uint8Array(changed);
}

/** The id written out where it could have been left out. */
function withWholeId(): Uint8Array {
  const plain = Buffer.from(encodeValue(answer, 1));
  const headerLength = plain.readUInt32BE(4);
  const idAt = presentOffset + 4 + 8 + 2;
  const id = Buffer.from(requestId);
  const changed = Buffer.concat([
    plain.subarray(0, idAt),
    Uint8Array.of(id.length),
    id,
    plain.subarray(idAt + 1),
  ]);
  changed.writeUInt32BE(headerLength + id.length, 4);
  return new Uint8Array(changed);
}

const batchEnvelope: Envelope = {
  ...event,
  id: "01JDBATCHBATCHBATCHBATCHBA",
  kind: "batch",
  name: "batch",
};
const batched = [
  encodeValue(event, 1),
  encodeValue({ ...event, id: "01JDEVENT2EVENT2EVENT2EVEN" }, 2),
];

export const messageVectors: readonly MessageVector[] = [
  ...written.map(([name, envelope, value]) => ({
    name,
    envelope,
    value,
    bytes: encodeValue(envelope, value),
  })),
  {
    name: "batch: its value is the bytes of the messages in it",
    envelope: batchEnvelope,
    value: batched,
    bytes: encodeMessage(batchEnvelope, encodeBatch(batched)),
  },
  {
    name: "an answer that does not leave its id out",
    envelope: answer,
    value: 1,
    bytes: withWholeId(),
    readOnly: true,
  },
  {
    name: "unknown flags, the reserved byte, authentication and a field to come: all are skipped",
    envelope: event,
    value: 1,
    bytes: withUnknownParts(),
    readOnly: true,
  },
];

export const anEvent: Uint8Array = encodeValue(event, { price: 4_321.5 });
export const aCommand: Uint8Array = encodeValue(command, { to: "a@example.org" });
