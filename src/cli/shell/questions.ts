/** What a handler asks is answered by the person at the terminal, where there is one. */
import { createInterface } from "node:readline/promises";
import { isTerminal, type Terminal } from "../terminal.ts";
import { valueText } from "./text.ts";

/** Shows a question and resolves with the answer: JSON, or else the text itself. */
export type AnswerQuestion = (question: unknown, signal?: AbortSignal) => Promise<unknown>;

/** @param inputTaken - standard input is the command's own. @returns undefined where nobody can be asked. */
export function personToAsk(terminal: Terminal, inputTaken: boolean): AnswerQuestion | undefined {
  const { input, err } = terminal;
  if (inputTaken || input === undefined || !isTerminal(input)) return undefined;
  return async (question, signal) => {
    const lines = createInterface({ input, output: err, terminal: isTerminal(err) });
    try {
      const prompt = `${valueText(question)}\n> `;
      const answer = await (signal === undefined
        ? lines.question(prompt)
        : lines.question(prompt, { signal }));
      return jsonOrText(answer);
    } finally {
      lines.close();
    }
  };
}

function jsonOrText(answer: string): unknown {
  try {
    return JSON.parse(answer) as unknown;
  } catch {
    return answer;
  }
}
