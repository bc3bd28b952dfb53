import { onTestFinished } from 'vitest';
import { chromiumPath } from './chromium-path.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';

/** Nothing of the machine's network but what a test serves, and no services of its own. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts Chromium with a profile of its own. It is gone when the test is over. */
export async function openChromium(more: readonly string[] = []) {
  const { chromium } = await import('playwright-core');
  const profile = await temporaryDirectory('chromium');
  onTestFinished(() => removeDirectory(profile));
  const context = await chromium.launchPersistentContext(profile, {
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    args: [...ARGUMENTS, ...more],
  });
  onTestFinished(() => context.close());
  return context;
}
