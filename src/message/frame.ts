/**
 * The wire grammar. A link carries frames one after the other, cut anywhere into chunks.
 *
 *   frame         = version type suite flags headerLength payloadLength header payload
 *   version       u8, always 1                  headerLength   u32, bytes, at most 64 KiB
 *   type          u8, see frameTypes            payloadLength  u32, bytes, at most what the link allows
 *   suite         u8, 0: plain                  header         fields that the type defines
 *   flags         u8, see frameFlags            payload        opaque at this level
 *
 * Integers are big-endian. What follows the fields of a header that a reader knows is skipped, so that
 * headers can grow; an unknown version, suite or type ends the link. Suites above 0 are reserved for
 * sealed payloads. Unknown flags are ignored.
 *
 * A frame of type MESSAGE is a message: see envelope-codec.ts. All other types belong to the protocol
 * between a hub and its clients; where one carries messages, its payload is a run of MESSAGE frames.
 */
import { readUint32 } from "./byte-reader.ts";
import { invalidMessage, tooLarge, unknownVersion } from "./invalid.ts";
import { frameHeadBytes, headerBytesMax, operationPayloadBytesMax } from "./limits.ts";

export const frameVersion = 1;

export const plainSuite = 0;

export const frameTypes = {
  MESSAGE: 1,
  HELLO: 16,
  WELCOME: 17,
  GOODBYE: 18,
  PING: 19,
  PONG: 20,
  RESUMED: 21,
  SUBSCRIBE: 32,
  UNSUBSCRIBE: 33,
  PUBLISH: 34,
  UNHEARD: 35,
  SUBSCRIBED: 36,
  DROPPED: 37,
  QUIET: 38,
  LOUD: 39,
  HEEDED: 40,
  ENQUEUE: 48,
  ENQUEUED: 49,
  RECEIVE: 50,
  CANCEL: 51,
  DELIVER: 52,
  SETTLE: 53,
  SETTLED: 54,
  ENDED: 55,
  PUT: 56,
  APPEND: 57,
  TRACK: 58,
  TRACKED: 59,
  UNTRACK: 60,
  NOTICE: 61,
  AWAIT: 62,
  FINAL: 63,
  CALL: 64,
  REPLY: 65,
  NOTE: 66,
  HANGUP: 67,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export const frameFlags = {
  /** Small and urgent: passes data that waits. */
  CONTROL: 1,
} as const;

/** The largest header and payload that a reader takes. */
export interface FrameLimits {
  readonly headerBytesMax: number;
  readonly payloadBytesMax: number;
}

export const defaultFrameLimits: FrameLimits = {
  headerBytesMax,
  payloadBytesMax: operationPayloadBytesMax,
};

/** One frame inside a chunk. Views are made when asked for; each keeps the whole chunk alive. */
export class Frame {
  readonly type: FrameType;
  readonly flags: number;
  /** What the frame lies in, from `start` up to, not including, `end`. */
  readonly chunk: Uint8Array;
  readonly start: number;
  readonly headerStart: number;
  readonly payloadStart: number;
  readonly end: number;

  /** `chunk` must hold, at `start`, a whole frame that `checkFrameHead` accepted. */
  constructor(chunk: Uint8Array, start: number) {
    this.chunk = chunk;
    this.start = start;
    this.type = chunk[start + 1] as FrameType;
    this.flags = chunk[start + 3] as number;
    this.headerStart = start + frameHeadBytes;
    this.payloadStart = this.headerStart + readUint32(chunk, start + 4);
    this.end = this.payloadStart + readUint32(chunk, start + 8);
  }

  /** The whole frame, for forwarding it as it is. */
  get bytes(): Uint8Array {
    return this.chunk.subarray(this.start, this.end);
  }

  get header(): Uint8Array {
    return this.chunk.subarray(this.headerStart, this.payloadStart);
  }

  get payload(): Uint8Array {
    return this.chunk.subarray(this.payloadStart, this.end);
  }
}

const knownTypes = new Uint8Array(256);
for (const type of Object.values(frameTypes)) knownTypes[type] = 1;

/**
 * Looks at the first 12 bytes of a frame, which must be there.
 *
 * @returns the length of the whole frame.
 * @throws INVALID_VERSION for an unknown version or suite, INVALID_MESSAGE for an unknown type,
 *   MESSAGE_TOO_LARGE for a header or payload above the limits.
 */
export function checkFrameHead(bytes: Uint8Array, at: number, limits: FrameLimits): number {
  const version = bytes[at] as number;
  if (version !== frameVersion) throw unknownVersion("frame.version", version, `${frameVersion}`);
  const suite = bytes[at + 2] as number;
  if (suite !== plainSuite) throw unknownVersion("frame.suite", suite, `${plainSuite}`);
  if (knownTypes[bytes[at + 1] as number] !== 1) {
    throw invalidMessage("frame.type", `a known type, found ${bytes[at + 1]}`);
  }
  const header = readUint32(bytes, at + 4);
  if (header > limits.headerBytesMax) {
    throw tooLarge("frame.header", limits.headerBytesMax, "bytes", header);
  }
  const payload = readUint32(bytes, at + 8);
  if (payload > limits.payloadBytesMax) {
    throw tooLarge("frame.payload", limits.payloadBytesMax, "bytes", payload);
  }
  return frameHeadBytes + header + payload;
}

/** The frame that begins at `at`. @throws INVALID_MESSAGE when its end is missing, else like `checkFrameHead`. */
export function frameAt(
  bytes: Uint8Array,
  at = 0,
  limits: FrameLimits = defaultFrameLimits,
): Frame {
  if (bytes.length - at < frameHeadBytes) {
    throw invalidMessage("frame", `${frameHeadBytes} bytes or more, found ${bytes.length - at}`);
  }
  const length = checkFrameHead(bytes, at, limits);
  if (bytes.length - at < length) {
    throw invalidMessage("frame", `${length} bytes, found ${bytes.length - at}`);
  }
  return new Frame(bytes, at);
}
