import type { Subject } from "../harness/subject.ts";
import { messagesWaiting } from "../harness/waiting.ts";
import { openWaiting } from "./colloquy-waiting-work.ts";

export function open(): Promise<Subject> {
  return openWaiting(messagesWaiting());
}
