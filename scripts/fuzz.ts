/**
 * Feeds hostile bytes to everything that reads what others wrote, for as long as it takes:
 *
 *   npm run fuzz -- --frames 10000000 --seed 1
 *
 * --parser says to what: messages (the decoder of messages), hub (what clients send), client (what hubs
 * send), hello (what strangers send, with credentials), websocket (their frames) or upgrade (requests for
 * WebSockets); by default to each, one after the other. Without --seed a run begins at a new one.
 * Anything wrong ends it, and names its seed.
 */
import { parseArgs } from "node:util";
import { fuzzClient } from "../test/support/fuzz/fuzz-client.ts";
import { fuzzFrames } from "../test/support/fuzz/fuzz-frames.ts";
import { fuzzHello } from "../test/support/fuzz/fuzz-hello.ts";
import { fuzzHub } from "../test/support/fuzz/fuzz-hub.ts";
import { fuzzUpgrade } from "../test/support/fuzz/fuzz-upgrade.ts";
import { fuzzWebSocket } from "../test/support/fuzz/fuzz-websocket.ts";

interface Share {
  readonly frames: number;
  readonly reasons: ReadonlyMap<string, number>;
  readonly slowest?: { readonly seed: number; readonly ms: number };
}

type Parser = (frames: number, seed: number) => Share | Promise<Share>;

/** Chunks of operations hold two and a half frames on average. */
const framesPerChunk = 2.5;
const framesAtATime = 50_000;
/** What one frame may take at most (docs/promises.md, G19). */
const frameMsMax = 50;

const parsers: Readonly<Record<string, Parser>> = {
  messages: fuzzFrames,
  hub: async (frames, seed) => {
    const { chunks, refusals, slowest } = await fuzzHub(frames / framesPerChunk, seed);
    return { frames: chunks * framesPerChunk, reasons: refusals, slowest };
  },
  client: async (frames, seed) => {
    const { chunks, refusals } = await fuzzClient(frames / framesPerChunk, seed);
    return { frames: chunks * framesPerChunk, reasons: refusals };
  },
  hello: fuzzHello,
  websocket: fuzzWebSocket,
  upgrade: fuzzUpgrade,
};

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "1000000" },
    seed: { type: "string" },
    parser: { type: "string" },
  },
});
const frames = wholeNumber("frames", values.frames);
const firstSeed = wholeNumber("seed", values.seed ?? `${Date.now() * 1000}`);
const chosen = values.parser === undefined ? Object.keys(parsers) : [values.parser];
for (const name of chosen) {
  const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined;
  if (parser === undefined) refuse(`--parser: ${name} is not ${Object.keys(parsers).join(", ")}`);
  else await fuzz(name, parser);
}

async function fuzz(name: string, parser: Parser): Promise<void> {
  const reasons = new Map<string, number>();
  const begin = performance.now();
  let done = 0;
  while (done < frames) {
    const share = await parser(Math.min(framesAtATime, frames - done), firstSeed + done);
    // Memory that is freed by the event loop waits for a turn of it, and most parsers take none.
    await new Promise(setImmediate);
    done += Math.round(share.frames);
    for (const [reason, count] of share.reasons) {
      reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    }
    if (share.slowest !== undefined) await assertFast(parser, share.slowest);
    const seconds = (performance.now() - begin) / 1000;
    console.error(`${name}: ${done} of ${frames} frames, ${Math.round(done / seconds)}/s`);
  }
  for (const [reason, count] of [...reasons].sort()) console.log(`${count}\t${reason}`);
  console.log(`${name}: ${done} frames from seed ${firstSeed}: nothing wrong\n`);
}

/** A frame that seemed slow may have met a pause of the machine: alone, it gets three more chances. */
async function assertFast(
  parser: Parser,
  { seed, ms }: { readonly seed: number; readonly ms: number },
): Promise<void> {
  let bestMs = ms;
  for (let chance = 0; chance < 3 && bestMs > frameMsMax; chance++) {
    bestMs = Math.min(bestMs, (await parser(1, seed)).slowest?.ms ?? 0);
  }
  if (bestMs > frameMsMax) throw new Error(`seed ${seed} took ${bestMs} ms, at most ${frameMsMax}`);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return refuse(`--${option}: ${text} is not a whole number`);
}

function refuse(reason: string): never {
  console.error(reason);
  process.exit(2);
}
