/** A dead letter: the frame as it was, and beside it what is known of the end of its message. */
import type { ErrorInfo } from "../../../errors.ts";
import type { Attempts, DeadLetter, Failure } from "../../broker.ts";
import type { StoredMessage, StreamMessage } from "../jetstream.ts";
import { jsonObject } from "../json-object.ts";
import { decodeToken } from "../names.ts";
import type { LiveRecord } from "./record.ts";
import { messageHeaders, type WorkMessage } from "./work-message.ts";

const letterHeader = "Colloquy-Letter";
/** Bytes of that header: less than every server leaves beside the longest frame. */
const headerBytesMax = 48 * 2 ** 10;

interface LetterFields {
  readonly queue: string;
  readonly position: number;
  /** Of the message in its queue, behind the token of the queue. */
  readonly place: string;
  readonly error: ErrorInfo;
  readonly attempts: Attempts;
  readonly firstFailureMs: number;
  readonly lastFailureMs: number;
  readonly history: readonly Failure[];
}

export interface Letter {
  readonly letter: DeadLetter;
  /** Which lane and key it had. */
  readonly place: string;
  readonly id: string;
  readonly guarantee: string;
}

export function encodeLetter(
  subject: string,
  queue: string,
  message: WorkMessage,
  life: LiveRecord,
  error: ErrorInfo,
): StreamMessage {
  const { id, lane, keyToken, position, guarantee, frame } = message;
  const place = keyToken === undefined ? `${lane}.u` : `${lane}.k.${keyToken}`;
  const { attempts, firstFailureMs, lastFailureMs } = life;
  const common = { queue, position, place, error, attempts, firstFailureMs, lastFailureMs };
  let { history } = life;
  let text = JSON.stringify({ ...common, history });
  while (text.length > headerBytesMax && history.length > 0) {
    history = history.slice(1);
    text = JSON.stringify({ ...common, history });
  }
  const headers = {
    // Headers hold text without line ends, as JSON is, of which some servers' tools show ASCII only.
    [letterHeader]: encodeURIComponent(text),
    [messageHeaders.id]: id,
    [messageHeaders.guarantee]: guarantee,
  };
  return { subject, payload: frame, headers };
}

/** Undefined where somebody else has written what is no letter. */
export function decodeLetter({ seq, data, header }: StoredMessage): Letter | undefined {
  const fields = jsonObject(decodeToken(header(letterHeader))) as LetterFields | undefined;
  if (fields === undefined || !isLetter(fields)) return undefined;
  const { place, ...known } = fields;
  return {
    letter: { ...known, number: seq, frame: data },
    place,
    id: header(messageHeaders.id),
    guarantee: header(messageHeaders.guarantee),
  };
}

function isLetter({ queue, position, place, error, attempts, history }: LetterFields): boolean {
  const texts = [queue, place].every((text) => typeof text === "string");
  const isPlaced = texts && Number.isSafeInteger(position);
  const { failures, pickups, crashes } = Object(attempts) as Partial<Attempts>;
  const isCounted = [failures, pickups, crashes].every(Number.isSafeInteger);
  return isPlaced && isCounted && typeof error?.message === "string" && Array.isArray(history);
}
