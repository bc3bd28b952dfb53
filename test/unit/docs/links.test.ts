import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { anchors, documents, links, read, root } from './markdown.js';

/** Why a link leads nowhere; undefined if it leads somewhere. */
function problem(document: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : normalize(join(dirname(document), path));
  if (target.startsWith('..')) return `${link} leads out of the package`;
  if (!existsSync(root + target)) return `${link} leads to no file`;
  if (anchor !== undefined && !anchors(read(target)).includes(anchor)) return `${link} leads to no heading`;
  return undefined;
}

test.each(documents())('the links of %s lead somewhere', (document) => {
  const relative = links(read(document)).filter((link) => !/^[a-z]+:/.test(link));
  expect(relative.map((link) => problem(document, link)).filter((found) => found !== undefined)).toEqual([]);
});
