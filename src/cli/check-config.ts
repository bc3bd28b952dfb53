/** `acebase-ipc-server check-config`: what the server would run with. */

import {
  formatNumber,
  formatSize,
  formatTime,
  type OptionRow,
  optionTable,
  type ResolvedSources,
} from '../options.js';

/**
 * The resolved options as text: a line for each, with its value and where it came from. Secrets are `(set)`.
 * @returns lines without a line break at the end
 */
export function describeConfig(resolved: ResolvedSources): string {
  const { settings, warnings } = resolved;
  const lines = optionTable().map((row): readonly [string, string, string] => {
    return [row.name, describeValue(row, settings), originOf(row.name, resolved)];
  });
  const widthOf = (column: 0 | 1) => Math.max(...lines.map((line) => line[column].length));
  const names = widthOf(0);
  const values = Math.min(widthOf(1), 40);
  return [
    ...lines.map(([name, value, place]) => `${name.padEnd(names)}  ${value.padEnd(values)}  ${place}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n');
}

function originOf(name: string, { settings, places }: ResolvedSources): string {
  const place = places.get(name) ?? 'default';
  if (place !== 'default') return place;
  if (name === 'token' && settings.tokenFile !== undefined) return 'tokenFile';
  return name === 'adminToken' && settings.adminToken !== undefined ? 'the token' : place;
}

function describeValue(row: OptionRow, settings: ResolvedSources['settings']): string {
  if (row.name === 'token') return describeTokens(settings);
  if (row.name === 'masters') return describeMasters(settings);
  const value = valueAt(settings, row.path);
  if (value === undefined) return row.defaultText === 'all' ? 'all' : 'none';
  // The contents of a certificate are no secret, but no line either.
  if (row.secret || row.unit === 'PEM text') return '(set)';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  if (typeof value !== 'number' || row.unit === 'port') return String(value);
  if (row.unit === 'bytes') return formatSize(value);
  return row.unit === 'milliseconds' ? formatTime(value) : `${formatNumber(value)} ${row.unit}`;
}

function describeTokens({ tokens, tokenFile }: ResolvedSources['settings']): string {
  if (tokens.kind === 'none') return 'none';
  const origin = tokenFile === undefined ? 'set' : 'set by tokenFile';
  if (tokens.kind === 'perDatabase') return `(${origin}, for ${[...tokens.tokens.keys()].join(', ')})`;
  return tokens.tokens.length === 1 ? `(${origin})` : `(${origin}, ${tokens.tokens.length} of them)`;
}

function describeMasters({ masters }: ResolvedSources['settings']): string {
  if (masters.size === 0) return 'none';
  return [...masters].map(([name, { path }]) => `${name} in ${path}`).join(', ');
}

function valueAt(settings: object, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    settings,
  );
}
