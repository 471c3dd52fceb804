/**
 * The batch: one message of kind "batch" whose payload is a run of message frames, each whole and as
 * its sender made it. Up to 1,000 messages; a batch does not hold batches.
 */

import { decompressPayload } from "./compression.ts";
import { messageFrameLimits } from "./envelope-codec.ts";
import { type Frame, frameAt, frameTypes } from "./frame.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { batchMessagesMax, payloadBytesMax } from "./limits.ts";
import { compressions, type EncodedPayload, payloadCodecs } from "./message.ts";

/** Bytes from the start of a message frame to the number of its codec. */
const codecOffset = 12 + 5;

/**
 * @param frames - as `encodeMessage` makes them.
 * @throws MESSAGE_TOO_LARGE for more than 1,000 frames or `bytesMax`, INVALID_MESSAGE for what is not
 *   one whole message frame.
 */
export function encodeBatch(
  frames: readonly Uint8Array[],
  bytesMax: number = payloadBytesMax,
): EncodedPayload {
  if (frames.length > batchMessagesMax) {
    throw tooLarge("batch", batchMessagesMax, "messages", frames.length);
  }
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  if (length > bytesMax) throw tooLarge("batch", bytesMax, "bytes", length);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const frame of frames) {
    if (memberAt(frame, 0).end !== frame.length) throw invalidMessage("batch", "whole frames");
    bytes.set(frame, at);
    at += frame.length;
  }
  return { codec: payloadCodecs.frames, compression: compressions.none, bytes };
}

/** The frames of a batch where they lie, for `readMessage`. @throws like `encodeBatch`. */
export function decodeBatch(
  payload: EncodedPayload,
  bytesMax: number = payloadBytesMax,
): readonly Frame[] {
  if (payload.codec !== payloadCodecs.frames) throw invalidMessage("codec", "frames");
  const { bytes } = decompressPayload(payload, bytesMax);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (frames.length === batchMessagesMax) {
      throw tooLarge("batch", batchMessagesMax, "messages");
    }
    const frame = memberAt(bytes, at);
    frames.push(frame);
    at = frame.end;
  }
  return frames;
}

function memberAt(bytes: Uint8Array, at: number): Frame {
  const frame = frameAt(bytes, at, messageFrameLimits);
  if (frame.type !== frameTypes.MESSAGE) throw invalidMessage("batch", "message frames");
  if (bytes[frame.start + codecOffset] === payloadCodecs.frames) {
    throw invalidMessage("batch", "messages that are not batches");
  }
  return frame;
}
