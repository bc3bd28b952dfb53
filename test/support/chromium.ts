import type { Browser, BrowserContext, LaunchOptions } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { chromiumPath } from './chromium-path.js';

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
  '--in-process-gpu',
  // A name that whoever it belongs to has pointed at this machine.
  '--host-resolver-rules=MAP evil.example 127.0.0.1',
];

/**
 * The browser of all tests of this process: to start one takes longer than most of them. Playwright ends it when the
 * process exits.
 */
let shared: Promise<Browser> | undefined;

/** A profile of its own, with nothing in it. It is gone when the test is over. */
export async function openChromium(): Promise<BrowserContext> {
  shared ??= launch();
  const context = await (await shared).newContext();
  onTestFinished(() => context.close());
  return context;
}

async function launch(): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const options: LaunchOptions = {
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    args: ARGUMENTS,
  };
  return chromium.launch(options);
}
