import { basename } from 'node:path';
import type { Storage } from '../../acebase.js';
import type { Message } from '../../core/host.js';

/** What AceBase takes when it makes an index, as far as its file is named after it. */
export interface IndexNaming {
  readonly type?: string;
  readonly include?: string | readonly string[];
  readonly rebuild?: boolean;
}

/**
 * The path of an index as AceBase keeps it, however it was spelt: without slashes around it, and with an asterisk for `$id`. AceBase itself finds an
 * index that is there only by that.
 */
export function indexPathOf(path: string): string {
  const keys = path.replaceAll('[', '/[').split('/');
  while (keys[0] === '') keys.shift();
  while (keys.at(-1) === '') keys.pop();
  return keys.reduce((before, key, at) => {
    const known = key.startsWith('$') ? '*' : key;
    const place = known.startsWith('[') ? Number.parseInt(known.slice(1), 10) : undefined;
    if (at === 0) return `${place ?? known}`;
    return place === undefined ? `${before}/${known}` : `${before}[${place}]`;
  }, '');
}

/** The name of the file of an index, without its folder, as AceBase names it. */
export function indexFileOf(
  { settings }: Pick<Storage, 'settings'>,
  path: string,
  key: string,
  { type, include = [] }: IndexNaming = {},
): string {
  const safe = (text: string): string => text.replace(/\//g, '~').replace(/\*/g, '#');
  const prefix = (settings.type ?? 'data') === 'data' ? '' : `[${settings.type}]-`;
  const included = [include].flat().map((name) => `,${safe(name)}`);
  const kind = type === undefined || type === 'normal' ? '' : `${type}.`;
  return `${prefix}${safe(indexPathOf(path))}-${safe(key)}${included.join('')}.${kind}idx`;
}

/** Whether a file is, by its name, that of an index of that kind of data: `data`, `auth`, … have theirs in one folder. */
export function isIndexOf(file: string, type: string): boolean {
  if (!file.endsWith('.idx')) return false;
  return type === 'data' ? !/^\[[a-z]+\]-/.test(file) : file.startsWith(`[${type}]-`);
}

/**
 * A message with the path of an index file as this process spells it. Others may have the folder under another path: a
 * relative one, a link, another mount. The folder is the database's, and the name of the file tells the index.
 */
export function withOwnFileName(message: Message, { settings, name }: Storage): Message {
  const { data } = message;
  if (typeof data !== 'object' || data === null) return message;
  const fileName: unknown = Reflect.get(data, 'fileName');
  if (typeof fileName !== 'string' || !fileName.endsWith('.idx')) return message;
  const file = basename(fileName.replaceAll('\\', '/'));
  return { ...message, data: { ...data, fileName: `${settings.path}/${name}.acebase/${file}` } };
}
