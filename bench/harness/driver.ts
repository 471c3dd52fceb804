/** The process a subject runs in: opens the subject its argument names, and measures when it is asked. */
import { cpuTimeOfTree } from "./cpu-time.ts";
import { serve } from "./process.ts";
import type { OpenSubject } from "./subject.ts";

export interface MeasureQuestion {
  readonly level: number;
  readonly durationMs: number;
}

await serve(async () => {
  const [module] = process.argv.slice(2);
  if (module === undefined) throw new Error("usage: driver.ts SUBJECT_MODULE_URL");
  const { open } = (await import(module)) as { readonly open: OpenSubject };
  const subject = await open();
  return {
    answer: async (question) => {
      const { level, durationMs } = question as MeasureQuestion;
      const startMs = performance.now();
      const startCpu = cpuTimeOfTree(process.pid);
      const sample = await subject.measure(level, durationMs);
      const cpu = cpuTimeOfTree(process.pid);
      if (cpu === undefined || startCpu === undefined) return sample;
      const operations = (sample.value * (performance.now() - startMs)) / 1_000;
      return { ...sample, cpuMicroseconds: (cpu - startCpu) / operations };
    },
    close: () => subject.close(),
  };
});
