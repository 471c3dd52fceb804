/**
 * A message as one frame.
 *
 *   frame          = head header payload             type MESSAGE, see frame.ts
 *   header         = fixed authentication addressing fields
 *   fixed          = major minor patch               u8 each: the protocol version, 1.0.0
 *                    kind priority                   u8 each: see envelope-fields.ts
 *                    codec compression               u8 each: see message.ts
 *                    reserved                        u8, 0; readers ignore it
 *                    present                         u32, one bit per optional field
 *                    createdMs                       u53
 *   authentication = length bytes                    u16: reserved for key id and signature, skipped
 *   addressing     = id name agent type instance     text each; the last three are the sender; an
 *                                                    id that is the correlationId is left empty
 *                    count address*                  u16: the recipients
 *   fields         = the optional fields whose bit is set, in the order of the bits:
 *                    ttlMs deadlineMs timeoutMs sequence credit hops budget     u53 each
 *                    replyTo correlationId conversationId workflowId
 *                    causationId key trace                                      text each
 *                    path     = count (agent name)*                             u8
 *                    headers  = count (name value)*                             u8; value: u16 length
 *
 *   text = length bytes, u8: UTF-8          u53 = 8 bytes, a whole number up to 2^53 - 1
 *
 * Integers are big-endian. The meaning of a bit never changes; a field to come takes the next bit and
 * goes last, where readers that do not know it skip it with the rest of the header. The header is
 * written by envelope-writer.ts and read by envelope-reader.ts.
 */
import { type CompressionOptions, compressPayload, mayCompress } from "./compression.ts";
import type { Envelope } from "./envelope.ts";
import { readHeader } from "./envelope-reader.ts";
import { writeHeader } from "./envelope-writer.ts";
import { type Frame, type FrameLimits, frameAt, frameTypes } from "./frame.ts";
import { FrameWriter, type OpenFrame } from "./frame-writer.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { frameHeadBytes, headerBytesMax, payloadBytesMax } from "./limits.ts";
import {
  compressions,
  type EncodedPayload,
  type Message,
  type PayloadForm,
  payloadCodecs,
} from "./message.ts";
import { encodeJson, encodePayload, jsonOf } from "./payload.ts";

export const messageFrameLimits: FrameLimits = { headerBytesMax, payloadBytesMax };

const shared: FrameWriter = new FrameWriter();

/**
 * The frame of one message, for a broker.
 *
 * @throws INVALID_MESSAGE with the field and its limit, MESSAGE_TOO_LARGE for a header above 64 KiB,
 *   headers above 16 KiB or a payload above `limits`.
 */
export function encodeMessage(
  envelope: Envelope,
  payload: EncodedPayload,
  limits: FrameLimits = messageFrameLimits,
): Uint8Array {
  try {
    writeMessage(shared, envelope, payload, limits);
  } catch (error) {
    shared.truncate(0);
    throw error;
  }
  return shared.take();
}

/**
 * Like `encodeMessage`, for a value. A short payload is written where it will lie, and never by itself.
 *
 * @throws also SERIALIZATION_ERROR with `details.path` at what is not plain data.
 */
export function encodeValue(
  envelope: Envelope,
  value: unknown,
  compression: CompressionOptions = {},
): Uint8Array {
  const json = jsonOf(value);
  if (json === undefined || json.length > shortJsonCharacters || mayCompress(json, compression)) {
    const payload = json === undefined ? encodePayload(value) : encodeJson(json);
    return encodeMessage(envelope, compressPayload(payload, compression));
  }
  try {
    const frame = writeMessageHeader(shared, envelope, shortJson, messageFrameLimits);
    shared.text(json);
    shared.end(frame);
  } catch (error) {
    shared.truncate(0);
    throw error;
  }
  return shared.take();
}

/** Longer texts are encoded on the side: room for three bytes a character would have to be made. */
const shortJsonCharacters = 4_096;

const shortJson: PayloadForm = { codec: payloadCodecs.json, compression: compressions.none };

/** Like `encodeMessage`, into a chunk under way. After a throw, truncate `writer` to its length before. */
export function writeMessage(
  writer: FrameWriter,
  envelope: Envelope,
  payload: EncodedPayload,
  limits: FrameLimits = messageFrameLimits,
): void {
  if (payload.bytes.length > limits.payloadBytesMax) {
    throw tooLarge("payload", limits.payloadBytesMax, "bytes", payload.bytes.length);
  }
  const frame = writeMessageHeader(writer, envelope, payload, limits);
  writer.bytes(payload.bytes);
  writer.end(frame);
}

/** What follows is the payload. */
function writeMessageHeader(
  writer: FrameWriter,
  envelope: Envelope,
  payload: PayloadForm,
  limits: FrameLimits,
): OpenFrame {
  const frame = writer.begin(frameTypes.MESSAGE);
  writeHeader(writer, envelope, payload);
  const length = writer.length - frame - frameHeadBytes;
  if (length > limits.headerBytesMax) {
    throw tooLarge("header", limits.headerBytesMax, "bytes", length);
  }
  writer.endHeader(frame);
  return frame;
}

/**
 * The message in a frame that a broker handed out.
 *
 * @throws INVALID_MESSAGE with the field and its limit, INVALID_VERSION, MESSAGE_TOO_LARGE.
 */
export function decodeMessage(
  frame: Uint8Array,
  limits: FrameLimits = messageFrameLimits,
): Message {
  const found = frameAt(frame, 0, limits);
  if (found.end !== frame.length) {
    throw invalidMessage("frame", `${found.end} bytes, found ${frame.length}`);
  }
  return readMessage(found);
}

/** Like `decodeMessage`, for a frame where it lies. */
export function readMessage(frame: Frame): Message {
  if (frame.type !== frameTypes.MESSAGE) {
    throw invalidMessage("frame.type", `MESSAGE, found ${frame.type}`);
  }
  return readHeader(frame);
}
