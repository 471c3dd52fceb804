/** A URL as errors and people may see it: without a password or a token that stands in it. */
export function shownUrl(url: string): string {
  // Up to the last @: a password may have one itself, and slashes and question marks.
  return url.replace(/\/\/.*@/s, "//").replace(/[?#].*/s, "");
}
