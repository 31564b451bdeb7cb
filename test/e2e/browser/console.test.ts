import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireBrowser, requireRoot } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { NARROW, openPage, overflowOf, seriousViolations, WIDE } from './page.ts';
import {
  CLIENT,
  SERVER,
  SERVER_V6,
  type StartedConsole,
  startConsole,
  TCP_PORT,
  UDP_PORT,
} from './start-console.ts';

/** Compressed, all files of the first view together. */
const FIRST_LOAD_MAX_BYTES = 300_000;
const START_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 60_000;
/** Time limit for one element to appear on the page. */
const WAIT_MAX_MS = 15_000;

describe.skipIf(requireRoot() || requireBrowser(CHROMIUM))('console in a browser', () => {
  let started: StartedConsole;
  let browser: Browser;

  beforeAll(async () => {
    started = await startConsole();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await started?.[Symbol.asyncDispose]();
  }, START_TIMEOUT_MS);

  const open = (path: string, options: BrowserContextOptions = {}) =>
    openPage(browser, started.url + path, WAIT_MAX_MS, options);

  const rows = (page: Page) => page.locator('.flow-table tbody tr[data-index]');
  const filterInput = (page: Page) => page.getByRole('combobox', { name: 'Add filter' });

  test(
    'before any traffic, it says what it waits for',
    async () => {
      await using opened = await open('/');
      const { page, problems } = opened;
      await page.getByRole('heading', { name: 'Waiting for the first packets' }).waitFor();
      expect(await page.locator('.interface-name').count()).toBeGreaterThan(0);
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'traffic appears by itself, on both tabs',
    async () => {
      await using opened = await open('/');
      const { page, problems } = opened;
      await page.getByRole('heading', { name: 'Waiting for the first packets' }).waitFor();
      await started.generate();
      // Without reloading: live updates bring it.
      await page.locator('.bar', { hasText: `${CLIENT} → ${SERVER}` }).waitFor();
      await page.locator('.bar', { hasText: `TCP ${TCP_PORT}` }).waitFor();

      await page.getByRole('link', { name: 'Traffic flows' }).click();
      await rows(page)
        .filter({ hasText: String(TCP_PORT) })
        .first()
        .waitFor();
      await rows(page).filter({ hasText: SERVER_V6 }).first().waitFor();
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'a filter is typed with suggestions, and the link brings the same view back',
    async () => {
      await using opened = await open('/?tab=flows');
      const { page, problems } = opened;
      await rows(page).first().waitFor();
      await page.keyboard.press('/');
      await filterInput(page).pressSequentially('dst_port');
      await page.keyboard.press('Enter');
      await page.getByRole('option', { name: /^=/ }).click();
      await page.getByRole('option', { name: String(UDP_PORT) }).click();

      await page.getByRole('button', { name: `Edit filter Port = ${UDP_PORT}` }).waitFor();
      await expectOnly(page, String(UDP_PORT));
      expect(new URL(page.url()).searchParams.get('filters')).toBe(`dst_port=${UDP_PORT}`);

      await page.reload();
      await expectOnly(page, String(UDP_PORT));

      await page.getByRole('button', { name: /^Disable filter/ }).click();
      await rows(page)
        .filter({ hasText: String(TCP_PORT) })
        .first()
        .waitFor();
      await page.goBack();
      await expectOnly(page, String(UDP_PORT));
      await page.getByRole('button', { name: 'Clear filters' }).click();
      await rows(page)
        .filter({ hasText: String(TCP_PORT) })
        .first()
        .waitFor();
      expect(new URL(page.url()).search).toBe('?tab=flows');
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  async function expectOnly(page: Page, text: string): Promise<void> {
    await rows(page).filter({ hasText: text }).first().waitFor();
    await rows(page).filter({ hasNotText: text }).first().waitFor({ state: 'detached' });
  }

  test(
    'what the server says against a filter stands next to it',
    async () => {
      await using opened = await open('/?filters=src_port=nonsense');
      const { page } = opened;
      const alert = page.locator('.filter-bar [role=alert]');
      await alert.filter({ hasText: 'nonsense' }).waitFor();
      await page.getByRole('button', { name: /^Remove filter/ }).click();
      await page.locator('.bar').first().waitFor();
      await alert.waitFor({ state: 'detached' });
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'columns are chosen, ordered and restored',
    async () => {
      await using opened = await open('/?tab=flows');
      const { page, problems } = opened;
      const headings = () => page.locator('.flow-table th').allInnerTexts();
      await rows(page).first().waitFor();
      const before = await headings();

      await page.getByRole('button', { name: 'Columns', exact: true }).click();
      const dialog = page.getByRole('dialog', { name: 'Columns' });
      await dialog.getByRole('searchbox').fill('duration');
      await dialog.getByRole('checkbox', { name: 'Duration', exact: true }).check();
      await dialog.getByRole('searchbox').fill('');
      await dialog.getByRole('button', { name: 'Move End Time down' }).click();
      await dialog.getByRole('button', { name: 'Save' }).click();

      await page.getByRole('columnheader', { name: /Duration/ }).waitFor();
      const after = await headings();
      expect(after).toHaveLength(before.length + 1);
      expect(after[1]).toBe(before[0]);
      await page.reload();
      await rows(page).first().waitFor();
      expect(await headings()).toEqual(after);

      await page.getByRole('button', { name: 'Columns', exact: true }).click();
      await dialog.getByRole('button', { name: 'Restore defaults' }).click();
      await dialog.getByRole('button', { name: 'Save' }).click();
      await dialog.waitFor({ state: 'detached' });
      expect(await headings()).toEqual(before);
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'sorting by a column is in the link, and orders the rows',
    async () => {
      await using opened = await open('/?tab=flows&refresh=off&columns=Bytes,SrcAddr');
      const { page } = opened;
      await page.getByRole('button', { name: 'Sort by Bytes' }).click();
      await page.locator('th[aria-sort=descending]', { hasText: 'Bytes' }).waitFor();
      expect(new URL(page.url()).searchParams.get('sort')).toBe('-Bytes');
      const cells = await page.locator('.flow-table td:first-child[title]').all();
      const titles = await Promise.all(cells.map((cell) => cell.getAttribute('title')));
      const bytes = titles.map((title) => Number(title?.replaceAll('\u202f', '')));
      expect(bytes.length).toBeGreaterThan(1);
      expect(bytes).toEqual(bytes.toSorted((a, b) => b - a));
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'a row opens by keyboard with all its fields, and Escape closes it',
    async () => {
      await using opened = await open('/?tab=flows&refresh=off');
      const { page, problems } = opened;
      await rows(page).first().focus();
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      const details = page.getByRole('complementary', { name: 'Flow details' });
      await details.getByText('Protocol', { exact: true }).waitFor();
      await details.getByRole('button', { name: 'Raw JSON' }).click();
      expect(JSON.parse(await details.locator('pre').innerText())).toHaveProperty('SrcAddr');
      await page.keyboard.press('Escape');
      await details.waitFor({ state: 'detached' });
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'the theme follows the system, is changed by hand, and is kept',
    async () => {
      await using opened = await open('/', { colorScheme: 'dark' });
      const { page } = opened;
      const isDark = () => page.evaluate('document.documentElement.matches(".pf-v6-theme-dark")');
      expect(await isDark()).toBe(true);
      await page.getByRole('button', { name: 'Display settings' }).click();
      await page.getByRole('option', { name: 'Light' }).click();
      await page.locator('html:not(.pf-v6-theme-dark)').waitFor();
      await page.reload();
      expect(await isDark()).toBe(false);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'dragging over a chart zooms into the time',
    async () => {
      await using opened = await open('/');
      const { page } = opened;
      const plot = page.locator('.u-over').first();
      const box = await plot.boundingBox();
      if (box === null) throw new Error('the chart has no place on the page');
      const y = box.y + box.height / 2;
      await page.mouse.move(box.x + box.width * 0.5, y);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.9, y, { steps: 5 });
      await page.mouse.up();
      await page.waitForURL(/startTime=\d+&endTime=\d+/);
      await page.goBack();
      await page.locator('.bar').first().waitFor();
    },
    TEST_TIMEOUT_MS,
  );

  test.each([
    ['overview, wide', '/', WIDE, 'light'],
    ['overview, narrow', '/', NARROW, 'dark'],
    ['flows, wide', '/?tab=flows&filters=port>=1', WIDE, 'dark'],
    ['flows, narrow', '/?tab=flows&filters=port>=1', NARROW, 'light'],
  ] as const)(
    '%s: accessible, and no wider than the window',
    async (_name, path, viewport, colorScheme) => {
      await using opened = await open(path, { viewport, colorScheme });
      const { page, problems } = opened;
      await page.locator('.bar, .flow-table tbody tr[data-index]').first().waitFor();
      expect(await seriousViolations(page)).toEqual([]);
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'the agent’s health is one click away, and its books add up',
    async () => {
      await using opened = await open('/', { viewport: NARROW, colorScheme: 'dark' });
      const { page, problems } = opened;
      await page.getByRole('button', { name: /^Health/ }).click();
      const dialog = page.getByRole('dialog', { name: 'Health of the agent' });
      // Read at once: more packets may arrive at any time.
      const text = await dialog.locator('table').first().innerText();
      const packets = text
        .split('\n')
        .map((row) => row.split('\t'))
        .filter((cells) => cells.length === 3)
        .map(([name, count]) => [name, Number(count!.replaceAll('\u202f', ''))] as const)
        .filter(([, count]) => !Number.isNaN(count));
      const seen = packets.at(-1)!;
      expect(packets[0]).toEqual(['In flows', expect.any(Number)]);
      expect(packets[0]![1]).toBeGreaterThan(0);
      expect(seen[0]).toBe('Seen');
      expect(packets.slice(0, -1).reduce((sum, [, count]) => sum + count, 0)).toBe(seen[1]);
      const { violations } = await new AxeBuilder({ page }).include('[role=dialog]').analyze();
      expect(violations.map(({ id }) => id)).toEqual([]);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'the first view loads little',
    async () => {
      const context = await browser.newContext({ viewport: WIDE });
      const page = await context.newPage();
      const session = await context.newCDPSession(page);
      const paths = new Map<string, string>();
      const sizes = new Map<string, number>();
      await session.send('Network.enable');
      session.on('Network.responseReceived', ({ requestId, response }) => {
        paths.set(requestId, new URL(response.url).pathname);
      });
      session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
        sizes.set(requestId, encodedDataLength);
      });
      await page.goto(started.url);
      await page.locator('.bar').first().waitFor();
      await context.close();

      const files = [...sizes].filter(([id]) => !(paths.get(id) ?? '/api/').startsWith('/api/'));
      const total = files.reduce((sum, [, size]) => sum + size, 0);
      console.info(`first view: ${files.length} files, ${total} bytes compressed`);
      expect(files.length).toBeGreaterThan(3);
      expect(total).toBeLessThanOrEqual(FIRST_LOAD_MAX_BYTES);
    },
    TEST_TIMEOUT_MS,
  );
});
