/** One place where what is there is not what should be. */
export interface Difference {
  readonly path: string;
  readonly expected: unknown;
  readonly found: unknown;
}

/** Every place where two trees of plain values differ: paths that are missing on either side included. */
export function differences(expected: unknown, found: unknown, path = ''): Difference[] {
  if (isObject(expected) && isObject(found)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(found)]);
    return [...keys].flatMap((key) => differences(expected[key], found[key], path ? `${path}/${key}` : key));
  }
  // Never two objects here, but perhaps two empty arrays or an object and nothing: neither can be equal.
  return Object.is(expected, found) ? [] : [{ path, expected, found }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
