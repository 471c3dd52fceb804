/**
 * The floor of a request across processes: frames of a length and 256 bytes over a Unix socket to a
 * process that sends the bytes back. No envelope, no JSON, no correlation, nobody in between. What is
 * sent in one turn of the event loop leaves as one write.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { temporaryDirectory } from "../harness/directory.ts";
import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import { startProcess } from "../harness/process.ts";
import type { Subject } from "../harness/subject.ts";

// frame = length u32, big-endian | that many bytes
const lengthBytes = 4;

export async function open(): Promise<Subject> {
  const directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  const server = await startProcess(new URL("./socket-echo-server.ts", import.meta.url), [path]);
  const socket = connect(path);
  await once(socket, "connect");

  const frame = frameOf(Buffer.from(JSON.stringify(payload)));
  const waiting: (() => void)[] = [];
  const unsent: Uint8Array[] = [];
  const reader = new FrameReader();

  socket.on("data", (chunk) => {
    for (const resolve of waiting.splice(0, reader.push(chunk))) resolve();
  });
  const flush = (): void => {
    socket.write(Buffer.concat(unsent));
    unsent.length = 0;
  };
  const echo = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (unsent.push(frame) === 1) setImmediate(flush);
    });

  return {
    measure: (inFlight, durationMs) => keepInFlight(inFlight, durationMs, echo),
    close: async () => {
      socket.destroy();
      await server.stop();
      directory.remove();
    },
  };
}

function frameOf(body: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(lengthBytes + body.length);
  frame.writeUInt32BE(body.length);
  frame.set(body, lengthBytes);
  return frame;
}

/** Finds the ends of frames in chunks that are cut anywhere. */
class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @returns how many frames `chunk` completed. */
  push(chunk: Buffer): number {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let offset = 0;
    let count = 0;
    while (bytes.length - offset >= lengthBytes) {
      const end = offset + lengthBytes + bytes.readUInt32BE(offset);
      if (end > bytes.length) break;
      offset = end;
      count += 1;
    }
    this.#rest = bytes.subarray(offset);
    return count;
  }
}
