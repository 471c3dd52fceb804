/**
 * Frames written one behind the other into a chunk, to be sent with one write. Frames nest: the
 * payload of one may itself be written as frames.
 *
 *   const frame = writer.begin(frameTypes.PUBLISH);
 *   writer.text8(topic);
 *   writer.endHeader(frame);
 *   writer.bytes(message);
 *   writer.end(frame);
 */
import { ByteWriter } from "./byte-writer.ts";
import { type FrameType, frameVersion, plainSuite } from "./frame.ts";
import { frameHeadBytes } from "./limits.ts";

/** A frame between its `begin` and its `end`. */
export type OpenFrame = number;

export class FrameWriter extends ByteWriter {
  /** What follows is the header. */
  begin(type: FrameType, flags = 0): OpenFrame {
    const frame = this.length;
    this.uint32((frameVersion << 24) | (type << 16) | (plainSuite << 8) | flags);
    this.uint53(0);
    return frame;
  }

  /** What follows is the payload. */
  endHeader(frame: OpenFrame): void {
    this.patchUint32(frame + 4, this.length - frame - frameHeadBytes);
  }

  /** Ends the payload, and with it the frame. The caller has seen to the limits. */
  end(frame: OpenFrame): void {
    const header = this.peekUint32(frame + 4);
    this.patchUint32(frame + 8, this.length - frame - frameHeadBytes - header);
  }
}
