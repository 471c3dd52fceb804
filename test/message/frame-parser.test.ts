import { expect, test } from "vitest";
import { type Frame, type FrameType, frameAt, frameTypes } from "../../src/message/frame.ts";
import { FrameParser } from "../../src/message/frame-parser.ts";
import { FrameWriter } from "../../src/message/frame-writer.ts";
import { fc } from "../support/properties.ts";

interface Content {
  readonly type: FrameType;
  readonly flags: number;
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

const content: fc.Arbitrary<Content> = fc.record({
  type: fc.constantFrom(...Object.values(frameTypes)),
  flags: fc.nat(255),
  header: fc.uint8Array({ maxLength: 40 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.nat(9_000).map((length) => new Uint8Array(length).fill(length)),
  ),
});

function write(writer: FrameWriter, { type, flags, header, payload }: Content): void {
  const frame = writer.begin(type, flags);
  writer.bytes(header);
  writer.endHeader(frame);
  writer.bytes(payload);
  writer.end(frame);
}

function encode(...contents: readonly Content[]): Uint8Array {
  const writer = new FrameWriter();
  for (const each of contents) write(writer, each);
  return writer.take();
}

function contentOf({ type, flags, header, payload }: Frame): Content {
  return { type, flags, header: new Uint8Array(header), payload: new Uint8Array(payload) };
}

/** `bytes` in pieces of the given lengths, over and over. */
function pieces(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const end = at + (lengths[index % lengths.length] ?? bytes.length);
    cut.push(bytes.slice(at, end));
    at = end;
  }
  return cut;
}

function parse(parser: FrameParser, chunks: readonly Uint8Array[]): readonly Frame[] {
  const frames: Frame[] = [];
  for (const chunk of chunks) parser.push(chunk, (frame) => frames.push(frame));
  return frames;
}

const simple: Content = {
  type: frameTypes.PUBLISH,
  flags: 1,
  header: Uint8Array.of(1, 2),
  payload: Uint8Array.of(3),
};

test("a frame is twelve bytes, its header and its payload", () => {
  expect([...encode(simple)]).toEqual([1, 34, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3]);
});

test("the frames found do not depend on how the bytes were cut", () => {
  const lengths = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 5_000 })),
    {
      minLength: 1,
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(fc.array(content, { maxLength: 12 }), lengths, (contents, cuts) => {
      const parser = new FrameParser();
      const frames = parse(parser, pieces(encode(...contents), cuts));
      expect(frames.map(contentOf)).toEqual(contents);
      expect(frames.map(({ bytes }) => new Uint8Array(bytes))).toEqual(
        contents.map((each) => new Uint8Array(encode(each))),
      );
      expect(parser.partialBytes).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test("a frame that lies inside one chunk is not copied", () => {
  const chunk = encode(simple, simple);
  const frames = parse(new FrameParser(), [chunk]);
  expect(frames).toHaveLength(2);
  for (const frame of frames) {
    expect(frame.chunk).toBe(chunk);
    expect(frame.payload.buffer).toBe(chunk.buffer);
  }
});

test("frames nest: the payload of one may be written as frames", () => {
  const writer = new FrameWriter();
  const outer = writer.begin(frameTypes.DELIVER);
  writer.uint8(9);
  writer.endHeader(outer);
  write(writer, simple);
  write(writer, simple);
  writer.end(outer);
  const frame = frameAt(writer.take());
  expect([...frame.header]).toEqual([9]);
  expect(parse(new FrameParser(), [frame.payload]).map(contentOf)).toEqual([simple, simple]);
});

test("a frame whose end has not come yet is counted as partial", () => {
  const parser = new FrameParser();
  const bytes = encode(simple);
  expect(parse(parser, [bytes.subarray(0, 5)])).toEqual([]);
  expect(parser.partialBytes).toBe(5);
  expect(parse(parser, [bytes.subarray(5, 14)])).toEqual([]);
  expect(parser.partialBytes).toBe(14);
  expect(parse(parser, [bytes.subarray(14)]).map(contentOf)).toEqual([simple]);
});

const heads: readonly { name: string; at: number; bytes: readonly number[]; error: object }[] = [
  {
    name: "an unknown version",
    at: 0,
    bytes: [2],
    error: { code: "INVALID_VERSION", details: { field: "frame.version", value: 2, limit: "1" } },
  },
  {
    name: "a suite reserved for later",
    at: 2,
    bytes: [1],
    error: { code: "INVALID_VERSION", details: { field: "frame.suite", value: 1, limit: "0" } },
  },
  {
    name: "an unknown type",
    at: 1,
    bytes: [15],
    error: {
      code: "INVALID_MESSAGE",
      details: { field: "frame.type", limit: "a known type, found 15" },
    },
  },
  {
    name: "a header above its limit",
    at: 4,
    bytes: [0, 1, 0, 1],
    error: {
      code: "MESSAGE_TOO_LARGE",
      details: { field: "frame.header", limit: 65_536, unit: "bytes", size: 65_537 },
    },
  },
  {
    name: "a payload above its limit",
    at: 8,
    bytes: [255, 255, 255, 255],
    error: {
      code: "MESSAGE_TOO_LARGE",
      details: { field: "frame.payload", limit: 1_000, unit: "bytes", size: 2 ** 32 - 1 },
    },
  },
];

for (const { name, at, bytes, error } of heads) {
  test(`${name} is refused with the twelfth byte, after the frames before it`, () => {
    const limits = { headerBytesMax: 65_536, payloadBytesMax: 1_000 };
    const wrong = encode(simple).slice(0, 12);
    wrong.set(bytes, at);
    for (const cut of [1, 5, 100]) {
      const parser = new FrameParser(limits);
      const stream = new Uint8Array([...encode(simple), ...wrong]);
      const before = stream.subarray(0, stream.length - 1);
      expect(parse(parser, pieces(before, [cut])).map(contentOf)).toEqual([simple]);
      expect(() => parse(parser, [stream.subarray(-1)])).toThrow(expect.objectContaining(error));
      expect(() => parse(parser, [encode(simple)])).toThrow(expect.objectContaining(error));
    }
  });
}

test("an announced length takes no memory before its bytes have come", () => {
  const parser = new FrameParser({ headerBytesMax: 0, payloadBytesMax: 2 ** 32 - 1 });
  const head = Uint8Array.of(1, 34, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255);
  const before = process.memoryUsage().arrayBuffers;
  expect(parse(parser, [head, new Uint8Array(5_000)])).toEqual([]);
  expect(parser.partialBytes).toBe(5_012);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000_000);
});

test("limits that a session widens hold for the next frame", () => {
  const parser = new FrameParser({ headerBytesMax: 100, payloadBytesMax: 10 });
  const large = { ...simple, payload: new Uint8Array(50) };
  expect(parse(parser, [encode(simple)])).toHaveLength(1);
  parser.limits = { headerBytesMax: 100, payloadBytesMax: 100 };
  expect(parse(parser, [encode(large)])).toHaveLength(1);
});

test("a million chunks of one byte make one frame", () => {
  const parser = new FrameParser();
  const large = { ...simple, payload: new Uint8Array(1_000_000).fill(5) };
  const bytes = encode(large);
  const frames: Frame[] = [];
  const byte = new Uint8Array(1);
  for (const value of bytes) {
    byte[0] = value;
    parser.push(byte, (frame) => frames.push(frame));
  }
  expect(frames).toHaveLength(1);
  expect(Buffer.compare(frames[0]?.bytes as Uint8Array, bytes)).toBe(0);
});

test("a frame on its own must be whole", () => {
  const bytes = encode(simple);
  expect(contentOf(frameAt(bytes))).toEqual(simple);
  for (const length of [0, 11, bytes.length - 1]) {
    expect(() => frameAt(bytes.subarray(0, length))).toThrow(
      expect.objectContaining({
        code: "INVALID_MESSAGE",
        details: expect.objectContaining({ field: "frame" }),
      }),
    );
  }
});

test("a parser that was paused goes on behind that frame, wherever the chunks were cut", () => {
  fc.assert(
    fc.property(
      fc.array(content, { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(20_000), { maxLength: 6 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      (contents, cuts, pauses) => {
        const writer = new FrameWriter();
        for (const it of contents) write(writer, it);
        const bytes = writer.take();
        const places = [...cuts.map((cut) => cut % (bytes.length + 1)), 0, bytes.length];
        places.sort((a, b) => a - b);
        const parser = new FrameParser();
        const seen: Uint8Array[] = [];
        const receive = (frame: Frame) => {
          seen.push(frame.bytes.slice());
          if (pauses[seen.length - 1] === true) parser.pause();
        };
        for (let part = 1; part < places.length; part++) {
          parser.push(bytes.subarray(places[part - 1], places[part]), receive);
          while (parser.paused) {
            expect(pauses[seen.length - 1]).toBe(true);
            parser.resume(receive);
          }
        }
        expect(Buffer.concat(seen)).toEqual(Buffer.from(bytes));
        expect(parser.partialBytes).toBe(0);
      },
    ),
  );
});
