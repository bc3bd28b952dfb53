import type { Browser, BrowserContext, LaunchOptions } from 'playwright-core';
import { afterAll, onTestFinished } from 'vitest';
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
];

/** The browser of all tests of a file that want nothing special of it: to start one takes longer than most of them. */
let shared: Promise<Browser> | undefined;

afterAll(async () => {
  await (await shared)?.close();
  shared = undefined;
});

/**
 * A profile of its own, with nothing in it. It is gone when the test is over.
 *
 * @param more arguments for Chromium; with any, it is a browser of its own, too
 */
export async function openChromium(more: readonly string[] = []): Promise<BrowserContext> {
  const browser = await (more.length > 0 ? ownBrowser(more) : sharedBrowser());
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  return context;
}

function sharedBrowser(): Promise<Browser> {
  shared ??= launch();
  return shared;
}

async function ownBrowser(more: readonly string[]): Promise<Browser> {
  const browser = await launch(more);
  onTestFinished(() => browser.close());
  return browser;
}

async function launch(more: readonly string[] = []): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const options: LaunchOptions = {
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    args: [...ARGUMENTS, ...more],
  };
  return chromium.launch(options);
}
