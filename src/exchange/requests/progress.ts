/** What a handler reports on its way, told to whoever waits. */
import type { Site } from "../site.ts";

/** What `onProgress` throws belongs to no caller: the work goes on, wherever it is done. */
export function tellProgress(
  site: Site,
  name: string,
  onProgress: ((data: unknown) => unknown) | undefined,
  data: unknown,
): void {
  if (onProgress === undefined) return;
  const fail = (error: unknown) => site.onError(error, `onProgress of ${name}`);
  try {
    const told = onProgress(data);
    if (told instanceof Promise) told.catch(fail);
  } catch (error) {
    fail(error);
  }
}
