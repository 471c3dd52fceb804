/** The process a subject runs in: opens the subject its argument names, and measures when it is asked. */
import { serve } from "./process.ts";
import type { OpenSubject } from "./subject.ts";

export interface MeasureQuestion {
  readonly inFlight: number;
  readonly durationMs: number;
}

await serve(async () => {
  const [module] = process.argv.slice(2);
  if (module === undefined) throw new Error("usage: driver.ts SUBJECT_MODULE_URL");
  const { open } = (await import(module)) as { readonly open: OpenSubject };
  const subject = await open();
  return {
    answer: (question) => {
      const { inFlight, durationMs } = question as MeasureQuestion;
      return subject.measure(inFlight, durationMs);
    },
    close: () => subject.close(),
  };
});
