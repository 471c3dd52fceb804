/** `colloquy completion`: the script with which a shell completes these commands. */
import { Argument } from "commander";
import { completionScripts, type Shell } from "../completion/scripts.ts";
import { completables } from "../completion/tree.ts";
import { exitCodes } from "../exit-codes.ts";
import { type AddCommand, examplesText } from "../shell/command.ts";

const notes = `
bash: put the first line below into ~/.bashrc. zsh: write the script to a file _colloquy in a folder of
your fpath. fish: write it to ~/.config/fish/completions/colloquy.fish.`;

export const addCompletion: AddCommand = (program, terminal, ended) => {
  program
    .command("completion")
    .summary("make a shell complete these commands")
    .description(
      "Write the script with which a shell completes commands, options and their values.",
    )
    .addArgument(new Argument("<shell>", "which one").choices(Object.keys(completionScripts)))
    .addHelpText(
      "after",
      examplesText(
        [
          'eval "$(colloquy completion bash)"',
          "colloquy completion zsh > ~/.zfunc/_colloquy",
          "colloquy completion fish > ~/.config/fish/completions/colloquy.fish",
        ],
        notes,
      ),
    )
    .action((shell: Shell) => {
      terminal.out.write(completionScripts[shell](completables(program)));
      ended(exitCodes.done);
    });
};
