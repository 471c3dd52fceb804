/** `colloquy attach`: waits again for a request or stream, whoever has asked. */
import { Option } from "commander";
import { type ChunkFlags, chunkOptions, waitOptionsOf, writeChunks } from "../shell/asking.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { wholeNumber } from "../shell/values.ts";

interface Flags extends ChunkFlags {
  readonly after?: number;
}

const notes = `
The id is that of an error (details.id), or of a call or stream. It is found as long as its handler runs,
and for 30 s after; Ctrl-C and --timeout leave it as it is. A stream has one reader: whoever attaches
takes it over. With --json the lines are {"chunk": ...}, and at the end {"result": ...}.`;

export const addAttach: AddCommand = (program, terminal, ended) => {
  chunkOptions(fabricOptions(program.command("attach")))
    .summary("wait again for a request or stream")
    .description(
      "Wait again for a request or stream, also one of somebody else, and print its answer.",
    )
    .argument("<id>", "of the request or stream")
    .addOption(
      new Option(
        "--after <chunk>",
        "of a stream: what comes behind the chunk of this number",
      ).argParser(wholeNumber(0)),
    )
    .addHelpText(
      "after",
      examplesText(
        [
          "colloquy attach 01JD3ZQ8V6X9M2T4B7K5N0P1RC,01JD3ZQ8V6X9M2T4B7K5N0P1RD,writer",
          "colloquy attach 01JD3ZQ8V6X9M2T4B7K5N0P1RC,01JD3ZQ8V6X9M2T4B7K5N0P1RD,writer --after 12 --raw",
        ],
        notes,
      ),
    )
    .action(async (id: string, flags: Flags) => {
      const { after, window } = flags;
      const work = ({ net, signal }: FabricVisit) => {
        const reply = net.attach(id, {
          ...waitOptionsOf(flags, terminal, false),
          ...(after === undefined ? {} : { after }),
          ...(window === undefined ? {} : { window }),
          signal,
        });
        return writeChunks(reply, flags, terminal);
      };
      ended(await visitFabric(flags, terminal, work, { ownTimeout: true }));
    });
};
