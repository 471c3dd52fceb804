/** The embedded broker as it is used: the owner's hub in its thread, everybody a client of it. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import type { Broker } from "../../src/broker/broker.ts";
import { openEmbedded } from "../../src/hub/embedded.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";
import { Directories } from "./support/directory.ts";

// Every case starts a thread of its own: its modules are compiled once for all of them.
process.env["NODE_COMPILE_CACHE"] ??= join(tmpdir(), "colloquy-compile-cache");

async function open(): Promise<Subject> {
  const directories = new Directories();
  let directory = directories.make();
  let clients: Broker[] = [];
  const connect = async (): Promise<Broker> => {
    const client = await openEmbedded(directory);
    clients.push(client);
    return client;
  };
  const end = async (): Promise<void> => {
    // The first is the owner: the others need not take over.
    for (const client of clients.toReversed()) await client.close();
    clients = [];
  };
  return {
    broker: await connect(),
    connect,
    restart: async (how) => {
      if (how === "crash") directory = directories.copyOf(directory);
      await end();
      return connect();
    },
    close: async () => {
      await end();
      directories.remove();
    },
  };
}

const { broker, close } = await open();
const { capabilities } = broker;
await close();
for (const { name, run } of casesFor(capabilities, brokerCases, { unheard: true })) {
  test.concurrent(name, { timeout: 60_000 }, () => run(open));
}
