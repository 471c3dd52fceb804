/**
 * Scripts as a library of functions, which the server compiles once and keeps with its data. It is
 * named by what is in it, so that versions of Colloquy beside each other have one each.
 *
 * Where it cannot be had (this user may not load it, or the server is full), scripts go as texts that say
 * the same: one for each of the ways in which the server lets scripts write, and the last parameter says
 * which is called. The server sets all of it up for each call.
 */
import { createHash } from "node:crypto";
import { linkScript, type RedisScript, scriptHead } from "./script.ts";

export interface ScriptText {
  /** What EVAL takes. */
  readonly text: string;
  /** What EVALSHA takes. */
  readonly sha: string;
}

export class ScriptLibrary {
  /** What FUNCTION LOAD takes. */
  readonly text: string;
  readonly #name: string;
  /** By the flags of scripts. */
  readonly #texts = new Map<string, ScriptText>();

  /** @param parts - what scripts share, in order. */
  constructor(parts: readonly string[], scripts: readonly RedisScript[]) {
    const all = [linkScript, ...scripts];
    const body = [scriptHead, ...parts, ...all.map(({ text }) => text)].join("\n");
    this.#name = `colloquy_${sha1(body).slice(0, 16)}`;
    this.text = `#!lua name=${this.#name}
local function define(id, callback, flags)
  redis.register_function({ function_name = '${this.#name}_' .. id, callback = callback, flags = flags })
end
${body}`;
    for (const { flags } of all) this.#texts.set(flags, textOf(body, flags));
  }

  /** What FCALL takes. */
  functionOf({ id }: RedisScript): string {
    return `${this.#name}_${id}`;
  }

  /** All that `textFor` gives. */
  get texts(): readonly ScriptText[] {
    return [...this.#texts.values()];
  }

  /** What is evaluated in place of the function, with the script's id after its parameters. */
  textFor({ flags }: RedisScript): ScriptText {
    return this.#texts.get(flags) as ScriptText;
  }
}

function textOf(body: string, flags: string): ScriptText {
  const text = `#!lua${flags === "" ? "" : ` flags=${flags}`}
local keys, arguments = KEYS, ARGV
local wanted, chosen = table.remove(arguments), nil
local function define(id, callback) if id == wanted then chosen = callback end end
${body}
return chosen(keys, arguments)`;
  return { text, sha: sha1(text) };
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
