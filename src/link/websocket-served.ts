/** The hub's end of a WebSocket, as a link. Nothing of what a stranger sends is kept here but a frame's head. */
import type { Socket } from "node:net";
import { ColloquyError } from "../errors.ts";
import type { Link, PeerCertificate } from "./link.ts";
import { SocketLink } from "./socket.ts";
import {
  opcodes,
  type WebSocketEnd,
  WebSocketReader,
  webSocketFrameBytesMax,
  writeClose,
  writeWebSocketFrame,
} from "./websocket-frames.ts";

/** The code with which both sides say that nothing more comes. */
const orderly = 1_000;

/** Bytes of PONGs that may wait for somebody who does not read: more PINGs go unanswered. */
const pongBytesMax = 16 * 1024;

export class ServedWebSocketLink implements Link {
  readonly peer: string;
  readonly local = false;
  readonly certificate: PeerCertificate | undefined;
  readonly #bytes: SocketLink;
  #pongBytes = 0;
  #saidClose = false;

  /** @param socket - upgraded already, with nobody else listening to its events. */
  constructor(socket: Socket, peer: string, certificate?: PeerCertificate) {
    this.peer = peer;
    this.certificate = certificate;
    this.#bytes = new SocketLink(socket, { peer, local: false });
  }

  /** Always: what is sent is copied. */
  get idle(): boolean {
    return true;
  }

  send(chunk: Uint8Array): boolean {
    let room = true;
    for (let start = 0; start < chunk.length && !this.#saidClose; start += webSocketFrameBytesMax) {
      const part = chunk.subarray(start, start + webSocketFrameBytesMax);
      room = this.#bytes.send(writeWebSocketFrame(opcodes.binary, part));
    }
    return room;
  }

  drained(): Promise<void> {
    return this.#bytes.drained();
  }

  async *receive(): AsyncGenerator<Uint8Array, void> {
    let data: Uint8Array | undefined;
    let ping: Uint8Array | undefined;
    const reader = new WebSocketReader({
      onData: (bytes) => {
        data = bytes;
      },
      onPing: (payload) => {
        ping = payload;
      },
    });
    /** @returns false at the end. Whoever waits for more must not hold the chunk meanwhile. */
    const read = ({ done, value }: IteratorResult<Uint8Array, unknown>): boolean => {
      if (done === true) return false;
      end = reader.push(value);
      // Only the last of many needs an answer (RFC 6455, section 5.5.3).
      if (ping !== undefined) this.#pong(ping);
      ping = undefined;
      return true;
    };
    const taken = (): Uint8Array => {
      const bytes = data ?? new Uint8Array(0);
      data = undefined;
      return bytes;
    };
    let end: WebSocketEnd | undefined;
    const chunks = this.#bytes.receive()[Symbol.asyncIterator]();
    try {
      while (read(await chunks.next())) {
        if (data !== undefined) yield taken();
        if (end !== undefined) return this.#ended(end);
      }
    } finally {
      await chunks.return?.();
    }
    if (this.#saidClose) return;
    this.#bytes.destroy();
    throw brokenLink(this.peer, "its end came without a word");
  }

  close(): Promise<void> {
    this.#sayClose(orderly, "");
    return this.#bytes.close();
  }

  destroy(): void {
    this.#bytes.destroy();
  }

  #pong(payload: Uint8Array): void {
    if (this.#bytes.idle) this.#pongBytes = 0;
    if (this.#saidClose || this.#pongBytes > pongBytesMax) return;
    this.#pongBytes += payload.length + 2;
    this.#bytes.send(writeWebSocketFrame(opcodes.pong, payload));
  }

  /** @throws AGENT_UNREACHABLE unless the other side closed in order. */
  #ended({ code, reason, told }: WebSocketEnd): void {
    this.#sayClose(code, told ? "" : reason);
    void this.#bytes.close();
    if (code === orderly) return;
    throw brokenLink(this.peer, told ? `it was closed with code ${code}` : `${reason} (${code})`);
  }

  #sayClose(code: number, reason: string): void {
    if (this.#saidClose) return;
    this.#saidClose = true;
    this.#bytes.send(writeClose(code, reason));
  }
}

function brokenLink(peer: string, why: string): ColloquyError<"AGENT_UNREACHABLE"> {
  return new ColloquyError("AGENT_UNREACHABLE", `the link to ${peer} broke: ${why}`);
}
