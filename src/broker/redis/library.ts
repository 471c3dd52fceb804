/** Every script of this broker. */
import { appendScript, logPart } from "./log-script.ts";
import { queueParts, queueScripts } from "./queues/scripts/parts.ts";
import { ScriptLibrary } from "./script-library.ts";
import { beatScript, leaveScript, sessionsPart } from "./sessions.ts";
import { getScript, listScript, putScript, storePart, sweepScript } from "./store-script.ts";

export const library: ScriptLibrary = new ScriptLibrary(
  [storePart, logPart, sessionsPart, ...queueParts],
  [
    ...[putScript, getScript, listScript, sweepScript, appendScript, beatScript, leaveScript],
    ...queueScripts,
  ],
);
