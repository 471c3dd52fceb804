/** A client that says exactly what it is told, in frames or in bytes. */
import { type Hello, writeHello } from "../../../src/broker/hub/operations/greeting.ts";
import type { Link } from "../../../src/link/link.ts";
import { type Frame, type FrameType, frameTypes } from "../../../src/message/frame.ts";
import { FrameParser } from "../../../src/message/frame-parser.ts";
import { FrameWriter } from "../../../src/message/frame-writer.ts";

export const someone: Hello = {
  incarnation: "someone",
  name: "raw client",
  process: 1,
  host: "elsewhere",
};

export class RawClient {
  readonly link: Link;
  readonly frames: Frame[] = [];
  /** Resolves when the hub has ended the link. */
  readonly ended: Promise<void>;
  readonly #writer = new FrameWriter();
  readonly #waiting: (() => void)[] = [];

  /** @param reads - false leaves everything in the link, as a process does that was stopped. */
  constructor(link: Link, reads = true) {
    this.link = link;
    this.ended = reads ? this.#read() : Promise.resolve();
  }

  write(write: (writer: FrameWriter) => void): void {
    write(this.#writer);
    this.link.send(this.#writer.take());
  }

  async greet(hello: Hello = someone): Promise<void> {
    this.write((writer) => writeHello(writer, hello));
    await this.until(frameTypes.WELCOME);
  }

  /** The first frame of this type that came. */
  async until(type: FrameType): Promise<Frame> {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #read(): Promise<void> {
    const parser = new FrameParser();
    try {
      for await (const chunk of this.link.receive()) {
        parser.push(chunk, (frame) => this.frames.push(frame));
        for (const wake of this.#waiting.splice(0)) wake();
      }
    } catch {
      // A link that broke has ended.
    }
  }
}
