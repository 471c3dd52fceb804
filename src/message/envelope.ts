/** The envelope: who, to whom, what, why, until when. Small and typed; the payload stays opaque. */
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
  /** Agent id. */
  readonly agent: string;
  readonly type: string;
  /** One life of one process: where replies go, and what tells a stale twin apart. */
  readonly instance: string;
}

export interface Envelope {
  /** ULID. */
  readonly id: string;
  /** Protocol version, semantic versioning. */
  readonly version: string;
  readonly kind: MessageKind;
  /** The method, topic or command. */
  readonly name: string;
  readonly from: Sender;
  readonly to: readonly Address[];
  /** Wall clock of the sender, milliseconds since 1970. */
  readonly createdMs: number;
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
  readonly conversationId?: string;
  readonly workflowId?: string;
  /** Id of the message in whose handling this one was sent. */
  readonly causationId?: string;
  /** Order key: messages of one sender and key are handled in order. */
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
  /** Agents on whose behalf this was sent, oldest first. */
  readonly path?: readonly string[];
  /** W3C Trace Context `traceparent`. */
  readonly trace?: string;
  readonly headers?: Readonly<Record<string, string>>;
}
