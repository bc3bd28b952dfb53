/** Tells people something, where a program has its errors. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
