/**
 * Opens compressed payloads in a page, which has no decompressor that answers at once. Both formats
 * say how much comes out, so that much memory is taken, and where more comes out work soon stops.
 */
import { Gunzip } from "fflate/browser";
import { decompress as unzstd } from "fzstd";
import type { Decompressor } from "../message/compression.ts";
import { gzipSize } from "../message/gzip.ts";
import { tooLarge } from "../message/invalid.ts";

export const decompress: Decompressor = (compression, bytes, bytesMax) => {
  const size = compression === "gzip" ? gzipSize(bytes) : zstdSize(bytes);
  if (size > bytesMax) throw tooLarge("payload", bytesMax, "bytes after decompression", size);
  const out = new Uint8Array(size);
  const length = compression === "gzip" ? gunzip(bytes, out) : unzstd(bytes, out).length;
  if (length !== size) throw new RangeError(`${length} bytes came out, not ${size}`);
  return out;
};

/** Pieces of a bomb this long come to 4 MiB, as deflate makes at most 1,032 bytes of one. */
const pieceBytes = 4_096;

/** @returns how many bytes came out. @throws RangeError for more than `out` takes, or a wrong checksum. */
function gunzip(bytes: Uint8Array, out: Uint8Array): number {
  let length = 0;
  const stream = new Gunzip((plain) => {
    out.set(plain, length);
    length += plain.length;
  });
  // One that holds nothing would not show in how many bytes come out.
  stream.onmember = () => {
    throw new RangeError("more than one gzip member");
  };
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const end = at + pieceBytes;
    stream.push(bytes.subarray(at, end), end >= bytes.length);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(bytes.length - 8, true) !== crc32(out)) throw new RangeError("damaged bytes");
  return length;
}

/** The checksum of RFC 1952, which the library leaves out. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = (crcs[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Of each byte by itself. */
const crcs = Int32Array.from({ length: 256 }, (_none, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

// zstd frame = magic u32, flags u8, window u8?, dictionary u0-32, size u0-64, blocks ...
//   flags   bits 7-6: the width of size, 0 (or 1 where bit 5 is set), 2, 4 or 8 bytes
//           bit 5: no window byte      bits 1-0: the width of dictionary, 0, 1, 2 or 4 bytes
function zstdSize(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== zstdMagic) throw new RangeError("no zstd frame");
  const flags = view.getUint8(4);
  const single = (flags & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + (dictionaryWidths[flags & 3] as number);
  switch (flags >> 6) {
    case 0:
      if (single) return view.getUint8(at);
      throw new RangeError("a zstd frame that does not say its size");
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

const zstdMagic = 0xfd2fb528;
const dictionaryWidths = [0, 1, 2, 4];
