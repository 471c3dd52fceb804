/**
 * Properties over inputs that are drawn from one seed: what a run finds is due to the change, and not to
 * the draw. COLLOQUY_SEED=N draws others, COLLOQUY_RUNS=N so many where a test does not say how many.
 */
import fc from "fast-check";

const seed = Number(process.env["COLLOQUY_SEED"] ?? 1);
const runs = process.env["COLLOQUY_RUNS"];
fc.configureGlobal({ seed, ...(runs === undefined ? {} : { numRuns: Number(runs) }) });

export { fc };
