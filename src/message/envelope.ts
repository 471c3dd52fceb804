/**
 * The envelope: who, to whom, what, why, until when. Small and typed; the payload stays opaque.
 *
 * An *id* is 1 to 128 ASCII letters, digits, `.` `_` `-` `/` `:` `@`. A *name* is 1 to 255 bytes of UTF-8
 * without control characters. Numbers are whole, from 0 to 2^53 - 1. An optional field has no default:
 * absent means that it does not apply. What breaks a limit is INVALID_MESSAGE naming the field, in the
 * sender's process; a receiver checks again. All limits are in limits.ts.
 */
import type { Address } from "./address.ts";

export type MessageKind =
  | "request"
  | "response"
  | "event"
  | "command"
  | "notification"
  | "heartbeat"
  | "error"
  | "batch"
  /** Between two ends of one exchange: started, progress, cancel, credit, inquiry. */
  | "control";

export type Priority = "critical" | "high" | "normal" | "low";

export interface Sender {
  /** Id of the agent. */
  readonly agent: string;
  /** Id of the pool it belongs to. */
  readonly type: string;
  /** One life of one process: where replies go, and what tells a stale twin apart. */
  readonly instance: string;
}

/** A handler in whose run another message was sent. */
export interface Ancestor {
  /** Id of its agent. */
  readonly agent: string;
  /** The method or command: a name. */
  readonly name: string;
}

export interface Envelope {
  /** An id; ours are ULIDs. An answer has that of its request. */
  readonly id: string;
  /** Protocol version: "1.0.0". */
  readonly version: string;
  readonly kind: MessageKind;
  /** The method, topic or command: a name. */
  readonly name: string;
  readonly from: Sender;
  /** Up to 1,024; none for an event, which goes to whoever subscribed. */
  readonly to: readonly Address[];
  /** Wall clock of the sender, milliseconds since 1970. */
  readonly createdMs: number;
  /** "normal" where a sender did not say. */
  readonly priority: Priority;
  /** Milliseconds after `createdMs` when the message is no longer worth starting. */
  readonly ttlMs?: number;
  /** Wall clock, milliseconds; work must have ended. Only shrinks from hop to hop. */
  readonly deadlineMs?: number;
  /** Idle time the requester allows, milliseconds. */
  readonly timeoutMs?: number;
  /** Topic that takes the reply. */
  readonly replyTo?: string;
  /** Id of the request this answers, or of the exchange this controls. */
  readonly correlationId?: string;
  /** An id. */
  readonly conversationId?: string;
  /** An id. */
  readonly workflowId?: string;
  /** Id of the message in whose handling this one was sent. */
  readonly causationId?: string;
  /** Order key, a name: messages of one sender and key are handled in order. */
  readonly key?: string;
  /** Number of this message among its sender's, or of this chunk in its stream; from 1. */
  readonly sequence?: number;
  /** Of a response: "partial" for a chunk of a stream, absent for the last or only one. */
  readonly status?: "partial";
  /** Of control: chunks the reader has room for, up to this sequence. */
  readonly credit?: number;
  /** Forwardings left; absent for no limit. */
  readonly hops?: number;
  /** Calls that may still be made on behalf of this message; absent for no limit. */
  readonly budget?: number;
  /** The handlers on whose behalf this was sent, oldest first; up to 64. */
  readonly path?: readonly Ancestor[];
  /** W3C Trace Context `traceparent`. */
  readonly trace?: string;
  /** Up to 64 pairs, 16 KiB together. Names are RFC 9110 tokens, values UTF-8 without control characters. */
  readonly headers?: Readonly<Record<string, string>>;
}
