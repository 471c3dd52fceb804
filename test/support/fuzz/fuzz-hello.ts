/**
 * Hostile greetings, with credentials, for what reads them before anybody is known. Each has a seed of
 * its own; half are damaged. What must hold:
 * - it is read, or refused with a typed reason that names a field and a limit;
 * - it makes no difference how the bytes were cut, and no more is kept of them than a stranger may send;
 * - nobody is let in whose credential is not the token, to the last byte.
 */
import assert from "node:assert/strict";
import { type Hello, readHello, writeHello } from "../../../src/broker/hub/operations/greeting.ts";
import { strangerLimits } from "../../../src/broker/hub/operations/limits.ts";
import { isColloquyError } from "../../../src/errors.ts";
import { sharedToken } from "../../../src/hub/authentication.ts";
import type { Link } from "../../../src/link/link.ts";
import { type Frame, frameTypes } from "../../../src/message/frame.ts";
import { FrameParser } from "../../../src/message/frame-parser.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";
import { frameHeadBytes } from "../../../src/message/limits.ts";
import { Draw } from "./draw.ts";
import { mutate } from "./mutations.ts";

export interface HelloFuzzReport {
  readonly frames: number;
  /** Greetings that were let in, all of them with the token. */
  readonly admitted: number;
  readonly reasons: ReadonlyMap<string, number>;
  readonly slowest: { readonly seed: number; readonly ms: number };
}

const token = "correct horse battery staple";
const authenticate = sharedToken(token);
const nowhere = { peer: "nowhere" } as Link;
const bytesMax = frameHeadBytes + strangerLimits.headerBytesMax + strangerLimits.payloadBytesMax;

export async function fuzzHello(count: number, firstSeed: number): Promise<HelloFuzzReport> {
  const reasons = new Map<string, number>();
  let admitted = 0;
  let slowest = { seed: firstSeed, ms: 0 };
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const draw = new Draw(seed);
    const valid = greeting(draw);
    const bytes = seed % 2 === 0 ? valid : mutate(valid, draw);
    const begin = performance.now();
    try {
      const outcome = read([bytes]);
      const ms = performance.now() - begin;
      if (ms > slowest.ms) slowest = { seed, ms };
      assert.deepEqual(read(cut(bytes, draw)), outcome);
      const reason = typeof outcome === "string" ? outcome : await reasonOf(outcome);
      if (reason === undefined) admitted++;
      else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    } catch (error) {
      const text = Buffer.from(bytes.subarray(0, 2_000)).toString("latin1");
      throw new Error(`seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  return { frames: count, admitted, reasons, slowest };
}

/** @returns the greeting, or why it is none; "cut short" where its end has not come. */
function read(chunks: readonly Uint8Array[]): Hello | string {
  const parser = new FrameParser(strangerLimits);
  const found: (Hello | string)[] = [];
  const take = (frame: Frame) => {
    // A session reads one greeting, and refuses what follows it.
    if (found.length === 0) found.push(attempt(() => readHello(frame)));
  };
  for (const chunk of chunks) {
    const wrong = attempt(() => parser.push(chunk, take));
    if (typeof wrong === "string") return found[0] ?? wrong;
    assert.ok(parser.partialBytes <= bytesMax, `${parser.partialBytes} bytes are kept`);
  }
  return found[0] ?? "cut short";
}

/** @returns undefined for who is let in. */
async function reasonOf(hello: Hello): Promise<string | undefined> {
  try {
    assert.deepEqual(await authenticate(hello, nowhere), { name: "token" });
    assert.equal(hello.credential, token);
    return undefined;
  } catch (error) {
    if (!isColloquyError(error, "UNAUTHORIZED")) throw error;
    assert.notEqual(hello.credential, token);
    return `UNAUTHORIZED ${hello.credential === undefined ? "nothing shown" : "another token"}`;
  }
}

const codes = new Set(["INVALID_MESSAGE", "INVALID_VERSION", "MESSAGE_TOO_LARGE"]);

function attempt<Result>(run: () => Result): Result | string {
  try {
    return run();
  } catch (error) {
    if (!isColloquyError(error) || !codes.has(error.code)) throw error;
    const { field, limit, problem } = error.details;
    assert.ok(field !== undefined && (limit ?? problem) !== undefined, "it names field and limit");
    return `${error.code} ${field}: ${String(limit ?? problem).replaceAll(/\d+/g, "#")}`;
  }
}

function cut(bytes: Uint8Array, draw: Draw): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const pieceMax = bytes.length < 400 && draw.chance(0.1) ? 1 : draw.oneOf([20, 100, 4_000]);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + draw.below(bytes.length < 400 ? pieceMax : 4_000);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

function greeting(draw: Draw): Uint8Array {
  const writer = new FrameWriter();
  const sometimes = (usual: unknown, hostile: unknown) => (draw.chance(0.04) ? hostile : usual);
  const odd = draw.oneOf<unknown>(["", "x".repeat(256), "é\u0000", 7, null, [], {}, true, -1]);
  const hello = {
    incarnation: sometimes("01JD3K8V5Q9X7ZB2C4F6G8H0JK", odd),
    name: sometimes("desk", odd),
    process: sometimes(1, draw.oneOf<unknown>([0.5, 2 ** 60, "1", null, Number.NaN])),
    host: sometimes("here", odd),
    ...draw.oneOf<object>([{}, { credential: credential(draw) }, { credential: token }]),
    ...(sometimes({}, draw.oneOf(extras)) as object),
  };
  writeHello(writer, hello as Hello);
  const bytes = writer.take().slice();
  if (draw.chance(0.03)) bytes[1] = draw.oneOf([0, frameTypes.WELCOME, frameTypes.PUBLISH, 255]);
  return bytes;
}

const extras = [
  { protocol: 2 },
  { protocol: "1" },
  { unknown: { deep: [1, 2, 3] } },
  { credential: ["correct horse battery staple"] },
  { credential: "ü".repeat(4_097) },
];

function credential(draw: Draw): unknown {
  return draw.oneOf<unknown>([
    token.slice(0, -1),
    `${token} `,
    `${token}\u0000`,
    token.toUpperCase(),
    "",
    { toString: token },
    null,
    draw.chance(0.1) ? "c".repeat(draw.oneOf([8_192, 8_193, 20_000])) : draw.text("abc", 0, 30),
  ]);
}
