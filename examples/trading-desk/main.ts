/** The trading desk, from the first trading day to the verdict. `npm start -- --help` says more. */
import { parseArgs } from "node:util";
import { conduct } from "./conductor/conduct.ts";
import { Terminal } from "./conductor/terminal.ts";
import { readMarket } from "./rules/market.ts";

/** Fewer give the strategies too little to trade on before the disaster. */
const daysMin = 200;
const daysMax = readMarket().length;

const help = `A trading desk in nine processes, on twenty years of real prices.

npm start -- [options]

  --days N   trading days, from the first one on, ${daysMin} to ${daysMax}; default: ${daysMax}
  --broker URL   over a server that is there: nats://HOST, redis://HOST, tcp://HOST, ...;
             default: a directory that the processes of the desk share
  --keep     leave the desk running afterwards, to be explored
  --help     print this

Exits with 0 when every order was booked exactly once and the ledger equals a replay in a single
process, with 1 when not, and with 2 for wrong usage.`;

process.exitCode = await main();

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${help}`);
    return 2;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  return (await conduct(options, new Terminal(process.stdout))) ? 0 : 1;
}

interface Options {
  readonly days: number;
  readonly broker?: string;
  readonly keep: boolean;
  readonly help: boolean;
}

/** @throws Error with a sentence for the user. */
function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      days: { type: "string", default: String(daysMax) },
      broker: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const days = Number(values.days);
  if (!Number.isInteger(days) || days < daysMin || days > daysMax) {
    throw new Error(`--days ${values.days}: not a whole number from ${daysMin} to ${daysMax}`);
  }
  const { broker, keep, help } = values;
  if (broker !== undefined && !broker.includes("://")) {
    throw new Error(`--broker ${broker}: not the URL of a server`);
  }
  return { days, keep, help, ...(broker === undefined ? {} : { broker }) };
}
