/**
 * Feeds hostile frames to the message decoder for as long as it takes:
 *
 *   npm run fuzz -- --frames 10000000 --seed 1
 *
 * Without --seed a run begins at a new one. A frame with anything wrong ends it, and names its seed.
 */
import { parseArgs } from "node:util";
import { fuzzFrames } from "../test/support/fuzz/fuzz-frames.ts";

const framesAtATime = 50_000;
/** What one frame may take at most (docs/promises.md, G19). */
const frameMsMax = 50;

const { values } = parseArgs({
  options: { frames: { type: "string", default: "1000000" }, seed: { type: "string" } },
});
const frames = wholeNumber("frames", values.frames);
const firstSeed = wholeNumber("seed", values.seed ?? `${Date.now() * 1000}`);

const reasons = new Map<string, number>();
let accepted = 0;
const begin = performance.now();
for (let done = 0; done < frames; ) {
  const report = fuzzFrames(Math.min(framesAtATime, frames - done), firstSeed + done);
  done += report.frames;
  accepted += report.accepted;
  for (const [reason, count] of report.reasons) {
    reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  }
  assertFast(report.slowest.seed, report.slowest.ms);
  const seconds = (performance.now() - begin) / 1000;
  console.error(`${done} of ${frames} frames, ${Math.round(done / seconds)}/s`);
}
for (const [reason, count] of [...reasons].sort()) console.log(`${count}\t${reason}`);
console.log(`${accepted}\tread\n${frames} frames from seed ${firstSeed}: nothing wrong`);

/** A frame that seemed slow may have met a pause of the machine: alone, it gets three more chances. */
function assertFast(seed: number, ms: number): void {
  if (ms <= frameMsMax) return;
  const best = Math.min(...[1, 2, 3].map(() => fuzzFrames(1, seed).slowest.ms));
  if (best > frameMsMax) throw new Error(`seed ${seed} took ${best} ms, at most ${frameMsMax}`);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${option}: ${text} is not a whole number`);
  process.exit(2);
}
