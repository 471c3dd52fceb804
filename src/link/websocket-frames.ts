/**
 * The frames of a WebSocket as a hub reads and writes them (RFC 6455, section 5).
 *
 *   frame    = flags length [length16 | length64] [mask] payload       integers are big-endian
 *     flags    fin 1 bit, reserved 3 bits, opcode 4 bits
 *     length   masked 1 bit, then 7 bits: the length; or 126: a u16 follows; or 127: a u64
 *     mask     4 bytes, from clients always and from hubs never
 *
 * Payload is passed on as it arrives: the boundaries of messages mean nothing here. What is kept of a
 * frame whose end has not come is its head, or the 125 bytes that a control frame may have, whatever a
 * stranger announces.
 */
import { webSocketMessageBytesMax } from "./websocket-message.ts";

/** What a frame is for. */
export const opcodes = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** Why a WebSocket ends: the code of section 7.4.1, and the reason in a few words. */
export interface WebSocketEnd {
  readonly code: number;
  readonly reason: string;
  /** The other side said so itself; otherwise it did something wrong. */
  readonly told: boolean;
}

export interface WebSocketReaderOptions {
  /** The bytes of messages in a chunk, as a view into it: it must not change afterwards. */
  readonly onData: (bytes: Uint8Array) => void;
  /** The payload of a PING, to be sent back. */
  readonly onPing: (payload: Uint8Array) => void;
}

/** Frames of one message. */
export const webSocketFragmentsMax = 16;

/** Heads and control frames may take so many bytes more than messages: whoever sends little else wants only to be read. */
const excessBytesMax = 4 * 1024;

const controlBytesMax = 125;
const headBytesMax = 14;
const maskedBit = 0x80;

export class WebSocketReader {
  readonly #options: WebSocketReaderOptions;
  readonly #head = new Uint8Array(headBytesMax);
  #headLength = 0;
  /** Of the frame whose payload is being read. */
  #opcode: number = opcodes.binary;
  readonly #mask = new Uint8Array(4);
  #payloadLeft = 0;
  #payloadRead = 0;
  #fin = true;
  /** Of a control frame; made with the first. */
  #control: Uint8Array | undefined;
  /** Of the message that has begun; 0 between messages. */
  #fragments = 0;
  #messageBytes = 0;
  /** Where in the present chunk the bytes of messages are. */
  #dataStart = 0;
  #dataEnd = 0;
  /** Bytes of heads and control frames that messages do not account for. */
  #excess = 0;
  #end: WebSocketEnd | undefined;

  constructor(options: WebSocketReaderOptions) {
    this.#options = options;
  }

  /**
   * Takes the mask off the bytes of `chunk`, and moves those of messages together, in place: thousands of
   * messages of a byte each are passed on as one run.
   *
   * @returns why the WebSocket ends, once it does; nothing is read after that.
   */
  push(chunk: Uint8Array): WebSocketEnd | undefined {
    this.#dataStart = 0;
    this.#dataEnd = 0;
    for (let at = 0; at < chunk.length && this.#end === undefined; ) {
      at = this.#inPayload ? this.#readPayload(chunk, at) : this.#readHead(chunk, at);
    }
    if (this.#dataEnd > this.#dataStart) {
      this.#options.onData(chunk.subarray(this.#dataStart, this.#dataEnd));
    }
    return this.#end;
  }

  get #inPayload(): boolean {
    return this.#payloadLeft > 0;
  }

  #readHead(chunk: Uint8Array, begin: number): number {
    let at = begin;
    while (at < chunk.length && this.#headLength < this.#headBytes()) {
      this.#head[this.#headLength++] = chunk[at++] as number;
    }
    // What is wrong is known with the first bytes, and is not waited for to be complete.
    const wrong = this.#headLength >= 2 ? this.#wrongStart() : undefined;
    if (wrong !== undefined) this.#refuse(...wrong);
    else if (this.#headLength === this.#headBytes()) this.#begin();
    return at;
  }

  /** Length of the head, as far as it is known. */
  #headBytes(): number {
    if (this.#headLength < 2) return 2;
    const [, second = 0] = this.#head;
    return 2 + extendedBytes(second) + ((second & maskedBit) === 0 ? 0 : 4);
  }

  #wrongStart(): readonly [code: number, reason: string] | undefined {
    const [first = 0, second = 0] = this.#head;
    const opcode = first & 0x0f;
    if ((first & 0x70) !== 0) return [1_002, "reserved bits are set"];
    if ((second & maskedBit) === 0) return [1_002, "a frame is not masked"];
    if (opcode >= opcodes.close) {
      if (opcode > opcodes.pong) return [1_002, "an unknown opcode"];
      if ((first & 0x80) === 0) return [1_002, "a control frame is cut"];
      if ((second & 0x7f) > controlBytesMax) return [1_002, "a control frame is too long"];
      if (opcode === opcodes.close && (second & 0x7f) === 1) return [1_002, "half a close code"];
      return undefined;
    }
    if (opcode === opcodes.text) return [1_003, "binary messages only"];
    if (opcode > opcodes.binary) return [1_002, "an unknown opcode"];
    const continues = opcode === opcodes.continuation;
    if (continues === (this.#fragments === 0)) return [1_002, "a continuation out of place"];
    if (this.#fragments >= webSocketFragmentsMax) return [1_008, "a message in too many pieces"];
    if (this.#headLength < 2 + extendedBytes(second)) return undefined;
    if (this.#messageBytes + this.#announced() <= webSocketMessageBytesMax) return undefined;
    return [1_009, `a message of more than ${webSocketMessageBytesMax} bytes`];
  }

  #begin(): void {
    const [first = 0] = this.#head;
    const length = this.#announced();
    this.#opcode = first & 0x0f;
    this.#fin = (first & 0x80) !== 0;
    for (let at = 0; at < 4; at++) {
      this.#mask[at] = this.#head[this.#headLength - 4 + at] as number;
    }
    this.#excess += this.#headLength + (this.#opcode >= opcodes.close ? length : 0);
    this.#headLength = 0;
    if (this.#excess > excessBytesMax) {
      return this.#refuse(1_008, "more heads and control frames than messages");
    }
    this.#payloadRead = 0;
    this.#payloadLeft = length;
    if (this.#opcode < opcodes.close) {
      this.#fragments++;
      this.#messageBytes += length;
    }
    if (length === 0) this.#finish();
  }

  /** Length of the payload, once the head has told it. */
  #announced(): number {
    const length = (this.#head[1] as number) & 0x7f;
    const view = new DataView(this.#head.buffer);
    if (length === 126) return view.getUint16(2);
    return length === 127 ? view.getUint32(2) * 2 ** 32 + view.getUint32(6) : length;
  }

  #readPayload(chunk: Uint8Array, begin: number): number {
    const end = Math.min(chunk.length, begin + this.#payloadLeft);
    const length = end - begin;
    if (this.#opcode < opcodes.close) {
      if (this.#dataEnd === this.#dataStart) this.#dataStart = this.#dataEnd = begin;
      this.#unmask(chunk, begin, length, chunk, this.#dataEnd);
      this.#dataEnd += length;
      this.#excess = Math.max(0, this.#excess - length);
    } else {
      this.#control ??= new Uint8Array(controlBytesMax);
      this.#unmask(chunk, begin, length, this.#control, this.#payloadRead);
    }
    this.#payloadRead += length;
    this.#payloadLeft -= length;
    if (this.#payloadLeft === 0) this.#finish();
    return end;
  }

  #unmask(from: Uint8Array, begin: number, length: number, to: Uint8Array, toBegin: number): void {
    for (let at = 0; at < length; at++) {
      const mask = this.#mask[(this.#payloadRead + at) & 3] as number;
      to[toBegin + at] = (from[begin + at] as number) ^ mask;
    }
  }

  #finish(): void {
    if (this.#opcode < opcodes.close) {
      if (!this.#fin) return;
      this.#fragments = 0;
      this.#messageBytes = 0;
    } else if (this.#opcode === opcodes.ping) this.#options.onPing(this.#controlPayload());
    else if (this.#opcode === opcodes.close) this.#closed(this.#controlPayload());
  }

  #controlPayload(): Uint8Array {
    return this.#control?.slice(0, this.#payloadRead) ?? new Uint8Array(0);
  }

  #closed(payload: Uint8Array): void {
    // Without a code nothing is wrong.
    if (payload.length === 0) {
      this.#end = { code: 1_000, reason: "", told: true };
      return;
    }
    const code = (payload[0] as number) * 256 + (payload[1] as number);
    if (!isCloseCode(code)) return this.#refuse(1_002, "a close frame without a valid code");
    try {
      const reason = new TextDecoder("utf-8", { fatal: true }).decode(payload.subarray(2));
      this.#end = { code, reason, told: true };
    } catch {
      this.#refuse(1_007, "the reason to close is no UTF-8");
    }
  }

  #refuse(code: number, reason: string): void {
    this.#end = { code, reason, told: false };
  }
}

/** @returns one frame, not masked. `payload` is copied. */
export function writeWebSocketFrame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const headBytes = length < 126 ? 2 : 4;
  const frame = new Uint8Array(headBytes + length);
  frame[0] = 0x80 | opcode;
  frame[1] = length < 126 ? length : 126;
  if (length >= 126) {
    frame[2] = length >>> 8;
    frame[3] = length & 0xff;
  }
  frame.set(payload, headBytes);
  return frame;
}

/** The longest payload that `writeWebSocketFrame` takes. */
export const webSocketFrameBytesMax = 0xffff;

export function writeClose(code: number, reason: string): Uint8Array {
  const text = new TextEncoder().encode(reason).subarray(0, controlBytesMax - 2);
  const payload = new Uint8Array(2 + text.length);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  payload.set(text, 2);
  return writeWebSocketFrame(opcodes.close, payload);
}

/** Of a head's second byte: how many follow for the length. */
function extendedBytes(second: number): number {
  const length = second & 0x7f;
  return length === 126 ? 2 : length === 127 ? 8 : 0;
}

/** Codes that may stand in a close frame: section 7.4. */
function isCloseCode(code: number): boolean {
  if (code >= 3_000) return code < 5_000;
  return code >= 1_000 && code <= 1_014 && ![1_004, 1_005, 1_006].includes(code);
}
