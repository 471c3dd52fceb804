/**
 * Everything that is not worth a frame of its own: a method and its parameters, an answer, and notes
 * that follow an answer for as long as the call is open.
 *
 *   CALL   number u64, method text8, codec u8; payload: the parameters
 *   REPLY  number u64, status u8, codec u8; payload     0: the value   1: an error
 *   NOTE   number u64, codec u8; payload                more about an open call
 *   HANGUP number u64                                   the client no longer wants to know
 *
 * Payloads are plain data with byte arrays inside: see message/payload.ts.
 */
import { type ErrorInfo, errorInfo } from "../../../errors.ts";
import { ByteReader } from "../../../message/byte-reader.ts";
import { type Frame, frameTypes } from "../../../message/frame.ts";
import type { FrameWriter } from "../../../message/frame-writer.ts";
import { invalidMessage } from "../../../message/invalid.ts";
import { compressions, type EncodedPayload, type PayloadCodec } from "../../../message/message.ts";
import { decodePayload, encodePayload } from "../../../message/payload.ts";
import { errorInfoFrom } from "./error.ts";
import { callBytesMax } from "./limits.ts";

export interface CallOperation {
  readonly number: number;
  readonly method: string;
  readonly parameters: unknown;
}

export type ReplyOperation =
  | { readonly number: number; readonly ok: true; readonly value: unknown }
  | { readonly number: number; readonly ok: false; readonly error: ErrorInfo };

const statusOk = 0;
const statusError = 1;

/** @throws MESSAGE_TOO_LARGE, with nothing written. */
export function writeCall(
  writer: FrameWriter,
  number: number,
  method: string,
  parameters: unknown,
): void {
  writeEncodedCall(writer, number, method, encodeParameters(parameters));
}

/** @throws MESSAGE_TOO_LARGE, SERIALIZATION_ERROR. */
export function encodeParameters(parameters: unknown): EncodedPayload {
  return encodePayload(parameters, callBytesMax);
}

export function writeEncodedCall(
  writer: FrameWriter,
  number: number,
  method: string,
  payload: EncodedPayload,
): void {
  const frame = writer.begin(frameTypes.CALL);
  writer.uint53(number);
  writer.text8(method);
  writer.uint8(payload.codec);
  writer.endHeader(frame);
  writer.bytes(payload.bytes);
  writer.end(frame);
}

export function readCall(frame: Frame): CallOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  const method = reader.text8("method");
  return { number, method, parameters: readPayload(frame, reader.uint8("codec")) };
}

/** A value that cannot be sent becomes the error that says why. */
export function writeReply(writer: FrameWriter, number: number, value: unknown): void {
  let payload: ReturnType<typeof encodePayload>;
  try {
    payload = encodePayload(value, callBytesMax);
  } catch (error) {
    writeErrorReply(writer, number, errorInfo(error));
    return;
  }
  writeAnswer(writer, number, statusOk, payload);
}

export function writeErrorReply(writer: FrameWriter, number: number, error: ErrorInfo): void {
  writeAnswer(writer, number, statusError, encodePayload(plainError(error), callBytesMax));
}

function writeAnswer(
  writer: FrameWriter,
  number: number,
  status: number,
  payload: ReturnType<typeof encodePayload>,
): void {
  const frame = writer.begin(frameTypes.REPLY);
  writer.uint53(number);
  writer.uint8(status);
  writer.uint8(payload.codec);
  writer.endHeader(frame);
  writer.bytes(payload.bytes);
  writer.end(frame);
}

export function readReply(frame: Frame): ReplyOperation {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  const ok = reader.uint8("status") === statusOk;
  const value = readPayload(frame, reader.uint8("codec"));
  return ok ? { number, ok, value } : { number, ok, error: errorInfoFrom(value) };
}

export function writeNote(writer: FrameWriter, number: number, value: unknown): void {
  const payload = encodePayload(value, callBytesMax);
  const frame = writer.begin(frameTypes.NOTE);
  writer.uint53(number);
  writer.uint8(payload.codec);
  writer.endHeader(frame);
  writer.bytes(payload.bytes);
  writer.end(frame);
}

export function readNote(frame: Frame): { readonly number: number; readonly value: unknown } {
  const reader = new ByteReader(frame.chunk, frame.headerStart, frame.payloadStart);
  const number = reader.uint53("number");
  return { number, value: readPayload(frame, reader.uint8("codec")) };
}

function readPayload(frame: Frame, codec: number): unknown {
  if (codec > 3) throw invalidMessage("codec", "a number from 0 to 3");
  const bytes = frame.payload;
  return decodePayload(
    { codec: codec as PayloadCodec, compression: compressions.none, bytes },
    callBytesMax,
  );
}

/** Details come from anywhere; what is no plain data stays here. */
function plainError(error: ErrorInfo): ErrorInfo {
  return JSON.parse(JSON.stringify(error)) as ErrorInfo;
}
