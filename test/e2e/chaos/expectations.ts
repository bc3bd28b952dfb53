import { expect } from 'vitest';
import type { ChaosReport } from './campaign.js';
import { summary } from './summary.js';

/** Nothing was lost, nobody was left waiting, and enough was written for that to mean something. @returns the story, for further expectations */
export function expectNothingWrong(report: ChaosReport, writes: number): string {
  const story = summary(report).join('\n');
  expect(report.findings, story).toEqual([]);
  expect(report.misread, story).toEqual([]);
  expect(report.violations, story).toEqual([]);
  expect(report.hangs, story).toEqual([]);
  expect(report.unclosed, story).toEqual([]);
  expect(report.acknowledged, story).toBeGreaterThan(writes);
  return story;
}
