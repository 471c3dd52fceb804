import { test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openMemoryBroker } from "../../src/broker/memory.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";

async function open(): Promise<Subject> {
  const broker = openMemoryBroker();
  const clients: Broker[] = [broker];
  const connect = async () => {
    const client = broker.connect();
    clients.push(client);
    return client;
  };
  const close = async () => void (await Promise.all(clients.map((client) => client.close())));
  return { broker, connect, close };
}

const { capabilities } = openMemoryBroker();
for (const { name, run } of casesFor(capabilities, brokerCases, { unheard: true })) {
  test.concurrent(name, () => run(open));
}
