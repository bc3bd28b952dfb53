import { expect, test } from 'vitest';
import { read } from './markdown.js';

test('README starts a master before any worker, by the server or by hand: a worker alone waits for ever', () => {
  const readme = read('README.md');
  const [first = '', ...others] = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code = '']) => code);
  expect(first).not.toContain('role:');
  expect(readme.indexOf('acebase-ipc-server --master mydb')).toBeLessThan(readme.indexOf(first));
  const roles = [...others.join('').matchAll(/role: '(master|worker)'/g)].map(([, role]) => role);
  expect(roles[0]).toBe('master');
  expect(roles).toContain('worker');
});
