/**
 * Feeds hostile bytes to everything that reads a message. Each frame has a seed of its own, printed
 * when something is wrong with it, so that it can be looked at alone: `fuzzFrames(1, seed)`.
 *
 * What must hold for every frame, half of which are mutations of valid ones:
 * - it is read, or refused with one of four codes naming a field and a limit; nothing else is thrown;
 * - it makes no difference where in memory the bytes lie or how they were cut;
 * - what was read can be written, and is then read as the same.
 */
import assert from "node:assert/strict";
import { isColloquyError } from "../../../src/errors.ts";
import { decodeBatch } from "../../../src/message/batch.ts";
import {
  decodeMessage,
  encodeMessage,
  messageFrameLimits,
  readMessage,
} from "../../../src/message/envelope-codec.ts";
import { FrameParser } from "../../../src/message/frame-parser.ts";
import { type Message, payloadCodecs } from "../../../src/message/message.ts";
import { decodePayload, encodePayload } from "../../../src/message/payload.ts";
import { validateEnvelope } from "../../../src/message/validate-envelope.ts";
import { Draw } from "./draw.ts";
import { hostileFrame } from "./hostile-messages.ts";
import { mutate } from "./mutations.ts";
import { validFrame } from "./valid-messages.ts";

export interface FuzzReport {
  readonly frames: number;
  /** Frames whose envelope and payload were both read. */
  readonly accepted: number;
  /** How often each reason to refuse was given. */
  readonly reasons: ReadonlyMap<string, number>;
  readonly slowest: { readonly seed: number; readonly ms: number };
}

export function fuzzFrames(frames: number, firstSeed: number): FuzzReport {
  const reasons = new Map<string, number>();
  let accepted = 0;
  let slowest = { seed: firstSeed, ms: 0 };
  const { stackTraceLimit } = Error;
  // Refusals are the common case here, and most of their cost is a stack that nobody reads.
  Error.stackTraceLimit = 0;
  for (let seed = firstSeed; seed < firstSeed + frames; seed++) {
    const begin = performance.now();
    const reason = fuzzFrame(seed);
    const ms = performance.now() - begin;
    if (ms > slowest.ms) slowest = { seed, ms };
    if (reason === undefined) accepted++;
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { frames, accepted, reasons, slowest };
}

/** @returns why the frame of this seed was refused; undefined when it was read. */
function fuzzFrame(seed: number): string | undefined {
  const draw = new Draw(seed);
  const bytes = seed % 2 === 0 ? mutate(validFrame(draw), draw) : hostileFrame(draw);
  try {
    const outcome = attempt(() => copied(decodeMessage(bytes)));
    const again = attempt(draw.oneOf(otherReaders).bind(undefined, bytes, draw));
    // Bytes that are no whole frame are refused at once, or never end, or end in an error of the next.
    const whole = typeof outcome !== "string" || !outcome.includes(" frame:");
    if (whole) assert.deepEqual(again, outcome);
    if (typeof outcome === "string") return outcome;
    checkRoundTrip(outcome);
    const read = attempt(() => readPayload(outcome));
    return typeof read === "string" ? read : undefined;
  } catch (error) {
    const hex = Buffer.from(bytes.subarray(0, 2_000)).toString("hex");
    throw new Error(`seed ${seed}: ${hex}`, { cause: error });
  }
}

const codes = new Set([
  "INVALID_MESSAGE",
  "INVALID_VERSION",
  "MESSAGE_TOO_LARGE",
  "SERIALIZATION_ERROR",
]);

/** The result of `run`, or the reason it was refused, with figures left out. */
function attempt<Result>(run: () => Result): Result | string {
  try {
    return run();
  } catch (error) {
    if (!isColloquyError(error) || !codes.has(error.code)) throw error;
    const { field = "payload", limit, problem, unit = "" } = error.details;
    assert.ok(limit ?? problem, "a refusal names its limit or problem");
    const expected = `${limit ?? problem} ${unit}`.trim();
    const cut = expected.endsWith("more bytes of header");
    const place = cut ? "header" : String(field).replace(/^headers\..*/s, "headers.*");
    return `${error.code} ${place}: ${expected.replaceAll(/\d+/g, "#")}`;
  }
}

type Reader = (bytes: Uint8Array, draw: Draw) => Message | string;

const otherReaders: readonly Reader[] = [readFromPool, readAtOffset, readInPieces];

function readFromPool(bytes: Uint8Array): Message {
  return copied(decodeMessage(Buffer.from(bytes)));
}

/** In the middle of a larger array, with noise on both sides. */
function readAtOffset(bytes: Uint8Array, draw: Draw): Message {
  const before = draw.below(16);
  const larger = new Uint8Array(before + bytes.length + draw.below(16)).fill(draw.below(256));
  larger.set(bytes, before);
  return copied(decodeMessage(larger.subarray(before, before + bytes.length)));
}

/** Through the parser, cut anywhere. */
function readInPieces(bytes: Uint8Array, draw: Draw): Message | string {
  const parser = new FrameParser(messageFrameLimits);
  const messages: (Message | string)[] = [];
  const pieceMax = bytes.length < 600 ? draw.oneOf([1, 7, 64]) : 4_096;
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + draw.below(pieceMax);
    parser.push(bytes.slice(at, end), (frame) => {
      messages.push(attempt(() => copied(readMessage(frame))));
    });
    at = end;
  }
  return messages[0] ?? "no frame";
}

/** The message with a payload of its own, so that two can be compared wherever their bytes lay. */
function copied({ envelope, payload }: Message): Message {
  const { codec, compression, bytes } = payload;
  return { envelope, payload: { codec, compression, bytes: new Uint8Array(bytes) } };
}

function checkRoundTrip({ envelope, payload }: Message): void {
  const again = decodeMessage(encodeMessage(envelope, payload));
  assert.deepEqual(copied(again), { envelope, payload });
  assert.equal(validateEnvelope(envelope), envelope);
}

/** What was read, written again, must be read as the same; -0 is the one value that JSON loses. */
function readPayload({ payload }: Message): void {
  if (payload.codec === payloadCodecs.frames) {
    for (const frame of decodeBatch(payload)) readMessage(frame);
    return;
  }
  const written = encodePayload(decodePayload(payload));
  assert.deepEqual(encodePayload(decodePayload(written)), written);
}
