/** The JSON that a command is given: as it stands, from a file (`@file`) or from standard input (`-`). */
import { readFile } from "node:fs/promises";
import { ColloquyError } from "../../errors.ts";
import type { Terminal } from "../terminal.ts";
import { jsonErrorPosition } from "./json-position.ts";

/**
 * @param argument - undefined gives `undefined`.
 * @throws INVALID_OPTION naming line and column where it is not JSON, and for a file that cannot be read.
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
    const position = jsonErrorPosition(text);
    const before = text.slice(0, position).split("\n");
    const line = before.length;
    const column = (before.at(-1)?.length ?? 0) + 1;
    const found = text.slice(position, position + 1);
    const what = found === "" ? "it ends too early" : `unexpected ${JSON.stringify(found)}`;
    const place = where === undefined ? "" : ` of ${where}`;
    const hint = where === undefined && position === 0 ? `; a text needs quotes: '"${text}"'` : "";
    const message = `not JSON at line ${line}, column ${column}${place}: ${what}${hint}`;
    throw wrong(field, message, { position, line, column }, cause);
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
