/** What the commands have in common that ask an agent, send to it, or wait for its answer. */
import { type Command, Option } from "commander";
import { isColloquyError } from "../../errors.ts";
import type { CallOptions } from "../../exchange/options.ts";
import type { StreamReply } from "../../exchange/requests/stream.ts";
import { type ExitCode, exitCodes } from "../exit-codes.ts";
import { isTerminal, jsonLine, type Terminal, writeLine } from "../terminal.ts";
import type { FabricFlags } from "./fabric.ts";
import { remark, writeValue } from "./output.ts";
import { personToAsk } from "./questions.ts";
import { harmless, valueText } from "./text.ts";
import { address, duration, wholeNumber } from "./values.ts";

export interface MessageFlags extends FabricFlags {
  readonly as?: string;
}

/** `<to> <method> [json] --as <id>`. */
export function messageArguments(command: Command, to: string, method: string): Command {
  return command
    .argument("<to>", to, address)
    .argument("<method>", method)
    .argument("[json]", "the input: JSON, @file, or - for standard input")
    .option("--as <id>", "do it as the agent of this id");
}

export interface AskingFlags extends MessageFlags {
  readonly deadline?: number;
  readonly leave?: true;
}

/** Of a wait for an answer that begins here. */
export function askingOptions(command: Command): Command {
  return command
    .addOption(new Option("--deadline <duration>", "hard limit").argParser(duration))
    .option("--leave", "when the wait times out, let the work go on: colloquy attach finds it");
}

/** @param inputTaken - nobody can answer at the terminal: the input has come from there. */
export function askingOptionsOf(
  { timeout, deadline, leave }: AskingFlags,
  terminal: Terminal,
  inputTaken: boolean,
): CallOptions {
  return {
    ...waitOptionsOf({ timeout }, terminal, inputTaken),
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(leave === undefined ? {} : { onTimeout: "leave" }),
  };
}

/** Of a wait for an answer, whoever has asked. */
export function waitOptionsOf(
  { timeout }: { readonly timeout?: number | undefined },
  terminal: Terminal,
  inputTaken: boolean,
): Pick<CallOptions, "timeoutMs" | "onInput" | "onProgress"> {
  const ask = personToAsk(terminal, inputTaken);
  return {
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(ask === undefined ? {} : { onInput: (question: unknown) => ask(question) }),
    onProgress: (data) => remark(`… ${valueText(data)}`, terminal),
  };
}

/** As `work`; where it times out and what it waits for goes on, says how to wait again. */
export async function sayingWhereItIs<Value>(
  work: Promise<Value>,
  terminal: Terminal,
): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    if (isColloquyError(error, "TIMEOUT") && error.details["left"] === true) {
      remark(`it goes on: colloquy attach ${String(error.details["id"])}`, terminal);
    }
    throw error;
  }
}

export interface ChunkFlags extends FabricFlags {
  readonly raw?: true;
  readonly window?: number;
}

/** Of an answer in chunks. */
export function chunkOptions(command: Command): Command {
  return command
    .option("--raw", "texts without a line break after each")
    .addOption(
      new Option("--window <chunks>", "how far the handler may run ahead").argParser(
        wholeNumber(1),
      ),
    );
}

/** Writes each chunk as it comes, then the last value. */
export async function writeChunks(
  reply: StreamReply,
  { json, raw }: ChunkFlags,
  terminal: Terminal,
): Promise<ExitCode> {
  const { out } = terminal;
  for await (const chunk of reply) {
    if (json) await writeLine(out, jsonLine({ chunk }));
    else if (raw && typeof chunk === "string") {
      out.write(isTerminal(out) ? harmless(chunk) : chunk);
    } else await writeValue(chunk, false, terminal);
  }
  const result = await reply.result;
  if (raw && !json) out.write("\n");
  if (json) await writeLine(out, jsonLine({ result: result ?? null }));
  else await writeValue(result, false, terminal);
  return exitCodes.done;
}
