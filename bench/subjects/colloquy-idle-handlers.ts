import type { Subject } from "../harness/subject.ts";
import { openIdleAgents } from "./colloquy-idle-agents-work.ts";

/** Each has a handler, and with it two mailboxes from which it receives. */
export function open(): Promise<Subject> {
  return openIdleAgents(async (agent) => {
    agent.handle("orders.echo", (order) => order);
    await agent.ready();
  });
}
