/** A message as its two ends see it: the envelope, and the payload still as bytes. */
import type { Envelope } from "./envelope.ts";
import type { Frame } from "./frame.ts";

/** How the payload's bytes came about. */
export const payloadCodecs = {
  /** No payload: undefined. */
  none: 0,
  /** JSON, UTF-8. */
  json: 1,
  /** The payload is one byte array. */
  bytes: 2,
  /** JSON with byte arrays inside: see payload.ts. */
  jsonAndBytes: 3,
  /** A run of message frames: see batch.ts. */
  frames: 4,
} as const;

export type PayloadCodec = (typeof payloadCodecs)[keyof typeof payloadCodecs];

export const compressions = { none: 0, gzip: 1, zstd: 2 } as const;

export type Compression = (typeof compressions)[keyof typeof compressions];

/** What a reader must know of a payload's bytes. */
export interface PayloadForm {
  readonly codec: PayloadCodec;
  readonly compression: Compression;
}

export interface EncodedPayload extends PayloadForm {
  readonly bytes: Uint8Array;
}

/** A payload where it lies, of which a view is made only for who asks. */
export class PayloadInFrame implements EncodedPayload {
  readonly codec: PayloadCodec;
  readonly compression: Compression;
  readonly frame: Frame;

  constructor(codec: PayloadCodec, compression: Compression, frame: Frame) {
    this.codec = codec;
    this.compression = compression;
    this.frame = frame;
  }

  get bytes(): Uint8Array {
    return this.frame.payload;
  }
}

export interface Message {
  readonly envelope: Envelope;
  /** Not decoded yet: see `decodePayload`. It keeps the frame alive. */
  readonly payload: EncodedPayload;
}
