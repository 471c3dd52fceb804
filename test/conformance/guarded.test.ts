/** The runtime around a broker changes nothing of the contract, and keeps what capabilities deny. */
import { describe, test } from "vitest";
import type { Broker, Capabilities } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { withRuntime } from "../../src/broker/runtime.ts";
import { brokerCases, casesFor, limitedBroker, type Subject } from "../../src/testing/index.ts";

const { capabilities } = openMemoryBroker();
const everything: Partial<Capabilities> = {};
const little: Partial<Capabilities> = {
  store: false,
  log: false,
  priorities: false,
  delay: false,
  keyOrder: false,
  exactlyOnce: false,
  frameBytesMax: 1_000,
};

for (const [title, changed] of Object.entries({ everything, little })) {
  const open = async (): Promise<Subject> => {
    const inner = openMemoryBroker();
    const clients: Broker[] = [];
    const client = async (broker: Broker): Promise<Broker> => {
      const guarded = await withRuntime(async () => limitedBroker(broker, changed)).open();
      clients.push(guarded);
      return guarded;
    };
    return {
      broker: await client(inner),
      connect: () => client(inner.connect()),
      close: async () => void (await Promise.all(clients.map((each) => each.close()))),
    };
  };
  describe(`a broker that can do ${title}`, () => {
    const claimed = { ...capabilities, ...changed };
    for (const { name, run } of casesFor(claimed, brokerCases, { unheard: true })) {
      test.concurrent(name, () => run(open));
    }
  });
}
