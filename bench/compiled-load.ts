import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripTypes } from '../test/support/strip-types.js';

const source = fileURLToPath(new URL('load/', import.meta.url));
let compiled: string | undefined;

/**
 * The folder `load` as JavaScript, so that a load generator starts at once and has no compiler in its process. It is made
 * once, and gone when this process ends.
 *
 * @returns the path of its `start.js`
 */
export function compiledLoad(): string {
  compiled ??= compile();
  return join(compiled, 'start.js');
}

function compile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'acebase-ipc-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(source)) {
    const text = readFileSync(join(source, name), 'utf8');
    const javascript = stripTypes(text, name);
    writeFileSync(join(directory, name.replace(/\.ts$/, '.js')), javascript);
  }
  return directory;
}
