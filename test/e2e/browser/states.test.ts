import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { seriousViolations } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

/** States that are hard to cause with a real kernel: locked, slow and vanishing servers. */

const TOKEN = 'a-token-of-a-test-1234';
const TIMEOUT_MS = 60_000;

describe.skipIf(requireBrowser(CHROMIUM))('states of the console', () => {
  let browser: Browser;
  const stoppers: MockConsole[] = [];

  beforeAll(async () => {
    await buildWeb();
    expect(existsSync(join(WEB_ROOT, 'index.html'))).toBe(true);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await Promise.all(stoppers.map((mock) => mock.stop()));
  }, TIMEOUT_MS);

  async function start(options: Partial<Parameters<typeof startMockConsole>[0]> = {}) {
    const mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 300, ...options });
    stoppers.push(mock);
    return mock;
  }

  async function open(url: string): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    await page.goto(url);
    return page;
  }

  test(
    'a locked console asks for its token and then opens',
    async () => {
      const page = await open((await start({ token: TOKEN })).url);
      await page.getByLabel('Token').fill('this-is-the-wrong-token');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').filter({ hasText: 'not the right token' }).waitFor();
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.locator('.bar').first().waitFor();
      await page.reload();
      await page.locator('.bar').first().waitFor();
      await page.close();
    },
    TIMEOUT_MS,
  );

  test(
    'signing out asks for the token again, in all tabs',
    async () => {
      const page = await open((await start({ token: TOKEN })).url);
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.locator('.bar').first().waitFor();
      const other = await page.context().newPage();
      await other.goto(page.url());
      await other.locator('.bar').first().waitFor();
      await page.bringToFront();
      await page.getByRole('button', { name: 'Display settings' }).click();
      await page.getByRole('option', { name: 'Sign out' }).click();
      await page.getByLabel('Token').waitFor();
      await other.getByLabel('Token').waitFor();
      expect(await page.context().cookies()).toEqual([]);
      await page.context().close();
    },
    TIMEOUT_MS,
  );

  const answer = (page: Page, status: number, body: unknown, headers = {}) =>
    page.route('**/api/flow/records?*', (route) =>
      typeof body === 'string'
        ? route.fulfill({ status, body, headers })
        : route.fulfill({ status, json: body, headers }),
    );

  test.each([
    [
      'a question that is too large is no server that is gone',
      504,
      { code: 'ERR_CONSOLE_QUERY_TIMEOUT', message: 'ask for a shorter time range' },
      'ask for a shorter time range',
    ],
    [
      'a refusal is told in the words of the server',
      403,
      { code: 'ERR_CONSOLE_HOST', message: 'let the proxy pass Host' },
      'let the proxy pass Host',
    ],
    [
      'the page of a proxy is told to be one',
      403,
      '<html>blocked</html>',
      'Something in front of the console, such as a proxy, answers “403 Forbidden”.',
    ],
  ])('%s', { timeout: TIMEOUT_MS }, async (_what, status, body, message) => {
    const page = await open((await start()).url);
    await page.locator('.bar').first().waitFor();
    await answer(page, status, body);
    await page.getByRole('link', { name: 'Traffic flows' }).click();
    await page.locator('.panel-error', { hasText: message }).waitFor();
    expect(await page.getByText('server does not answer').count()).toBe(0);
    await page.close();
  });

  test(
    'a busy server is asked again as it wants, and then said to be busy',
    async () => {
      const page = await open((await start()).url);
      await page.locator('.bar').first().waitFor();
      let asked = 0;
      page.on('request', (request) => {
        if (request.url().includes('/api/flow/records')) asked++;
      });
      const busy = { code: 'ERR_CONSOLE_BUSY', message: '4 queries are running' };
      await answer(page, 503, busy, { 'retry-after': '0' });
      await page.goto(`${page.url()}?tab=flows&refresh=off`);
      const error = page.locator('.panel-error', { hasText: '4 queries are running' });
      await error.getByText('The server is busy').waitFor();
      expect(asked).toBeGreaterThanOrEqual(4);
      await page.unroute('**/api/flow/records?*');
      await error.getByRole('button', { name: 'Try now' }).click();
      await page.locator('tr[data-index]').first().waitFor();
      await page.close();
    },
    TIMEOUT_MS,
  );

  test(
    'while the server is gone the page keeps what it has, and recovers by itself',
    async () => {
      const page = await open((await start()).url);
      await page.locator('.bar').first().waitFor();
      await page.route('**/api/**', (route) => route.abort());
      await page.getByRole('button', { name: 'Refresh now' }).click();
      await page.getByText('server does not answer').waitFor();
      expect(await page.locator('.bar').count()).toBeGreaterThan(0);
      await page.unroute('**/api/**');
      await page.getByText('server does not answer').waitFor({ state: 'detached' });
      await page.close();
    },
    TIMEOUT_MS,
  );

  test(
    'a slow answer is announced and can be cancelled',
    async () => {
      const page = await open((await start({ delayMs: 20_000 })).url);
      await page.getByText('This takes longer than usual').waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByText('This takes longer than usual').waitFor({ state: 'detached' });
      await page.close();
    },
    TIMEOUT_MS,
  );

  test(
    'dialogs, menus and details are accessible',
    async () => {
      const mock = await start();
      const page = await open(`${mock.url}/?tab=flows&refresh=off`);
      const check = async (): Promise<void> => {
        expect(await seriousViolations(page)).toEqual([]);
      };
      await page.locator('tr[data-index="1"]').focus();
      await page.keyboard.press('Enter');
      await page.getByRole('complementary', { name: 'Flow details' }).waitFor();
      await check();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Columns', exact: true }).click();
      await page.getByRole('dialog').waitFor();
      await check();
      await page.keyboard.press('Escape');
      await page.getByRole('combobox', { name: 'Add filter' }).fill('port');
      await page.getByRole('option').first().waitFor();
      await check();
      await page.goto(mock.url);
      await page.getByRole('button', { name: /^Split by/ }).click();
      await page.getByRole('option').first().waitFor();
      await check();
      await page.close();
    },
    // The test checks four pages.
    4 * TIMEOUT_MS,
  );
});
