/** `colloquy publish`: tells whoever listens now. */
import { exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";
import { type FabricFlags, fabricOptions, visitFabric, visitor } from "../shell/fabric.ts";
import { readJson } from "../shell/json-argument.ts";
import { jsonLine, writeLine } from "../terminal.ts";

interface Flags extends FabricFlags {
  readonly as?: string;
}

const notes = `
It is live: whoever is subscribed now hears it, and nobody is told how many did. What must not get
lost is a command: see "colloquy send".`;

export const addPublish: AddCommand = (program, terminal, ended) => {
  fabricOptions(program.command("publish"))
    .summary("tell whoever is subscribed to a topic now")
    .description("Publish to a topic: whoever is subscribed now hears it; it is not kept.")
    .argument("<topic>", "tokens joined by dots")
    .argument("[json]", "the data: JSON, @file, or - for standard input")
    .option("--as <id>", "publish as the agent of this id")
    .addHelpText(
      "after",
      examplesText(
        ["colloquy publish market.gold 4071", `echo '{"a": 1}' | colloquy publish news.all -`],
        notes,
      ),
    )
    .action(async (topic: string, json: string | undefined, flags: Flags) => {
      const data = await readJson(json, terminal);
      ended(
        await visitFabric(flags, terminal, async ({ net }) => {
          const agent = await visitor(net, flags.as);
          await agent.publish(topic, data);
          if (flags.json) await writeLine(terminal.out, jsonLine({ published: topic }));
          return exitCodes.done;
        }),
      );
    });
};
