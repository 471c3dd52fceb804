/**
 * Hostile frames of WebSockets for the reader of hubs. Each stream of frames has a seed of its own, half
 * of them damaged. What must hold:
 * - it makes no difference how the bytes were cut;
 * - a reader that was written by others, the `ws` library's, makes the same of them: the same bytes, as
 *   far as it passes on what has no end yet, the same PINGs, and an end where ours sees one.
 */
import assert from "node:assert/strict";
import type { Writable } from "node:stream";
import * as library from "ws";
import {
  opcodes,
  WebSocketReader,
  webSocketFragmentsMax,
} from "../../../src/link/websocket-frames.ts";
import { frameBytes, type WebSocketFrame } from "../../hub/support/stranger.ts";
import { Draw } from "./draw.ts";
import { joined, mutate } from "./mutations.ts";

export interface WebSocketFuzzReport {
  readonly frames: number;
  /** Why streams ended, by code and reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Streams that were read to their last byte. */
  readonly survived: number;
  readonly slowest: { readonly seed: number; readonly ms: number };
}

interface Outcome {
  readonly data: Buffer;
  readonly pings: Buffer;
  readonly end: string | undefined;
  readonly told: boolean;
}

const framesPerStream = 4;

export function fuzzWebSocket(count: number, firstSeed: number): WebSocketFuzzReport {
  const reasons = new Map<string, number>();
  let survived = 0;
  let slowest = { seed: firstSeed, ms: 0 };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const streams = Math.ceil(count / framesPerStream);
  for (let seed = firstSeed; seed < firstSeed + streams; seed++) {
    const draw = new Draw(seed);
    const valid = joined(frames(draw).map(frameBytes));
    const bytes = seed % 2 === 0 ? valid : mutate(valid, draw);
    const begin = performance.now();
    const outcome = read([bytes]);
    const ms = performance.now() - begin;
    if (ms > slowest.ms) slowest = { seed, ms };
    try {
      compareCut(outcome, read(cut(bytes, draw)));
      compare(outcome, readByLibrary(bytes));
    } catch (error) {
      const hex = Buffer.from(bytes.subarray(0, 2_000)).toString("hex");
      throw new Error(`seed ${seed}: ${hex}`, { cause: error });
    }
    if (outcome.end === undefined) survived++;
    else reasons.set(outcome.end, (reasons.get(outcome.end) ?? 0) + 1);
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { frames: streams * framesPerStream, reasons, survived, slowest };
}

function read(chunks: readonly Uint8Array[]): Outcome {
  const data: Uint8Array[] = [];
  const pings: Uint8Array[] = [];
  const reader = new WebSocketReader({
    onData: (piece) => data.push(piece),
    onPing: (payload) => pings.push(payload),
  });
  let end: ReturnType<typeof reader.push>;
  // Masks are taken off in place.
  for (const chunk of chunks) end = reader.push(chunk.slice());
  const said = end === undefined ? undefined : end.told ? "told" : `${end.code} ${end.reason}`;
  return {
    data: Buffer.concat(data),
    pings: Buffer.concat(pings),
    end: said,
    told: end?.told ?? false,
  };
}

interface LibraryOutcome extends Omit<Outcome, "end"> {
  readonly ended: boolean;
}

/** The library exports it, and does not type it. */
const { Receiver } = library as unknown as {
  readonly Receiver: new (options: object) => Writable;
};

function readByLibrary(bytes: Uint8Array): LibraryOutcome {
  const receiver = new Receiver({ isServer: true, maxPayload: 65_536, maxFragments: 16 });
  const data: Uint8Array[] = [];
  const pings: Uint8Array[] = [];
  let ended = false;
  let told = false;
  receiver.on("message", (message: Buffer) => data.push(message));
  receiver.on("ping", (payload: Buffer) => pings.push(payload));
  receiver.on("conclude", () => {
    ended = true;
    told = true;
  });
  receiver.on("error", () => {});
  receiver.write(Buffer.from(bytes), (error) => {
    if (error) ended = true;
  });
  ended ||= receiver.errored !== null;
  return { data: Buffer.concat(data), pings: Buffer.concat(pings), ended, told };
}

/** Text and what comes behind it the library reads on, and it does not count pieces that are empty; we end. */
function compare(ours: Outcome, theirs: LibraryOutcome): void {
  if (ours.end?.startsWith("1003") === true || ours.end?.startsWith("1008") === true) return;
  assert.equal(theirs.ended, ours.end !== undefined, `ours: ${ours.end}`);
  assert.equal(theirs.told, ours.told);
  assert.ok(theirs.pings.equals(ours.pings), "other PINGs");
  assert.ok(theirs.data.equals(ours.data.subarray(0, theirs.data.length)), "other bytes");
}

function compareCut(whole: Outcome, pieces: Outcome): void {
  assert.equal(pieces.end, whole.end);
  assert.ok(pieces.pings.equals(whole.pings), "other PINGs when cut");
  assert.ok(pieces.data.equals(whole.data), "other bytes when cut");
}

function cut(bytes: Uint8Array, draw: Draw): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const pieceMax = draw.oneOf([1, 3, 40, 4_096]);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + draw.below(bytes.length > 2_000 ? 4_096 : pieceMax);
    pieces.push(bytes.slice(at, end));
    at = end;
  }
  return pieces;
}

/** Mostly what may follow one another: pieces of messages, control frames between them. */
function frames(draw: Draw): readonly WebSocketFrame[] {
  const { binary, continuation } = opcodes;
  let open = false;
  return Array.from({ length: framesPerStream }, () => {
    const next = open !== draw.chance(0.03) ? continuation : binary;
    const opcode = draw.chance(0.25) ? controlOpcode(draw) : next;
    const fin = opcode >= opcodes.close ? !draw.chance(0.02) : draw.chance(0.5);
    if (opcode < opcodes.close) open = !fin;
    // Many pieces, so that there are too many.
    const times = opcode === continuation && draw.chance(0.02) ? webSocketFragmentsMax : 1;
    return new Array<WebSocketFrame>(times).fill(frame(opcode, fin, draw));
  }).flat();
}

function controlOpcode(draw: Draw): number {
  const { close, ping, pong, text } = opcodes;
  return draw.oneOf([ping, ping, ping, pong, close, draw.oneOf([text, draw.below(16)])]);
}

function frame(opcode: number, fin: boolean, draw: Draw): WebSocketFrame {
  const payload = opcode === opcodes.close ? closePayload(draw) : draw.bytes(draw.below(24));
  const mask = draw.bytes(4);
  const lie = draw.chance(0.03)
    ? { length: draw.oneOf([0, 125, 126, 127, 65_535, 65_536, 65_537, 2 ** 32, draw.number()]) }
    : {};
  return {
    opcode,
    payload: draw.chance(0.002) ? new Uint8Array(draw.below(70_000)) : payload,
    fin,
    mask: draw.chance(0.01) ? undefined : (mask as unknown as WebSocketFrame["mask"]),
    reserved: draw.chance(0.01) ? 1 + draw.below(7) : 0,
    ...lie,
  };
}

function closePayload(draw: Draw): Uint8Array {
  if (draw.chance(0.2)) return draw.bytes(draw.below(4));
  const code = draw.oneOf([1_000, 1_001, 1_004, 1_005, 1_006, 1_014, 1_015, 2_999, 3_000, 5_000]);
  const reason = draw.chance(0.2) ? draw.bytes(5) : new TextEncoder().encode("grüße");
  return joined([Uint8Array.of(code >>> 8, code & 0xff), reason]);
}
