import { execFile } from "node:child_process";

/** The flags under which "colloquy" means src/, so that nothing has to be built first. */
export const sourceFlags: readonly string[] = [
  "--conditions=@colloquy/source",
  "--disable-warning=ExperimentalWarning",
];

export interface NodeRun {
  /** 0 for success; undefined when the process was killed, by a signal or after `timeoutMs`. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NodeRunOptions {
  readonly workingDirectory: string;
  readonly timeoutMs: number;
  readonly parameters?: readonly string[];
}

/** Runs a TypeScript file as a user would, in a process of its own, free of the test runner. */
export function runNode(file: string, options: NodeRunOptions): Promise<NodeRun> {
  const { workingDirectory, timeoutMs, parameters = [] } = options;
  const settings = {
    cwd: workingDirectory,
    env: userEnvironment(),
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  } as const;
  return new Promise((resolve) => {
    const flags = [...sourceFlags, file, ...parameters];
    const child = execFile(process.execPath, flags, settings, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? undefined, stdout, stderr });
    });
  });
}

function userEnvironment(): NodeJS.ProcessEnv {
  const environment = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_OPTIONS$|NODE_ENV$|COLLOQUY_)/.test(name),
  );
  return Object.fromEntries(environment);
}
