import { keepInFlight } from "../harness/loops.ts";
import { payload } from "../harness/payload.ts";
import type { Subject } from "../harness/subject.ts";
import { openProcesses } from "./colloquy-processes.ts";

export function open(): Promise<Subject> {
  return openProcesses(import.meta.url, (agent) => {
    const command = async (): Promise<void> => {
      const receipt = await agent.send("type:pool", "orders.book", payload);
      const outcome = await receipt.settled();
      if (outcome.state !== "done") throw new Error(`a command is ${outcome.state}`);
    };
    return (inFlight, durationMs) => keepInFlight(inFlight, durationMs, command);
  });
}
