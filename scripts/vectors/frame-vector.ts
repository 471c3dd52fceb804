import type { Frame } from "../../src/message/frame.ts";
import type { FrameWriter } from "../../src/message/frame-writer.ts";
import type { FrameName } from "./vector.ts";

/** A frame of a session. */
export interface FrameVector {
  readonly name: string;
  readonly type: FrameName;
  readonly from: "client" | "hub" | "effect";
  /** By the names that docs/protocol.md gives them; numbers stand for themselves. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly write: (writer: FrameWriter) => void;
  /** What the reader for this type of frame finds in it. */
  readonly read: (frame: Frame) => unknown;
  /** What it must find. Default: `fields`. */
  readonly found?: unknown;
}
