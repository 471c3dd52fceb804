/** Messages that every reader must take, covering each field and each form of payload. */
import type { Address } from "../../../src/message/address.ts";
import { encodeBatch } from "../../../src/message/batch.ts";
import { compressPayload } from "../../../src/message/compression.ts";
import type { Envelope } from "../../../src/message/envelope.ts";
import { encodeMessage } from "../../../src/message/envelope-codec.ts";
import { kinds, priorities } from "../../../src/message/envelope-fields.ts";
import type { EncodedPayload } from "../../../src/message/message.ts";
import { encodePayload } from "../../../src/message/payload.ts";
import { Draw } from "./draw.ts";

/** Enough to mutate; making each anew would take most of a run. */
const framesKept = 5_000;
const frames: Uint8Array[] = [];

/** Not to be changed: others get the same. */
export function validFrame(draw: Draw): Uint8Array {
  const number = draw.below(framesKept);
  frames[number] ??= newFrame(new Draw(number));
  return frames[number];
}

function newFrame(draw: Draw): Uint8Array {
  return encodeMessage(validEnvelope(draw), validPayload(draw)).slice();
}

export function validEnvelope(draw: Draw): Envelope {
  const maybe = <Value>(field: string, make: () => Value): Record<string, Value> =>
    draw.chance(0.3) ? { [field]: make() } : {};
  return {
    id: id(draw),
    version: "1.0.0",
    kind: draw.oneOf(kinds.filter((kind) => kind !== undefined)),
    name: name(draw),
    from: { agent: id(draw), type: id(draw), instance: id(draw) },
    to: Array.from({ length: draw.oneOf([0, 1, 1, 1, 1, 5]) }, () => address(draw)),
    createdMs: draw.number(),
    priority: draw.oneOf(priorities),
    ...maybe("ttlMs", () => draw.number()),
    ...maybe("deadlineMs", () => draw.number()),
    ...maybe("timeoutMs", () => draw.number()),
    ...maybe("sequence", () => draw.number()),
    ...maybe("credit", () => draw.number()),
    ...maybe("hops", () => draw.number()),
    ...maybe("budget", () => draw.number()),
    ...maybe("replyTo", () => topic(draw)),
    ...maybe("correlationId", () => id(draw)),
    ...maybe("conversationId", () => id(draw)),
    ...maybe("workflowId", () => id(draw)),
    ...maybe("causationId", () => id(draw)),
    ...maybe("key", () => name(draw)),
    ...maybe("trace", () => name(draw)),
    ...maybe("path", () =>
      Array.from({ length: draw.below(4) }, () => ({ agent: id(draw), name: name(draw) })),
    ),
    ...maybe("headers", () => headers(draw)),
    ...maybe("status", () => "partial" as const),
  };
}

export function validPayload(draw: Draw): EncodedPayload {
  if (draw.chance(0.02)) return batch(draw);
  const payload = encodePayload(draw.chance(0.05) ? undefined : value(draw, 0));
  if (!draw.chance(0.05)) return payload;
  return compressPayload(payload, { algorithm: draw.oneOf(["gzip", "zstd"]), bytesMin: 1 });
}

function batch(draw: Draw): EncodedPayload {
  const member = () => encodeMessage(validEnvelope(draw), encodePayload(value(draw, 2)));
  return encodeBatch(Array.from({ length: draw.below(5) }, member));
}

export function value(draw: Draw, depth: number): unknown {
  const leaf = depth > 3 || draw.chance(0.5);
  if (leaf) {
    const makers = [
      () => draw.number(),
      () => draw.number() / 7,
      () => draw.text('abc \u00fc\u{1f600}"\\\n\ud800', 0, 20),
      () => draw.chance(0.5),
      () => null,
      () => draw.bytes(draw.below(40)),
      () => "x".repeat(draw.below(500)),
    ];
    return draw.oneOf(makers)();
  }
  const length = draw.below(5);
  if (draw.chance(0.5)) return Array.from({ length }, () => value(draw, depth + 1));
  return Object.fromEntries(
    Array.from({ length }, () => [draw.text("abc01 ü", 0, 5), value(draw, depth + 1)]),
  );
}

const idCharacters = "abcXYZ019._-/:@";

function id(draw: Draw): string {
  return draw.text(idCharacters, 1, draw.oneOf([3, 26, 26, 128]));
}

function name(draw: Draw): string {
  return draw.oneOf([
    () => "risk.assess",
    () => draw.text("abc .~!", 1, 255),
    () => draw.text("aü漢\u{1f600}", 1, 60),
  ])();
}

function address(draw: Draw): Address {
  return `${draw.oneOf(["agent", "type", "skill", "all"] as const)}:${id(draw)}`;
}

function topic(draw: Draw): string {
  const tokens = Array.from({ length: 1 + draw.below(5) }, () => draw.text("ab_-/:@9", 1, 8));
  return tokens.join(".");
}

function headers(draw: Draw): Readonly<Record<string, string>> {
  const pair = () => [draw.text("abc-X1", 1, 12), draw.text("v ;=ü漢", 0, 30)] as const;
  return Object.fromEntries(Array.from({ length: draw.below(6) }, pair));
}
