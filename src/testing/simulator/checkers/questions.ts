import type { Checker, Violation } from "./checker.ts";

/** What the clerk answers: no other question has an answer like it. */
export function replyTo(id: string, question: string): string {
  return `${id}: ${question}`;
}

/** A handler is given the answer to what it asked, and no more answers than it has put questions. */
export const givenAnswers: Checker = (history) => {
  const violations: Violation[] = [];
  const complain = (what: string) => violations.push({ promise: "waiting-input", what });
  // Attempts that nobody remembers after a power cut are counted again: each start may ask once.
  const starts = new Map<string, number>();
  const given = new Map<string, number>();
  for (const event of history) {
    if (event.kind === "started") starts.set(event.id, (starts.get(event.id) ?? 0) + 1);
    if (event.kind !== "given") continue;
    const { id, question, answer } = event;
    if (answer !== replyTo(id, question)) {
      complain(`${id} was answered "${answer}"`);
    }
    const key = `${id} ${question}`;
    given.set(key, (given.get(key) ?? 0) + 1);
    if ((given.get(key) ?? 0) > (starts.get(id) ?? 0)) complain(`${key} was answered twice`);
  }
  return violations;
};
