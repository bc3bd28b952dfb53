import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  platform: 'node',
  target: 'node20.19',
  fixedExtension: false,
  sourcemap: true,
  // That CommonJS is built on purpose, and how long each plugin took, is nothing to warn about.
  checks: { legacyCjs: false, pluginTimings: false },
};

const library: UserConfig = {
  ...common,
  entry: {
    index: 'src/index.ts',
    client: 'src/client/index.ts',
    register: 'src/register.ts',
    stock: 'src/stock/index.ts',
    'node-check': 'src/node-check.ts',
  },
};

export default defineConfig([
  { ...library, format: ['esm', 'cjs'], dts: false, clean: true },
  // Apart from the code: built together, the types would import what only the code needs, such as zod.
  { ...library, format: ['esm', 'cjs'], dts: { emitDtsOnly: true }, clean: false },
  // As CommonJS, which every loader of a program can start, Yarn's among them.
  {
    ...common,
    entry: { 'managed-master': 'src/managed-masters/child.ts' },
    format: ['cjs'],
    dts: false,
    clean: false,
  },
  { ...common, entry: { 'cli/main': 'src/cli/main.ts' }, format: ['esm'], dts: false, clean: false },
]);
