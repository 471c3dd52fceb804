/** @returns undefined also for an empty variable of the environment: so a shell takes one back. */
export function environmentVariable(name: string): string | undefined {
  const value = process.env[name];
  return value === "" ? undefined : value;
}
