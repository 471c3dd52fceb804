import { expect, test } from "vitest";
import { FrameOutput } from "../../src/link/frame-output.ts";
import type { Link } from "../../src/link/link.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

function recordingLink(sent: Uint8Array[], state: { idle?: boolean; room: boolean }): Link {
  return {
    peer: "nobody",
    get idle() {
      return state.idle ?? false;
    },
    send: (chunk) => {
      sent.push(chunk);
      return state.room;
    },
    drained: () => new Promise(() => {}),
    receive: async function* () {},
    close: async () => {},
    destroy: () => {},
  };
}

function writeText(output: FrameOutput, text: string): void {
  output.data.text(text);
  output.written();
  output.flush();
}

const textsOf = (chunks: readonly Uint8Array[]) => chunks.map((it) => Buffer.from(it).toString());

test("what a link still holds is not written over, what it has let go is", () => {
  const sent: Uint8Array[] = [];
  const state = { idle: false, room: true };
  const output = new FrameOutput(recordingLink(sent, state), new VirtualClock());
  for (const text of ["one", "two", "three"]) writeText(output, text);
  expect(textsOf(sent)).toEqual(["one", "two", "three"]);

  state.idle = true;
  writeText(output, "let go");
  writeText(output, "again!");
  expect(textsOf(sent.slice(4))).toEqual(["again!"]);
  expect(sent[4]?.byteOffset).toBe(sent[0]?.byteOffset);
});

test("what waits for a slow reader is not written over", () => {
  const sent: Uint8Array[] = [];
  const output = new FrameOutput(
    recordingLink(sent, { idle: true, room: false }),
    new VirtualClock(),
  );
  for (const text of ["one", "two", "three"]) writeText(output, text);
  expect(textsOf(sent)).toEqual(["one"]);
  expect(output.backlogBytes).toBe("twothree".length);
});

test("control frames leave before data that was written after them, also where that fills a chunk", () => {
  const sent: Uint8Array[] = [];
  const output = new FrameOutput(recordingLink(sent, { room: true }), new VirtualClock());
  output.control.text("subscribe");
  output.written();
  output.data.text("x".repeat(20_000));
  output.written();
  output.flush();
  expect(textsOf(sent).map((text) => text.slice(0, 9))).toEqual(["subscribe", "xxxxxxxxx"]);
});
