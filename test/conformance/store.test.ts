/** The embedded broker without its hub: the engine over SQLite, in this thread. */
import { test } from "vitest";
import { openSqliteStorage } from "../../src/broker/embedded/sqlite-storage.ts";
import { type Engine, openEngine } from "../../src/broker/engine/engine.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { brokerCases, casesFor, type Subject } from "../../src/testing/index.ts";
import { Directories } from "./support/directory.ts";

function openIn(directory: string): Engine {
  return openEngine({
    storage: openSqliteStorage(directory, { durability: "process" }),
    clock: systemClock,
    name: directory,
  });
}

async function open(): Promise<Subject> {
  const directories = new Directories();
  let directory = directories.make();
  let engine = openIn(directory);
  return {
    broker: engine.connect(),
    connect: async () => engine.connect(),
    restart: async (how) => {
      if (how === "crash") directory = directories.copyOf(directory);
      await engine.close();
      engine = openIn(directory);
      return engine.connect();
    },
    close: async () => {
      await engine.close();
      directories.remove();
    },
  };
}

const { broker, close } = await open();
const { capabilities } = broker;
await close();
for (const { name, run } of casesFor(capabilities, brokerCases, { unheard: true })) {
  test.concurrent(name, () => run(open));
}
