import { basename } from 'node:path';
import type { Storage } from './acebase.js';
import type { Message } from './core/host.js';

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
