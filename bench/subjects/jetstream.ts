/**
 * JetStream as installed: a file store that is flushed every two minutes. The producer waits for the
 * acknowledgement of the stream; the consumer acknowledges, and then publishes the sequence numbers on a
 * subject, which is how the producer learns that a message is settled.
 */
import type { Subject } from "../harness/subject.ts";
import { openJetStream } from "./jetstream-place.ts";

export function open(): Promise<Subject> {
  return openJetStream({ flush: "as installed", acknowledgement: "sent" });
}
