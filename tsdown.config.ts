import { defineConfig, type UserConfig } from 'tsdown';

const common: UserConfig = {
  platform: 'node',
  target: 'node20.19',
  fixedExtension: false,
  sourcemap: true,
  // That CommonJS is built on purpose, and how long each plugin took, is nothing to warn about.
  checks: { legacyCjs: false, pluginTimings: false },
};

export default defineConfig([
  {
    ...common,
    entry: { index: 'src/index.ts', client: 'src/client/index.ts', register: 'src/register.ts' },
    format: ['esm', 'cjs'],
    dts: true,
    clean: true,
  },
  { ...common, entry: { 'cli/main': 'src/cli/main.ts' }, format: ['esm'], dts: false, clean: false },
]);
