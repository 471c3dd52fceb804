import { keepInFlight } from "../harness/loops.ts";
import { assertPayload, payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { openProcesses } from "./colloquy-processes.ts";

export function open(): Promise<Subject> {
  return openProcesses(import.meta.url, (agent) => {
    const request = async (): Promise<void> =>
      assertPayload(await agent.request("agent:handler", "orders.echo", payload));
    return (inFlight, durationMs) => keepInFlight(inFlight, durationMs, request);
  });
}
