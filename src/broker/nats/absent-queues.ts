/** Queues of a broker that has none: every call is refused. */
import { ColloquyError } from "../../errors.ts";
import type { Queues } from "../broker.ts";
import type { NatsPorts, NatsQueuesPart } from "./broker.ts";

export async function absentQueues({ link }: NatsPorts): Promise<NatsQueuesPart> {
  const refuse = (): never => {
    link.assertOpen();
    throw new ColloquyError("UNSUPPORTED", `queues: the broker ${link.settings.name} has none`);
  };
  const call = async (): Promise<never> => refuse();
  // biome-ignore lint/correctness/useYield: it is over before its first step.
  const iterate = async function* (): AsyncGenerator<never> {
    refuse();
  };
  const queues: Queues = {
    declare: call,
    remove: call,
    mailboxes: call,
    enqueue: call,
    receive: iterate,
    settle: call,
    report: call,
    cancel: call,
    answer: call,
    track: call,
    browse: iterate,
    deadLetters: iterate,
    replay: call,
    purge: call,
  };
  const capabilities = {
    effects: "outbox",
    priorities: false,
    delay: false,
    keyOrder: false,
    exactlyOnce: false,
  } as const;
  return { queues, capabilities };
}
