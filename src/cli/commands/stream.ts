/** `colloquy stream`: asks one agent for an answer in chunks and prints them as they come. */
import type { Address } from "../../message/address.ts";
import {
  type AskingFlags,
  askingOptions,
  askingOptionsOf,
  type ChunkFlags,
  chunkOptions,
  messageArguments,
  sayingWhereItIs,
  writeChunks,
} from "../shell/asking.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricVisit, fabricOptions, visitFabric, visitor } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";

interface Flags extends AskingFlags, ChunkFlags {}

const notes = `
Each chunk is a line, and so is the last value that the handler returns, if any. With --raw texts are
written one after the other, as a model speaks. With --json the lines are {"chunk": ...}, and at the
end {"result": ...}. Ctrl-C cancels the work.`;

export const addStream: AddCommand = (program, terminal, ended) => {
  const command = fabricOptions(program.command("stream"));
  messageArguments(command, "agent:ID, type:TYPE or skill:CAPABILITY", "what is asked");
  chunkOptions(askingOptions(command))
    .summary("ask one agent for an answer in chunks")
    .description("Ask one agent for an answer in chunks, and print each as it comes.")
    .addHelpText(
      "after",
      examplesText(
        [
          `colloquy stream agent:writer tell '["once", "upon", "a", "time"]'`,
          "colloquy stream skill:risk.narrate risk.narrate @symbol.json --raw",
        ],
        notes,
      ),
    )
    .action(async (to: Address, method: string, json: string | undefined, flags: Flags) => {
      const input = await readJson(json, terminal);
      const work = async ({ net, signal }: FabricVisit) => {
        const agent = await visitor(net, flags.as);
        const reply = agent.stream(to, method, input, {
          ...askingOptionsOf(flags, terminal, json === "-"),
          ...(flags.window === undefined ? {} : { window: flags.window }),
          signal,
        });
        return sayingWhereItIs(writeChunks(reply, flags, terminal), terminal);
      };
      ended(await visitFabric(flags, terminal, work, { ownTimeout: true }));
    });
};
