/**
 * What the broker over NATS does for a durable command, by hand: JetStream with every write flushed
 * before it is acknowledged; the producer waits for the acknowledgement of the stream; the consumer pulls,
 * and once the server has confirmed its acknowledgement tells the producer, by a subject.
 */
import type { Subject } from "../harness/subject.ts";
import { openJetStream } from "./jetstream-place.ts";

export function open(): Promise<Subject> {
  return openJetStream({ flush: "always", acknowledgement: "confirmed" });
}
