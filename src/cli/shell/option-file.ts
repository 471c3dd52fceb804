/** A file that an option names. */
import { readFileSync } from "node:fs";
import { ColloquyError } from "../../errors.ts";

/** @throws INVALID_OPTION naming the option when the file cannot be read. */
export function readOptionFile(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `--${flag}: ${why}`;
    throw new ColloquyError("INVALID_OPTION", message, { cause, details: { field: flag } });
  }
}
