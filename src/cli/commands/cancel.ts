/** `colloquy cancel`: gives up a request or stream, whoever has asked. */
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, type FabricVisit, fabricOptions, visitFabric } from "../shell/fabric.ts";
import { writeWithdrawal } from "../shell/outcomes.ts";

const notes = `
Prints "accepted", with exit code 0: nothing more comes of it. Else the exit code is 1: "too-late", it had
ended, or "unreachable", its handler's process is gone or does not answer. For a command, see
"colloquy track --cancel".`;

export const addCancel: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("cancel"))
    .summary("give up a request or stream")
    .description("Cancel a request or stream, and whatever its handler has asked for.")
    .argument("<id>", "of the request or stream: see colloquy attach")
    .addHelpText(
      "after",
      examplesText(
        ["colloquy cancel 01JD3ZQ8V6X9M2T4B7K5N0P1RC,01JD3ZQ8V6X9M2T4B7K5N0P1RD,writer"],
        notes,
      ),
    )
    .action(async (id: string, flags: FabricFlags) => {
      const work = async ({ net, signal }: FabricVisit) =>
        writeWithdrawal(id, await net.cancel(id, { signal }), flags.json === true, terminal);
      ended(await visitFabric(flags, terminal, work));
    });
};
