import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take twenty seconds and more, the longest first. One that begins last keeps everybody waiting at the end. */
const LONG = [
  'test/e2e/init.test.ts',
  'test/e2e/cluster.test.ts',
  'test/e2e/dashboard/live.browser.test.ts',
  'test/e2e/client/rows.test.ts',
  'test/e2e/client/contract/contract.test.ts',
  'test/e2e/dashboard/appearance.browser.test.ts',
  'test/e2e/one-folder.test.ts',
  'test/e2e/client/restart.test.ts',
  'test/e2e/reload.test.ts',
  'test/package/consumers.test.ts',
];

/** What waits most begins first; what keeps a core busy fills the gaps at the end. */
const FOLDERS = ['e2e', 'package', 'simulation', 'conformance', 'unit'];

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((file) => moduleId.endsWith(`/${file}`));
  return place >= 0
    ? place
    : LONG.length + FOLDERS.findIndex((folder) => moduleId.includes(`/test/${folder}/`));
}

/** The order of test files: as Vitest has it, which knows nothing yet in a fresh clone, but the long ones first. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((one, two) => rank(one) - rank(two));
  }
}
