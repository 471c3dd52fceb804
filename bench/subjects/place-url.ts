/** @param place - a URL, or the path of a directory. */
export function placeUrl(place: string): string {
  return /^[a-z]+:/.test(place) ? place : `embedded:${place}`;
}
