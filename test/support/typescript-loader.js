/** Module hooks for Node: `./x.js` finds `./x.ts`, and types are stripped. What was stripped once is kept for other processes. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const stripping = readFileSync(new URL('./strip-types.js', import.meta.url));
const { version } = JSON.parse(
  readFileSync(new URL('../../node_modules/rolldown/package.json', import.meta.url), 'utf8'),
);
const folder = join(tmpdir(), 'acebase-ipc-server-stripped');
mkdirSync(folder, { recursive: true });

export async function resolve(specifier, context, nextResolve) {
  if (specifier.startsWith('.') && specifier.endsWith('.js')) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true };
  }
  return nextResolve(specifier, context);
}

export async function load(url, context, nextLoad) {
  if (!url.endsWith('.ts')) return nextLoad(url, context);
  const text = readFileSync(fileURLToPath(url), 'utf8');
  const key = createHash('sha1').update(stripping).update(version).update(url).update(text).digest('hex');
  const kept = join(folder, key);
  const source = existsSync(kept) ? readFileSync(kept, 'utf8') : await strip(text, url, kept);
  return { format: 'module', shortCircuit: true, source };
}

/** To load what strips takes longer than to read what was stripped. */
async function strip(text, url, kept) {
  const { stripTypes } = await import('./strip-types.js');
  const source = stripTypes(text, url);
  // Others may write the same at the same time.
  const draft = `${kept}.${process.pid}`;
  writeFileSync(draft, source);
  renameSync(draft, kept);
  return source;
}
