/**
 * How a session between a client and a hub begins and ends. Headers are JSON; members that a reader
 * does not know are skipped.
 *
 *   client                        hub
 *   HELLO      ───────────────▶                     who I am
 *              ◀───────────────   WELCOME           what you reached; or GOODBYE and the end
 *   SUBSCRIBE, RECEIVE with claims ...
 *   RESUMED    ───────────────▶                     all that I still hold has been claimed
 *              ◀──── PING ────▶                     number u64, answered by PONG with the same number
 *   GOODBYE    ◀──────────────▶                     nothing of mine is left here; why, if not in order
 */
import { type ErrorInfo, isErrorCode } from "../../../errors.ts";
import type { Frame } from "../../../message/frame.ts";
import { type FrameType, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage, unknownVersion } from "../../../message/invalid.ts";
import { decodeUtf8, utf8Length } from "../../../message/text.ts";
import type { Capabilities } from "../../broker.ts";

/** Raised when one side could misread the other. */
export const protocolVersion = 1;

/** UTF-8 bytes of a HELLO's credential: with it, the header stays below what a stranger may send. */
export const credentialBytesMax = 8_192;

export interface Hello {
  /** One life of one client; a second session of the same incarnation takes the first one's place. */
  readonly incarnation: string;
  /** For people. */
  readonly name: string;
  /** Process id, and what it is unique in: see runtime/process.ts. */
  readonly process: number;
  readonly host: string;
  /** What the client shows of itself to be let in, for the hub's authenticator; at most 8,192 bytes of UTF-8. */
  readonly credential?: string;
}

export interface Welcome {
  /** One life of one hub. */
  readonly hub: string;
  /** The name of the broker behind it. */
  readonly broker: string;
  readonly capabilities: Capabilities;
  /** A client that is silent for longer loses what it holds; it sends PING well before. */
  readonly silenceMsMax: number;
}

export function writeHello(writer: FrameWriter, hello: Hello): void {
  writeJson(writer, frameTypes.HELLO, { protocol: protocolVersion, ...hello });
}

/** @throws INVALID_VERSION when the client speaks another version, INVALID_MESSAGE when it is no HELLO. */
export function readHello(frame: Frame): Hello {
  const header = readVersioned(frame, frameTypes.HELLO, "HELLO");
  const { incarnation, name, process, host, credential } = header;
  if (!isName(incarnation)) throw invalidMessage("hello.incarnation", nameLimit);
  if (!isName(name)) throw invalidMessage("hello.name", nameLimit);
  if (!isName(host)) throw invalidMessage("hello.host", nameLimit);
  if (!Number.isSafeInteger(process)) throw invalidMessage("hello.process", "a process id");
  const known = { incarnation, name, host, process: process as number };
  if (credential === undefined) return known;
  if (typeof credential !== "string" || utf8Length(credential) > credentialBytesMax) {
    throw invalidMessage("hello.credential", `a text of at most ${credentialBytesMax} bytes`);
  }
  return { ...known, credential };
}

export function writeWelcome(writer: FrameWriter, welcome: Welcome): void {
  writeJson(writer, frameTypes.WELCOME, { protocol: protocolVersion, ...welcome });
}

/** Trusts the hub to describe its broker as the types say. @throws like `readHello`. */
export function readWelcome(frame: Frame): Welcome {
  const header = readVersioned(frame, frameTypes.WELCOME, "WELCOME");
  const { hub, broker, capabilities, silenceMsMax } = header;
  if (!isName(hub)) throw invalidMessage("welcome.hub", nameLimit);
  if (!isName(broker)) throw invalidMessage("welcome.broker", nameLimit);
  if (!isObject(capabilities)) throw invalidMessage("welcome.capabilities", "an object");
  if (typeof silenceMsMax !== "number") throw invalidMessage("welcome.silenceMsMax", "a number");
  return { hub, broker, capabilities: capabilities as unknown as Capabilities, silenceMsMax };
}

/** @param reason - absent when the session ends in order. */
export function writeGoodbye(writer: FrameWriter, reason?: ErrorInfo): void {
  writeJson(writer, frameTypes.GOODBYE, reason === undefined ? {} : { reason });
}

/** @returns why the other side ends the session; undefined when it ends in order. */
export function readGoodbye(frame: Frame): ErrorInfo | undefined {
  const { reason } = readJson(frame, "goodbye");
  if (!isObject(reason)) return undefined;
  const { code, message, retryable } = reason;
  if (!isErrorCode(code) || typeof message !== "string") return undefined;
  return { code, message, retryable: retryable === true };
}

export function writeResumed(writer: FrameWriter): void {
  const frame = writer.begin(frameTypes.RESUMED);
  writer.endHeader(frame);
  writer.end(frame);
}

const nameLimit = "a text of 1 to 255 characters";

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 255;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function writeJson(writer: FrameWriter, type: FrameType, value: object): void {
  const frame = writer.begin(type);
  writer.text(JSON.stringify(value));
  writer.endHeader(frame);
  writer.end(frame);
}

function readVersioned(
  frame: Frame,
  type: FrameType,
  name: string,
): Readonly<Record<string, unknown>> {
  if (frame.type !== type) throw invalidMessage("frame.type", `${name} first`);
  const header = readJson(frame, name.toLowerCase());
  const { protocol } = header;
  if (protocol === protocolVersion) return header;
  throw unknownVersion(`${name.toLowerCase()}.protocol`, String(protocol), `${protocolVersion}`);
}

function readJson(frame: Frame, field: string): Readonly<Record<string, unknown>> {
  const text = decodeUtf8(field, frame.chunk, frame.headerStart, frame.payloadStart);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidMessage(field, "JSON");
  }
  if (!isObject(value)) throw invalidMessage(field, "an object");
  return value;
}
