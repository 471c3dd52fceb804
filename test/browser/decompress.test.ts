import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { malformedVectors } from "../../scripts/vectors/malformed.ts";
import { payloadVectors } from "../../scripts/vectors/payloads.ts";
import { decompress } from "../../src/browser/decompress.ts";
import { compressPayload, decompressPayload } from "../../src/message/compression.ts";
import { compressions, type EncodedPayload, payloadCodecs } from "../../src/message/message.ts";
import { decodePayload } from "../../src/message/payload.ts";
import { SeededRandom } from "../../src/runtime/random.ts";

const random = new SeededRandom(3);
const words = Array.from({ length: 300 }, () =>
  String(random.uint32()).slice(0, random.uint32() % 9),
);

function someText(bytes: number): Uint8Array {
  let text = "";
  while (text.length < bytes) text += `${words[random.uint32() % words.length]} `;
  return new TextEncoder().encode(text.slice(0, bytes));
}

test("what an agent in Node compresses, a page opens", () => {
  for (const algorithm of ["zstd", "gzip"] as const) {
    for (const size of [200, 255, 256, 400, 8_192, 65_536, 66_000, 2 ** 20]) {
      const plain = {
        codec: payloadCodecs.json,
        compression: compressions.none,
        bytes: someText(size),
      };
      const sent = compressPayload(plain, { algorithm, bytesMin: 0 });
      expect(sent.compression, `${algorithm} ${size}`).toBe(compressions[algorithm]);
      const opened = decompress(algorithm, sent.bytes, 2 ** 20);
      expect(Buffer.compare(opened, decompressPayload(sent).bytes), `${algorithm} ${size}`).toBe(0);
    }
  }
});

test("a page opens and refuses the compressed payloads of clients/vectors.json", () => {
  const names = ["none", "gzip", "zstd"] as const;
  for (const { name, compression, bytes, codec, value } of payloadVectors) {
    const algorithm = names[compression];
    if (algorithm === undefined || algorithm === "none") continue;
    const plain = decompress(algorithm, bytes, 2 ** 20);
    const payload = { codec, compression: 0, bytes: plain } as EncodedPayload;
    expect(decodePayload(payload), name).toEqual(value);
  }
  for (const { name, compression, bytes, code } of malformedVectors) {
    const algorithm = names[compression ?? 0];
    if (algorithm === undefined || algorithm === "none" || name.includes("window")) continue;
    const thrown = thrownBy(() => decompress(algorithm, bytes, 2 ** 20));
    expect(thrown, name).toBeInstanceOf(Error);
    if (code === "MESSAGE_TOO_LARGE") expect(thrown, name).toMatchObject({ code });
  }
});

test("more than the limit is refused before any of it comes out", () => {
  const bomb = new Uint8Array(8 * 2 ** 20);
  const refused = { code: "MESSAGE_TOO_LARGE", details: { limit: 2 ** 20 } };
  expect(thrownBy(() => decompress("gzip", gzipSync(bomb), 2 ** 20))).toMatchObject(refused);
  const zstd = zstdCompressSync(bomb, { pledgedSrcSize: bomb.length });
  expect(thrownBy(() => decompress("zstd", zstd, 2 ** 20))).toMatchObject(refused);
});

test("a payload that says less than comes out of it is refused", () => {
  const bomb = Uint8Array.from(gzipSync(new Uint8Array(16 * 2 ** 20)));
  new DataView(bomb.buffer).setUint32(bomb.length - 4, 100, true);
  expect(thrownBy(() => decompress("gzip", bomb, 2 ** 20))).toBeInstanceOf(RangeError);
});

test("two gzip members are not one, here as in Node", () => {
  for (const [first, second] of [
    ["[1,2,", "3]"],
    ["", "[1,2,3]"],
    ["[1,2,3]", ""],
  ] as const) {
    const bytes = Buffer.concat([gzipSync(first), gzipSync(second)]);
    expect(thrownBy(() => decompress("gzip", bytes, 2 ** 20))).toBeInstanceOf(RangeError);
    const payload = { codec: payloadCodecs.json, compression: compressions.gzip, bytes };
    expect(thrownBy(() => decompressPayload(payload))).toMatchObject({ code: "INVALID_MESSAGE" });
  }
});

test("damaged bytes end in an error or in bytes, and in no more of them than they say", () => {
  const text = someText(20_000);
  for (const [algorithm, whole] of [
    ["gzip", gzipSync(text)],
    ["zstd", zstdCompressSync(text, { pledgedSrcSize: text.length })],
  ] as const) {
    for (let round = 0; round < 60; round++) {
      const damaged = Uint8Array.from(whole);
      damaged[random.uint32() % damaged.length] = random.uint32() % 256;
      const cut = damaged.subarray(0, random.uint32() % (damaged.length + 1));
      for (const bytes of [damaged, cut]) {
        let opened: Uint8Array | undefined;
        try {
          opened = decompress(algorithm, bytes, 2 ** 20);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
        if (opened !== undefined) expect(opened.length).toBeLessThanOrEqual(2 ** 20);
      }
    }
  }
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
