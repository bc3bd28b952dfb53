/** What it takes to open thousands of connections from one machine. */

/** Connections that are being opened at one time. */
const OPENING_AT_ONCE = 100;

/** Connections from one address; each has some 28,000 ports. */
const LINES_PER_ADDRESS = 2_000;

/** The address that a connection comes from: 127.0.0.1 and its neighbours, so that no address runs out of ports. */
export function sourceAddress(number: number): string {
  // Only Linux lets any of 127.0.0.0/8 be used without being set up.
  if (process.platform !== 'linux') return '127.0.0.1';
  return `127.0.0.${1 + Math.floor(number / LINES_PER_ADDRESS)}`;
}

/** Does something for each number below `count`, a hundred at one time. */
export async function inParallel(count: number, act: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let number = next++; number < count; number = next++) await act(number);
  };
  await Promise.all(Array.from({ length: Math.min(count, OPENING_AT_ONCE) }, work));
}
