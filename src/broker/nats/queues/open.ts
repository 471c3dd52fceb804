/** Makes the queues of a broker object. */
import type { NatsPorts, NatsQueuesPart } from "../broker.ts";
import { NatsQueues } from "./port.ts";
import { planStored } from "./stored-effects.ts";

export async function openQueues(ports: NatsPorts): Promise<NatsQueuesPart> {
  const queues = new NatsQueues(ports.link, ports.topics, (effects) => planStored(ports, effects));
  const capabilities = {
    effects: "atomic",
    priorities: true,
    delay: true,
    keyOrder: true,
    exactlyOnce: true,
  } as const;
  return { queues, capabilities };
}
