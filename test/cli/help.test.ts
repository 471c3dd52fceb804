/** What help and the documentation say of the commands, compared with what there is. */
import type { Command } from "commander";
import { expect, test } from "vitest";
import { absolute, read } from "../support/repository.ts";
import {
  argumentsOf,
  commandsOf,
  examplesIn,
  helpOf,
  pathOf,
  programTree,
} from "./support/program-tree.ts";

const commands = commandsOf(programTree()).filter(({ parent }) => parent !== null);
const marker = "<!-- The rest is written by `npx vitest run test/cli/help.test.ts -u`. -->\n";

test.each(commands.map((command) => [pathOf(command), command] as const))(
  "%s has a summary, says what its options do, and has examples that parse",
  async (path, command) => {
    expect(command.summary()).not.toBe("");
    for (const option of command.options) expect(option.description).not.toBe("");
    const examples = examplesIn(helpOf(command));
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example).toContain(path);
      const ran: string[] = [];
      const program = programTree();
      for (const it of commandsOf(program)) {
        if (it.commands.length === 0 || it.name() === "queues")
          it.action(() => void ran.push(pathOf(it)));
      }
      await program.parseAsync([...argumentsOf(example)], { from: "user" });
      expect(ran, example).toHaveLength(1);
      expect(ran[0], example).toMatch(new RegExp(`^${path}`));
    }
  },
);

test("docs/cli.md has the help of every command", async () => {
  const [introduction = ""] = read("docs/cli.md").split(marker);
  const page = `${introduction}${marker}\n${commands.map(sectionOf).join("\n")}`;
  await expect(page).toMatchFileSnapshot(absolute("docs/cli.md"));
});

function sectionOf(command: Command): string {
  return `### ${pathOf(command)}\n\n\`\`\`\n${helpOf(command).trim()}\n\`\`\`\n`;
}
