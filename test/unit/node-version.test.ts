import { expect, it } from 'vitest';
import { nodeProblem } from '../../src/node-version.js';

it.each(['20.19.0', '20.20.2', '22.12.0', '22.23.3', '23.0.0', '24.0.0', '26.10.0'])(
  '%s works',
  (version) => {
    expect(nodeProblem(version)).toBeUndefined();
  },
);

it.each(['12.22.12', '18.20.8', '20.18.3', '21.7.3', '22.11.0'])('%s is too old', (version) => {
  expect(nodeProblem(version)).toMatchObject({
    code: 'IPC_NODE_TOO_OLD',
    message: expect.stringContaining(`this is ${version}`),
  });
});
