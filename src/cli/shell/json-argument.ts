/** The JSON that a command is given: as it stands, from a file (`@file`) or from standard input (`-`). */
import { readFile } from "node:fs/promises";
import { ColloquyError } from "../../errors.ts";
import type { Terminal } from "../terminal.ts";

/**
 * @param argument - undefined gives `undefined`.
 * @throws INVALID_OPTION saying what is wrong where, and for a file that cannot be read.
 */
export async function readJson(
  argument: string | undefined,
  terminal: Terminal,
  field = "json",
): Promise<unknown> {
  if (argument === undefined) return undefined;
  if (argument === "-") return parsed(await everything(terminal), field, "standard input");
  if (!argument.startsWith("@")) return parsed(argument, field, undefined);
  const file = argument.slice(1);
  try {
    return parsed(await readFile(file, "utf8"), field, file);
  } catch (cause) {
    if (cause instanceof ColloquyError) throw cause;
    throw wrong(field, cause instanceof Error ? cause.message : file, { file }, cause);
  }
}

function parsed(text: string, field: string, where: string | undefined): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    // The engine says what was unexpected, and where.
    const why = cause instanceof Error ? cause.message : String(cause);
    const place = where === undefined ? "" : ` in ${where}`;
    const word = where === undefined && /^[\w -]+$/.test(text);
    const hint = word ? `; a text needs quotes: '"${text}"'` : "";
    throw wrong(field, `not JSON${place}: ${why}${hint}`, {}, cause);
  }
}

async function everything({ input }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input ?? []) chunks.push(Buffer.from(chunk as Buffer | string));
  return Buffer.concat(chunks).toString("utf8");
}

function wrong(field: string, message: string, details: object, cause: unknown): ColloquyError {
  return new ColloquyError("INVALID_OPTION", `${field}: ${message}`, {
    cause,
    details: { field, ...details },
  });
}
