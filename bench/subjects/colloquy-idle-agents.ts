import type { Subject } from "../harness/subject.ts";
import { openIdleAgents } from "./colloquy-idle-agents-work.ts";

/** They may ask and publish; nobody asks them. */
export function open(): Promise<Subject> {
  return openIdleAgents(async () => {});
}
