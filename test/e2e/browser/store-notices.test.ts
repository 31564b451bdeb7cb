import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import type { StoreStatus } from '../../../src/store/store.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { NARROW, openPage, overflowOf, seriousViolations, WIDE } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

const TIMEOUT_MS = 120_000;
const WAIT_MAX_MS = 30_000;

const DAMAGED =
  'flows that could not be read were set aside in ' +
  `/var/lib/netobserv/${'long'.repeat(30)}/flows.duckdb.damaged-20260131T120000Z; ` +
  'this is told until the file is moved elsewhere';
const LOST = '412 flows could not be written between then and now: there is no space left';
const HOSTILE = '<img src=x onerror=alert(1)> \u202egpj.exe';

describe.skipIf(requireBrowser(CHROMIUM))('what the store has to tell', () => {
  let browser: Browser;
  let mock: MockConsole;
  let says: Pick<StoreStatus, 'error' | 'warnings'> = {};

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 60, storeSays: () => says });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  }, TIMEOUT_MS);

  const notice = (page: Page, text: string) => page.locator('.store-notice', { hasText: text });
  const dismiss = (page: Page) => page.getByRole('button', { name: /^Hide until/ });

  test.each([
    ['wide and light', { viewport: WIDE, colorScheme: 'light' }],
    ['wide and dark', { viewport: WIDE, colorScheme: 'dark' }],
    ['narrow and light', { viewport: NARROW, colorScheme: 'light' }],
    ['narrow and dark', { viewport: NARROW, colorScheme: 'dark' }],
  ] as const)(
    'stands above the page as text, and leaves room for it: %s',
    async (how, options) => {
      says = { error: 'no space left', warnings: [DAMAGED, LOST, HOSTILE, 'the fourth'] };
      await using opened = await openPage(browser, `${mock.url}/?tab=flows`, WAIT_MAX_MS, options);
      const { page, problems } = opened;
      page.on('dialog', () => expect.unreachable('a name was run'));
      await notice(page, 'Flows are not being kept').getByText('no space left').waitFor();
      await notice(page, DAMAGED).getByText('and 1 more').waitFor();
      await notice(page, '<img src=x onerror=alert(1)> ‹U+202E›gpj.exe').waitFor();
      await page.locator('tr[data-index]').first().waitFor();
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(await seriousViolations(page)).toEqual([]);
      const shots = process.env.SCREENSHOTS;
      if (shots !== undefined) await page.screenshot({ path: join(shots, `${how}.png`) });
      expect(problems).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'is hidden until there is something else, and stays in the health dialog',
    async () => {
      says = { warnings: [DAMAGED] };
      await using opened = await openPage(browser, mock.url, WAIT_MAX_MS);
      const { page, problems } = opened;
      await notice(page, DAMAGED).waitFor();
      await dismiss(page).click();
      await notice(page, DAMAGED).waitFor({ state: 'detached' });
      await page.reload();
      await page.locator('.bar').first().waitFor();
      await page.getByRole('button', { name: /^Health: \d things/ }).click();
      await page.getByRole('dialog').getByText(DAMAGED).waitFor();
      await page.keyboard.press('Escape');
      expect(await notice(page, DAMAGED).count()).toBe(0);
      says = { warnings: [DAMAGED, LOST] };
      await notice(page, LOST).waitFor();
      expect(await notice(page, DAMAGED).count()).toBe(0);
      says = {};
      await notice(page, LOST).waitFor({ state: 'detached' });
      expect(problems).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
