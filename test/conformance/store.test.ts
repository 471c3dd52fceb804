/** The embedded broker without its hub: the engine over SQLite, in this thread. */
import { test } from "vitest";
import { openStoreBroker, type StoreBroker } from "../../src/broker/embedded/open.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";
import { Directories } from "./support/directory.ts";

// Without the flushes, which embedded.test.ts has: a killed process loses nothing either way.
const openIn = (directory: string): StoreBroker =>
  openStoreBroker(directory, { durability: "process" });

async function open(): Promise<Subject> {
  const directories = new Directories();
  let directory = directories.make();
  let broker = openIn(directory);
  return {
    broker,
    connect: async () => broker.connect(),
    restart: async (how) => {
      if (how === "crash") directory = directories.copyOf(directory);
      await broker.close();
      broker = openIn(directory);
      return broker;
    },
    close: async () => {
      await broker.close();
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
