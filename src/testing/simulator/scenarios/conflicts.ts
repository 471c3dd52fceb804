/** Many write to one entry and one stream at a time, each only where nobody was quicker. */
import { isColloquyError } from "../../../errors.ts";
import type { Network } from "../../../network/network.ts";
import { conflicts } from "../checkers/conflicts.ts";
import type { ScenarioEvent } from "../events.ts";
import { everyFault, wallClockMsMax } from "../faults.ts";
import type { ProcessContext, Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

const entry = "entry";
const stream = "stream";
const writers = 3;

export const conflictsScenario: Scenario = {
  name: "conflicts",
  faults: everyFault,
  jumpMsMax: wallClockMsMax,
  checkers: [conflicts],
  stage(_random, messages) {
    const each = Math.ceil(messages / writers / 2);
    const names = Array.from({ length: writers }, (_, index) => `writer-${index + 1}`);
    return {
      programs: Object.fromEntries(names.map((name) => [name, writer(each)])),
      drivers: names,
      observe: async (process) => {
        const net = await process.join();
        const values = (await net.store.get(entry))?.value as readonly string[] | undefined;
        process.record({ kind: "found", what: entry, values: values ?? [] });
        const read: string[] = [];
        for await (const { value } of net.log.read(stream)) read.push(value as string);
        process.record({ kind: "found", what: stream, values: read });
      },
    };
  },
};

/** Writes so many values to each, in this life and those before. */
function writer(count: number): Program<ScenarioEvent> {
  return async (process) => {
    const net = await process.join();
    const mine = () =>
      process.history.filter((event) => event.kind === "writing" && event.process === process.name);
    while (mine().length < 2 * count) {
      const number = mine().length;
      const value = `${process.name}.${number}`;
      await attempt(process, number % 2 === 0 ? entry : stream, value, () =>
        number % 2 === 0 ? addToEntry(net, value) : addToStream(net, value),
      );
      await process.sleep(process.random.float() * 10);
    }
  };
}

async function attempt(
  process: ProcessContext<ScenarioEvent>,
  what: string,
  value: string,
  write: () => Promise<number>,
): Promise<void> {
  process.record({ kind: "writing", what, value });
  try {
    process.record({ kind: "written", what, value, place: await write() });
  } catch (error) {
    const code = isColloquyError(error) ? error.code : String(error);
    process.record({ kind: "unwritten", what, value, code });
  }
}

/** The entry is the list of all values: its length is the place of the last. */
async function addToEntry({ store }: Network, value: string): Promise<number> {
  const before = await store.get(entry);
  const values = [...((before?.value ?? []) as readonly string[]), value];
  await store.put(entry, values, { ifRevision: before?.revision ?? 0 });
  return values.length;
}

async function addToStream({ log }: Network, value: string): Promise<number> {
  let at = 1;
  for await (const { position } of log.read(stream)) at = position + 1;
  await log.append(stream, value, { at });
  return at;
}
