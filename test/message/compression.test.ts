import zlib, { crc32, gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { compressPayload, decompressPayload } from "../../src/message/compression.ts";
import type { EncodedPayload } from "../../src/message/message.ts";
import { SeededRandom } from "../../src/runtime/random.ts";

const json = JSON.stringify(
  Array.from({ length: 2_000 }, (_, index) => ({ index, symbol: "AAPL", price: index / 100 })),
);
const payload: EncodedPayload = { codec: 1, compression: 0, bytes: Buffer.from(json) };

const random = new SeededRandom(1);
const noise = Uint8Array.from({ length: 1_000_000 }, () => random.uint32());

afterEach(() => {
  vi.restoreAllMocks();
});

for (const [algorithm, number] of [
  ["gzip", 1],
  ["zstd", 2],
] as const) {
  describe(algorithm, () => {
    test("a large payload gets smaller, and comes back as it was", () => {
      const compressed = compressPayload(payload, { algorithm });
      expect(compressed).toMatchObject({ codec: 1, compression: number });
      expect(compressed.bytes.length).toBeLessThan(payload.bytes.length / 2);
      const back = decompressPayload(compressed);
      expect(back).toMatchObject({ codec: 1, compression: 0 });
      expect(Buffer.compare(back.bytes, payload.bytes)).toBe(0);
    });

    test("a payload below the threshold is left as it is", () => {
      const small = { ...payload, bytes: payload.bytes.subarray(0, 8_191) };
      expect(compressPayload(small, { algorithm })).toBe(small);
      expect(compressPayload(small, { algorithm, bytesMin: 8_191 })).not.toBe(small);
    });

    test("bytes that do not get smaller are left as they are", () => {
      for (const length of [8_192, 20_000, 65_536]) {
        const bytes = { ...payload, bytes: noise.subarray(0, length) };
        expect(compressPayload(bytes, { algorithm })).toBe(bytes);
      }
    });

    test("a large payload of noise costs what a sample of it costs", () => {
      const compressor = vi.spyOn(zlib, algorithm === "gzip" ? "gzipSync" : "zstdCompressSync");
      for (const length of [16_384, 65_536, 1_000_000]) {
        compressPayload({ ...payload, bytes: noise.subarray(0, length) }, { algorithm });
      }
      expect(compressor.mock.calls.map(([bytes]) => (bytes as Uint8Array).length)).toEqual([
        4_096, 4_096, 4_096,
      ]);
    });

    test.each([0, 0.4, 0.8])("text is found in noise, from %d of it on", (start) => {
      const bytes = noise.slice(0, 200_000);
      const spaces = { from: start * bytes.length, to: (start + 0.2) * bytes.length };
      bytes.fill(0x20, spaces.from, spaces.to);
      const compressed = compressPayload({ ...payload, bytes }, { algorithm });
      expect(compressed.compression).toBe(number);
      expect(Buffer.compare(decompressPayload(compressed).bytes, bytes)).toBe(0);
    });

    test("what is compressed already is left as it is", () => {
      const compressed = compressPayload(payload, { algorithm });
      expect(compressPayload(compressed, { algorithm, bytesMin: 0 })).toBe(compressed);
    });

    test("what would grow above the limit is refused", () => {
      const bomb = compressPayload(
        { ...payload, bytes: new Uint8Array(100_000_000) },
        { algorithm },
      );
      expect(bomb.bytes.length).toBeLessThan(500_000);
      expect(() => decompressPayload(bomb)).toThrow(
        expect.objectContaining({
          code: "MESSAGE_TOO_LARGE",
          details: { field: "payload", limit: 1_048_576, unit: "bytes after decompression" },
        }),
      );
      const exact = compressPayload({ ...payload, bytes: new Uint8Array(10_000) }, { algorithm });
      expect(decompressPayload(exact, 10_000).bytes.length).toBe(10_000);
      expect(() => decompressPayload(exact, 9_999)).toThrow(
        expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }),
      );
      expect(() => decompressPayload(exact, 0)).toThrow(
        expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }),
      );
    });

    test("damaged bytes are refused, wherever the damage is", () => {
      const { bytes } = compressPayload(payload, { algorithm });
      const cut = bytes.subarray(0, bytes.length / 2);
      for (const each of [cut, new Uint8Array(0), Buffer.from("no compression at all")]) {
        expect(() => decompressPayload({ codec: 1, compression: number, bytes: each })).toThrow(
          expect.objectContaining({
            code: "INVALID_MESSAGE",
            details: { field: "payload", limit: "undamaged compressed bytes" },
          }),
        );
      }
    });
  });
}

test("what nobody chose is gzip, and each gzip payload is one member", () => {
  const compressed = compressPayload(payload);
  expect(compressed.compression).toBe(1);
  expect([...compressed.bytes.subarray(0, 3)]).toEqual([0x1f, 0x8b, 8]);
  const twice = new Uint8Array(Buffer.concat([compressed.bytes, compressed.bytes]));
  expect(() => decompressPayload({ ...compressed, bytes: twice })).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});

test("a bomb is put together of gzip members in vain: memory stays within the limit", () => {
  const member = gzipSync(new Uint8Array(2 ** 20));
  const bytes = Buffer.concat(Array.from({ length: 500 }, () => member));
  const memory = process.memoryUsage().arrayBuffers;
  expect(() => decompressPayload({ codec: 2, compression: 1, bytes })).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
  expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(8 * 2 ** 20);
});

test("without compression a payload stays as it is", () => {
  expect(compressPayload(payload, { algorithm: "none" })).toBe(payload);
  expect(decompressPayload(payload)).toBe(payload);
});

test("a sender cannot make a receiver set aside more than 8 MiB to look back at", () => {
  /** A zstd frame (RFC 8878) of one raw block, the letter a, after a window of 2^(10 + exponent). */
  const withWindow = (exponent: number): EncodedPayload => ({
    codec: 1,
    compression: 2,
    bytes: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 9, 0, 0, 0x61),
  });
  expect([...decompressPayload(withWindow(13)).bytes]).toEqual([0x61]);
  expect(() => decompressPayload(withWindow(14))).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});

test.each([
  ["an empty member before it", Buffer.concat([gzipSync(""), gzipSync("bees")])],
  ["an empty member behind it", Buffer.concat([gzipSync("bees"), gzipSync("")])],
  [
    "its size once more behind it",
    Buffer.concat([gzipSync("bees"), gzipSync("bees").subarray(-4)]),
  ],
  ["zeros behind it", Buffer.concat([gzipSync(""), Buffer.alloc(8)])],
])("a gzip member with %s is not one member", (_name, bytes) => {
  expect(() => decompressPayload({ codec: 2, compression: 1, bytes })).toThrow(
    expect.objectContaining({ code: "INVALID_MESSAGE" }),
  );
});

test("the head of a gzip member may have all that there is", () => {
  const plain = Buffer.from("bees");
  const head = Buffer.from("1f8b081e00000000000303000102036e616d6500636f6d00", "hex");
  const checksum = Buffer.alloc(2);
  checksum.writeUInt16LE(crc32(head) & 0xffff);
  const bytes = Buffer.concat([head, checksum, gzipSync(plain).subarray(10)]);
  expect(decompressPayload({ codec: 2, compression: 1, bytes }).bytes).toEqual(plain);
  for (const end of [9, 11, 16, head.length - 1]) {
    const cut = bytes.subarray(0, end);
    expect(() => decompressPayload({ codec: 2, compression: 1, bytes: cut })).toThrow(
      expect.objectContaining({ code: "INVALID_MESSAGE" }),
    );
  }
});

test("an empty payload can have been compressed", () => {
  const bytes = gzipSync(new Uint8Array(0));
  expect(decompressPayload({ codec: 1, compression: 1, bytes }).bytes.length).toBe(0);
});
