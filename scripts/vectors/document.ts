/** The whole of clients/vectors.json. */
import { isColloquyError } from "../../src/errors.ts";
import { type Frame, frameAt, frameTypes } from "../../src/message/frame.ts";
import { callFrames } from "./call-frames.ts";
import type { FrameVector } from "./frame-vector.ts";
import { type MalformedVector, malformedVectors } from "./malformed.ts";
import { messageVectors } from "./messages.ts";
import { packedVectors, payloadVectors } from "./payloads.ts";
import { queueFrames } from "./queue-frames.ts";
import { sessionFrames } from "./session-frames.ts";
import { playedSessions } from "./sessions.ts";
import { settleFrames } from "./settle-frames.ts";
import { topicFrames } from "./topic-frames.ts";
import { hexOf, portable, written } from "./vector.ts";

export const frameVectors: readonly FrameVector[] = [
  ...sessionFrames,
  ...topicFrames,
  ...queueFrames,
  ...settleFrames,
  ...callFrames,
];

const about =
  "Made by scripts/vectors.ts; docs/protocol.md says how to use it. Bytes are hexadecimal; inside values they are {$hex}. A value that is missing is no value.";

/** The file, as text. */
export async function vectorsFile(): Promise<string> {
  const sessions = await playedSessions();
  const document = {
    about,
    frames: frameVectors.map(frameEntry),
    messages: messageVectors.map(({ name, envelope, value, bytes, readOnly }) => {
      return { name, hex: hexOf(bytes), envelope, value: portable(value), readOnly };
    }),
    payloads: payloadVectors.map(({ name, codec, compression, value, bytes, readOnly }) => {
      return { name, codec, compression, hex: hexOf(bytes), value: portable(value), readOnly };
    }),
    packed: packedVectors.map(({ name, value, bytes }) => {
      return { name, hex: hexOf(bytes), value: portable(value) };
    }),
    sessions: sessions.map(({ name, steps }) => ({
      name,
      steps: steps.map(({ client, sends, receives, ends }) => ({
        client,
        sends: framesOf(sends),
        receives: receives.map(framesOf),
        ends,
      })),
    })),
    malformed: malformedVectors.map(malformedEntry),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function frameEntry({ name, type, from, fields, write }: FrameVector): object {
  const bytes = written(write);
  const frame = frameAt(bytes);
  if (frame.end !== bytes.length || frame.type !== frameTypes[type]) throw new Error(name);
  const { header, payload, flags } = frame;
  return {
    name,
    type,
    from,
    flags,
    hex: hexOf(bytes),
    header: hexOf(header),
    payload: hexOf(payload),
    fields: portable(fields),
  };
}

function malformedEntry({ name, as, bytes, code, read, ...more }: MalformedVector): object {
  const { codec, compression, beforeWelcome } = more;
  const field = refusalOf(read, code, name);
  return { name, as, codec, compression, beforeWelcome, hex: hexOf(bytes), error: { code, field } };
}

/** @returns the field that the refusal names. @throws when it is another, or none. */
export function refusalOf(read: () => unknown, code: string, name: string): unknown {
  try {
    read();
  } catch (error) {
    if (isColloquyError(error) && error.code === code) return error.details["field"];
    throw new Error(`${name}: not ${code}`, { cause: error });
  }
  throw new Error(`${name}: not refused`);
}

/** Whole frames one behind the other; what is no frame stands as it is. */
function framesOf(bytes: Uint8Array): readonly string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = frameOrNone(bytes, at);
    if (frame === undefined) return [...frames, hexOf(bytes.subarray(at))];
    frames.push(hexOf(frame.bytes));
    at = frame.end;
  }
  return frames;
}

function frameOrNone(bytes: Uint8Array, at: number): Frame | undefined {
  try {
    return frameAt(bytes, at);
  } catch {
    return undefined;
  }
}
