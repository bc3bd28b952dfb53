import type { Reporter, TestModule } from 'vitest/node';
import { chromiumPath } from './chromium-path.js';

/** Says, in the last lines, that tests were left out because no browser is there, and how to have them. */
export default class BrowserNotice implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const concerned = modules.some(({ moduleId }) => moduleId.endsWith('browser.test.ts'));
    if (!concerned || chromiumPath !== undefined) return;
    process.stdout.write(
      '\nThe browser tests (*browser.test.ts in test/e2e) were LEFT OUT: no Chromium was found.\n' +
        'To have them: apt-get install chromium-headless-shell (or chromium), or set CHROMIUM_PATH to the program.\n',
    );
  }
}
