/**
 * Compression of payloads, by the two ends; a hub never opens one. Both directions are synchronous: a
 * payload is bounded, so the work is too, and messages cannot overtake one another while a thread
 * pool is busy. The only file that needs zlib.
 *
 * A page has no zlib: it sends payloads as they are, and reads with what its entry has brought along.
 */
import { isColloquyError } from "../errors.ts";
import { builtin } from "../runtime/builtin.ts";
import { type Checks, checkOptions, number, oneOf } from "./checks.ts";
import { gzipHeadBytes, gzipSize, gzipTailBytes } from "./gzip.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { compressionBytesMin, payloadBytesMax } from "./limits.ts";
import { type Compression, compressions, type EncodedPayload } from "./message.ts";

const zlib = builtin("node:zlib");

export type CompressionName = keyof typeof compressions;

/** A decompressor may reserve this much memory for what it looks back at, as a power of two: 8 MiB. */
const zstdWindowLogMax = 23;

/** The one that every language reads with its standard library; in a page all that can be chosen is "none". */
const defaultAlgorithm: CompressionName = zlib === undefined ? "none" : "gzip";

/** Throws whatever it likes for damaged bytes, MESSAGE_TOO_LARGE once more than `bytesMax` would come out. */
export type Decompressor = (
  compression: Exclude<CompressionName, "none">,
  bytes: Uint8Array,
  bytesMax: number,
) => Uint8Array;

let decompressor: Decompressor | undefined = zlib && nativeDecompressor(zlib);

/** For the entry of a page, once: what opens payloads where there is no zlib. */
export function useDecompressor(portable: Decompressor): void {
  decompressor ??= portable;
}

export interface CompressionOptions {
  /** "gzip", "zstd" or "none", in a page only "none". Default: "gzip", in a page "none". */
  readonly algorithm?: CompressionName;
  /** Payloads of fewer bytes are sent as they are; 0 or more. Default: 8,192. */
  readonly bytesMin?: number;
}

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function checkCompression(options: CompressionOptions = {}): CompressionOptions {
  checkOptions(options, compressionChecks, "compression");
  return options;
}

const compressionChecks: Checks<CompressionOptions> = {
  algorithm: oneOf(...(zlib === undefined ? ["none"] : Object.keys(compressions))),
  bytesMin: number(0),
};

/** Fast levels: on JSON the higher ones take several times as long for a few per cent. */
const gzipLevel = 3;
const zstdLevel = 1;

/** False when the payload of this text is too short for `compressPayload` to touch it. */
export function mayCompress(text: string, options: CompressionOptions): boolean {
  const { algorithm = defaultAlgorithm, bytesMin = compressionBytesMin } = options;
  return algorithm !== "none" && 3 * text.length >= bytesMin;
}

/**
 * Bytes that do not shrink cost the most to compress, some 20 ms for a MiB, and most of what is large is such:
 * pictures, sound, archives, numbers of learned models. So of a payload of more than a few samples a sample
 * goes first. Its pieces lie far apart, because a payload is often a little text with such bytes behind it.
 */
const sample = { pieces: 16, pieceBytes: 256, payloadBytesMin: 16_384 } as const;

/** The payload compressed, or as it is where that, or a sample of it, is not at least an eighth smaller. */
export function compressPayload(
  payload: EncodedPayload,
  options: CompressionOptions = {},
): EncodedPayload {
  const { algorithm = defaultAlgorithm, bytesMin = compressionBytesMin } = options;
  const { bytes } = payload;
  if (
    zlib === undefined ||
    algorithm === "none" ||
    bytes.length < bytesMin ||
    payload.compression !== compressions.none
  ) {
    return payload;
  }
  const compress = algorithm === "gzip" ? gzip : zstd;
  if (bytes.length >= sample.payloadBytesMin) {
    const some = sampleOf(bytes);
    if (!isWorthwhile(some, compress(zlib, some))) return payload;
  }
  const compressed = compress(zlib, bytes);
  if (!isWorthwhile(bytes, compressed)) return payload;
  return { codec: payload.codec, compression: compressions[algorithm], bytes: compressed };
}

function isWorthwhile(plain: Uint8Array, compressed: Uint8Array): boolean {
  return compressed.length <= plain.length - plain.length / 8;
}

/** The first piece begins the payload and the last one ends it. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  const { pieces, pieceBytes } = sample;
  const taken = new Uint8Array(pieces * pieceBytes);
  const step = (bytes.length - pieceBytes) / (pieces - 1);
  for (let piece = 0; piece < pieces; piece++) {
    const start = Math.floor(piece * step);
    taken.set(bytes.subarray(start, start + pieceBytes), piece * pieceBytes);
  }
  return taken;
}

/**
 * The payload as it was before compression.
 *
 * @throws MESSAGE_TOO_LARGE once more than `bytesMax` come out, INVALID_MESSAGE for damaged bytes.
 */
export function decompressPayload(
  payload: EncodedPayload,
  bytesMax: number = payloadBytesMax,
): EncodedPayload {
  if (payload.compression === compressions.none) return payload;
  const bytes = decompress(payload.compression, payload.bytes, bytesMax);
  return { codec: payload.codec, compression: compressions.none, bytes };
}

function decompress(compression: Compression, bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (decompressor === undefined) throw invalidMessage("payload", "an uncompressed payload");
  try {
    return decompressor(compression === compressions.gzip ? "gzip" : "zstd", bytes, bytesMax);
  } catch (error) {
    if (isColloquyError(error, "MESSAGE_TOO_LARGE")) throw error;
    throw invalidMessage("payload", "undamaged compressed bytes");
  }
}

type Zlib = NonNullable<typeof zlib>;

function nativeDecompressor(native: Zlib): Decompressor {
  const params = { [native.constants.ZSTD_d_windowLogMax]: zstdWindowLogMax };
  return (compression, bytes, bytesMax) => {
    // zlib refuses a limit of 0.
    const maxOutputLength = Math.max(1, bytesMax);
    try {
      if (compression === "gzip") return gunzip(native, bytes, maxOutputLength);
      return native.zstdDecompressSync(bytes, { maxOutputLength, params });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") throw error;
      throw tooLarge("payload", bytesMax, "bytes after decompression");
    }
  };
}

/** Exactly one member. What zlib has for that reads on where another follows, and over whatever else does. */
function gunzip({ crc32, inflateRawSync }: Zlib, bytes: Uint8Array, maxOutputLength: number) {
  const deflated = bytes.subarray(gzipHeadBytes(bytes));
  const inflated: unknown = inflateRawSync(deflated, { maxOutputLength, info: true });
  const { buffer: plain, engine } = inflated as Inflated;
  const tail = deflated.subarray(engine.bytesWritten);
  if (tail.length !== gzipTailBytes) throw new RangeError("more than one gzip member");
  const checksum = new DataView(tail.buffer, tail.byteOffset).getUint32(0, true);
  if (checksum !== crc32(plain) || gzipSize(tail) !== plain.length) {
    throw new RangeError("a gzip member that is damaged");
  }
  return plain;
}

/** What zlib gives where it is asked for `info`. */
interface Inflated {
  readonly buffer: Uint8Array;
  /** Bytes that were read. */
  readonly engine: { readonly bytesWritten: number };
}

function gzip({ gzipSync }: Zlib, bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: gzipLevel });
}

function zstd({ constants, zstdCompressSync }: Zlib, bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
    pledgedSrcSize: bytes.length,
  });
}
