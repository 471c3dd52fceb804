/**
 * How much of a proof one run does. A run on a developer's machine has to be over in minutes and does a
 * part of it; continuous integration, which sets `CI`, does all that docs/promises.md names for every
 * change.
 */
export function extent(of: { readonly ci: number; readonly here: number }): number {
  return process.env["CI"] === undefined ? of.here : of.ci;
}
