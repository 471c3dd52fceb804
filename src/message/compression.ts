/**
 * Compression of payloads, by the two ends; a hub never opens one. Both directions are synchronous: a
 * payload is bounded, so the work is too, and messages cannot overtake one another while a thread
 * pool is busy. The only file that needs zlib.
 */
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { invalidOption } from "../errors.ts";
import { invalidMessage, tooLarge } from "./invalid.ts";
import { compressionBytesMin, payloadBytesMax } from "./limits.ts";
import { type Compression, compressions, type EncodedPayload } from "./message.ts";

export type CompressionName = keyof typeof compressions;

export interface CompressionOptions {
  /** "zstd", "gzip" or "none". Default: "zstd". */
  readonly algorithm?: CompressionName;
  /** Payloads of fewer bytes are sent as they are; 0 or more. Default: 8,192. */
  readonly bytesMin?: number;
}

/** @throws INVALID_OPTION naming the option, its value and what it may be. */
export function checkCompression(options: CompressionOptions): CompressionOptions {
  const { algorithm = "zstd", bytesMin = compressionBytesMin } = options;
  if (!Object.hasOwn(compressions, algorithm)) {
    throw invalidOption("compression.algorithm", algorithm, Object.keys(compressions).join(", "));
  }
  if (!(Number.isFinite(bytesMin) && bytesMin >= 0)) {
    throw invalidOption("compression.bytesMin", bytesMin, "a number, 0 or more");
  }
  return options;
}

/** A decompressor may reserve this much memory for what it looks back at, as a power of two: 8 MiB. */
const zstdWindowLogMax = 23;

/** Fast levels: on JSON the higher ones take several times as long for a few per cent. */
const gzipLevel = 3;
const zstdLevel = 1;

/** False when the payload of this text is too short for `compressPayload` to touch it. */
export function mayCompress(text: string, options: CompressionOptions): boolean {
  const { algorithm = "zstd", bytesMin = compressionBytesMin } = options;
  return algorithm !== "none" && 3 * text.length >= bytesMin;
}

/** The payload compressed, or as it is where that is not at least an eighth smaller. */
export function compressPayload(
  payload: EncodedPayload,
  options: CompressionOptions = {},
): EncodedPayload {
  const { algorithm = "zstd", bytesMin = compressionBytesMin } = options;
  const { bytes } = payload;
  if (
    algorithm === "none" ||
    bytes.length < bytesMin ||
    payload.compression !== compressions.none
  ) {
    return payload;
  }
  const compressed = algorithm === "gzip" ? gzip(bytes) : zstd(bytes);
  if (compressed.length > bytes.length - bytes.length / 8) return payload;
  return { codec: payload.codec, compression: compressions[algorithm], bytes: compressed };
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
  // zlib refuses a limit of 0.
  const maxOutputLength = Math.max(1, bytesMax);
  try {
    if (compression === compressions.gzip) return gunzipSync(bytes, { maxOutputLength });
    const params = { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax };
    return zstdDecompressSync(bytes, { maxOutputLength, params });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge("payload", bytesMax, "bytes after decompression");
    }
    throw invalidMessage("payload", "undamaged compressed bytes");
  }
}

function gzip(bytes: Uint8Array): Uint8Array {
  return gzipSync(bytes, { level: gzipLevel });
}

function zstd(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
    pledgedSrcSize: bytes.length,
  });
}
