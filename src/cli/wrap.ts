/** Lines of text that fit a terminal. */

/**
 * Breaks a line at spaces. A word that is longer than the line stays whole.
 *
 * @param width the longest that a line should be, in characters
 * @param indent how far the lines after the first are indented; default: as the first
 * @returns lines without a line break at the end
 */
export function wrapLine(line: string, width: number, indent = /^ */.exec(line)?.[0].length ?? 0): string {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const text = rest.length - rest.trimStart().length;
    const before = rest.lastIndexOf(' ', width);
    const at = before > text ? before : rest.indexOf(' ', Math.max(width, text));
    if (at === -1) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at).trimStart();
  }
  return [...lines, rest].join('\n');
}

/** Breaks each line of a text. */
export function wrapText(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => wrapLine(line, width, /^(?:Usage: | *)/.exec(line)?.[0].length))
    .join('\n');
}
