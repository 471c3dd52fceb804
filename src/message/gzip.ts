// member = head deflated crc32 u32, size u32          integers are little-endian, see RFC 1952
//   head   1f 8b 08, flags u8, 6 bytes, extra?, name?, comment?, checksum?
//   flags  bit 1 checksum u16   bit 2 extra u16, so many bytes   bit 3 name, 0   bit 4 comment, 0

const flag = { checksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;
const magic = 0x088b1f;
const bareHeadBytes = 10;

/** Behind what is deflated. */
export const gzipTailBytes = 8;

/** How many bytes a member says that it holds, modulo 2^32. @throws RangeError for fewer than 4 bytes. */
export function gzipSize({ buffer, byteOffset, byteLength }: Uint8Array): number {
  return new DataView(buffer, byteOffset, byteLength).getUint32(byteLength - 4, true);
}

/** Of the head of a member. @throws RangeError where there is none, or not all of it. */
export function gzipHeadBytes({ buffer, byteOffset, byteLength }: Uint8Array): number {
  const view = new DataView(buffer, byteOffset, byteLength);
  const start = view.getUint32(0, true);
  const flags = start >>> 24;
  if ((start & 0xffffff) !== magic || (flags & flag.reserved) !== 0) {
    throw new RangeError("no gzip member");
  }
  let at = bareHeadBytes;
  if (flags & flag.extra) at += 2 + view.getUint16(at, true);
  for (const text of [flag.name, flag.comment]) {
    if ((flags & text) === 0) continue;
    while (view.getUint8(at++) !== 0);
  }
  if (flags & flag.checksum) at += 2;
  return at;
}
