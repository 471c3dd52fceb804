/** Somebody who says to a hub over a real socket whatever bytes he likes, and how that ends. */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";

export interface Stranger {
  readonly socket: Socket;
  /** All that was answered so far. */
  readonly heard: () => Buffer;
  /** Resolves once the hub has ended the connection. */
  readonly ended: Promise<void>;
  /** Resolves with all that was answered once it holds `text`; rejects when the connection ended without. */
  until(text: string): Promise<Buffer>;
}

/** @param reads - false for one who never takes what is sent to him. */
export async function dial(port: number, reads = true): Promise<Stranger> {
  const socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
  // The hub may reset it while something is still being written.
  socket.on("error", () => {});
  await once(socket, "connect");
  const chunks: Buffer[] = [];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of [...waiting]) look();
  };
  if (reads) {
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      wake();
    });
  }
  const ended = new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", resolve);
  });
  let over = false;
  void ended.then(() => {
    over = true;
    wake();
  });
  const heard = () => Buffer.concat(chunks);
  const until = (text: string) =>
    new Promise<Buffer>((resolve, reject) => {
      const look = () => {
        if (heard().includes(text)) resolve(heard());
        else if (over) reject(new Error(`it ended after ${heard().toString("latin1")}`));
        else return;
        waiting.delete(look);
      };
      waiting.add(look);
      look();
    });
  return { socket, heard, ended, until };
}

export const upgradeRequest: string = [
  "GET / HTTP/1.1",
  "Host: hub",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "\r\n",
].join("\r\n");

/** Past the upgrade. */
export async function dialWebSocket(port: number, reads = true): Promise<Stranger> {
  const stranger = await dial(port, true);
  stranger.socket.write(upgradeRequest);
  await stranger.until("\r\n\r\n");
  if (!reads) stranger.socket.pause();
  return stranger;
}

export interface WebSocketFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Default: true. */
  readonly fin?: boolean;
  /** Default: four bytes that are not 0; undefined for none. */
  readonly mask?: readonly [number, number, number, number] | undefined;
  readonly reserved?: number;
  /** Announced in place of the payload's own. */
  readonly length?: number;
}

/** As a client writes it, unless it is told to do it wrong. */
export function frameBytes(frame: WebSocketFrame): Uint8Array {
  const { opcode, payload = new Uint8Array(0), fin = true, reserved = 0 } = frame;
  const mask = "mask" in frame ? frame.mask : ([7, 77, 177, 217] as const);
  const length = frame.length ?? payload.length;
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const masked = mask === undefined ? 0 : 0x80;
  if (length < 126) head.push(masked | length);
  else if (length < 65_536) head.push(masked | 126, length >>> 8, length & 0xff);
  else {
    head.push(masked | 127);
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(length));
    for (let at = 0; at < 8; at++) head.push(view.getUint8(at));
  }
  head.push(...(mask ?? []));
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  for (const [at, byte] of payload.entries()) {
    bytes[head.length + at] = byte ^ (mask?.[at & 3] ?? 0);
  }
  return bytes;
}

/** The close code of the last frame that was heard, which hubs do not mask. */
export function closeCode(heard: Buffer): number | undefined {
  const body = heard.subarray(heard.indexOf("\r\n\r\n") + 4);
  for (let at = 0; at + 2 <= body.length; ) {
    const [first = 0, second = 0] = body.subarray(at);
    const extended = second === 126 ? 2 : 0;
    const length = extended === 0 ? second : body.readUInt16BE(at + 2);
    if ((first & 0x0f) === 8) return length >= 2 ? body.readUInt16BE(at + 2) : 1_000;
    at += 2 + extended + length;
  }
  return undefined;
}
