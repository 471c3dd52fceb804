/**
 * Processes of a subject. Each is a module that answers questions: it calls `serve` once it is ready,
 * and ends when its parent has gone.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** How long a process may take to end by itself after its channel has closed. */
const graceMs = 10_000;

export interface BenchProcess {
  /** Rejects with what the process threw, or when it ends without answering. */
  ask(question: unknown): Promise<unknown>;
  /** Lets the process end, and waits for it. Safe to repeat. */
  stop(): Promise<void>;
}

type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly value: unknown }
  | { readonly kind: "error"; readonly text: string };

/**
 * Resolves when the process has called `serve`. Its output goes to this process's standard error.
 *
 * @param nodeOptions - beside those of this process, which it and the processes it starts inherit.
 */
export async function startProcess(
  module: URL,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<BenchProcess> {
  const child = fork(fileURLToPath(module), args, {
    stdio: ["ignore", 2, 2, "ipc"],
    execArgv: [...process.execArgv, ...nodeOptions],
  });
  const ended = once(child, "exit");
  await nextAnswer(child);
  return {
    ask: (question) => {
      const answer = nextAnswer(child);
      child.send({ question });
      return answer;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      const deadline = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await ended;
      clearTimeout(deadline);
    },
  };
}

export interface ProcessRole {
  /** Default: every question is refused. */
  answer?(question: unknown): Promise<unknown>;
  /** Called when the parent lets go, before the process ends. */
  close(): Promise<void>;
}

/** Opens a role and says ready to the parent, or why not; then plays it until the parent lets go. */
export async function serve(open: () => Promise<ProcessRole>): Promise<void> {
  const send = (message: Answer): void => {
    process.send?.(message);
  };
  const disconnected = once(process, "disconnect");
  try {
    const role = await open();
    process.on("message", ({ question }: { question: unknown }) => {
      const answer = role.answer?.(question) ?? Promise.reject(new Error("answers no questions"));
      answer.then(
        (value) => send({ kind: "answer", value }),
        (error: unknown) => send({ kind: "error", text: textOf(error) }),
      );
    });
    send({ kind: "ready" });
    await disconnected;
    await role.close();
    process.exit(0);
  } catch (error) {
    if (process.connected) send({ kind: "error", text: textOf(error) });
    else console.error(textOf(error));
    process.exit(1);
  }
}

function nextAnswer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: Answer): void => {
      child.off("exit", onExit);
      if (message.kind === "error") reject(new Error(message.text));
      else resolve(message.kind === "answer" ? message.value : undefined);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      child.off("message", onMessage);
      reject(new Error(`${child.spawnfile} ended with ${signal ?? code}`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
