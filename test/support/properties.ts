/**
 * Properties over inputs that are drawn from one seed: what a run finds is due to the change, and not to
 * the draw. COLLOQUY_SEED=N draws others; some tests take COLLOQUY_RUNS for more of them.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env["COLLOQUY_SEED"] ?? 1) });

export { fc };
