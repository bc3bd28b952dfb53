import { expect, test } from 'vitest';
import { read } from './markdown.js';

test('README starts a master before any worker: a worker alone waits for ever', () => {
  const roles = [...read('README.md').matchAll(/role: '(master|worker)'/g)].map(([, role]) => role);
  expect(roles[0]).toBe('master');
  expect(roles).toContain('worker');
});
