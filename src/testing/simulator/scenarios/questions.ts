/** Handlers that ask in the middle of their work, and a clerk in another process who answers. */
import { isColloquyError } from "../../../errors.ts";
import type { Network } from "../../../network/network.ts";
import { atLeastOnce } from "../checkers/at-least-once.ts";
import { effectsOnce } from "../checkers/effects.ts";
import { givenAnswers, replyTo } from "../checkers/questions.ts";
import type { ScenarioEvent } from "../events.ts";
import { everyFault, shortJumpMs } from "../faults.ts";
import { drawOrders, type Payload, sender } from "../orders.ts";
import type { ProcessContext, Program } from "../process.ts";
import type { Scenario } from "./scenario.ts";

export const questionsScenario: Scenario = {
  name: "questions",
  faults: everyFault,
  jumpMsMax: shortJumpMs,
  checkers: [givenAnswers, atLeastOnce, effectsOnce],
  stage(random, messages) {
    const [orders = []] = drawOrders(random, messages, 1, () => ({ failures: 0 }));
    return {
      programs: { inquirer, sender: sender(orders), clerk },
      drivers: ["sender"],
    };
  },
};

/** Nobody follows what its sender did not live to see acknowledged. */
const patience = { timeoutMs: 5_000 };

interface Question {
  readonly id: string;
  readonly question: string;
}

/** An error of ours would be the handler's final answer. */
function again(error: unknown): never {
  throw new Error("nobody has answered", { cause: error });
}

/** Asks twice what to do, tells how far it is in between, and books what it was told. */
const inquirer: Program<ScenarioEvent> = async (process) => {
  const net = await process.join();
  const agent = await net.agent("inquirer", { type: "worker", capacity: 10 });
  agent.handle<Payload>(
    "ORDER",
    async ({ id, workMs }, context) => {
      const { attempt } = context;
      process.record({ kind: "started", id, attempt });
      // Staged first: an attempt that waits in vain leaves nothing of it behind.
      context.log.append("ledger", { id, attempt });
      for (const question of ["which", "when"]) {
        context.progress(question);
        const asked: Question = { id, question };
        const answer = String(await context.ask(asked, patience).catch(again));
        process.record({ kind: "given", id, attempt, question, answer });
        await process.sleep(workMs);
      }
      process.record({ kind: "returned", id, attempt });
      return id;
    },
    { retry: { attemptsMax: 6, baseMs: 10, capMs: 100 } },
  );
  await agent.ready();
};

/** Follows what was acknowledged, and answers; begins again from the start when it is started again. */
const clerk: Program<ScenarioEvent> = async (process) => {
  const net = await process.join();
  let seen = 0;
  for (;;) {
    const fresh = process.history.slice(seen);
    seen = process.history.length;
    for (const event of fresh) {
      if (event.kind === "acknowledged") void follow(process, net.track(event.receipt));
    }
    await process.sleep(10);
  }
};

type Receipt = ReturnType<Network["track"]>;

/** To its end: where an answer could not be written, the question is still open, and comes again. */
async function follow(process: ProcessContext<ScenarioEvent>, receipt: Receipt): Promise<void> {
  for (;;) {
    try {
      for await (const state of receipt.updates()) {
        if (state.state !== "waiting-input") continue;
        const { id, question } = state.question as Question;
        await process.sleep(process.random.uint32() % 40);
        await receipt.answer(replyTo(id, question), { number: state.number });
      }
      return;
    } catch (error) {
      if (isColloquyError(error, "CLOSED")) return;
      await process.sleep(100);
    }
  }
}
