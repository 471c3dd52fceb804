/**
 * Opens compressed payloads in a page, which has no decompressor that answers at once. Both formats
 * say how much comes out, so that much memory is taken and no more, whatever the bytes then do.
 */
import { gunzipSync } from "fflate/browser";
import { decompress as unzstd } from "fzstd";
import type { Decompressor } from "../message/compression.ts";
import { tooLarge } from "../message/invalid.ts";

export const decompress: Decompressor = (compression, bytes, bytesMax) => {
  const size = compression === "gzip" ? gzipSize(bytes) : zstdSize(bytes);
  if (size > bytesMax) throw tooLarge("payload", bytesMax, "bytes after decompression", size);
  const out = new Uint8Array(size);
  const plain = compression === "gzip" ? gunzipSync(bytes, { out }) : unzstd(bytes, out);
  if (plain.length !== size) throw new RangeError(`${plain.length} bytes came out, not ${size}`);
  return plain;
};

// gzip member = header ... crc32 u32 size u32      integers are little-endian
function gzipSize(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(bytes.length - 4, true);
}

// zstd frame = magic u32, flags u8, window u8?, dictionary u0-32, size u0-64, blocks ...
//   flags   bits 7-6: the width of size, 0 (or 1 where bit 5 is set), 2, 4 or 8 bytes
//           bit 5: no window byte      bits 1-0: the width of dictionary, 0, 1, 2 or 4 bytes
function zstdSize(bytes: Uint8Array): number {
  const view = viewOf(bytes);
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

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
