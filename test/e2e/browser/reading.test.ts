import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { openPage } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

const TIMEOUT_MS = 120_000;
const WAIT_MAX_MS = 30_000;

describe.skipIf(requireBrowser(CHROMIUM))('reading a page that goes on', () => {
  let browser: Browser;
  let mock: MockConsole;

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 60, flowsPerSecond: 5 });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  }, TIMEOUT_MS);

  const open = (path: string) => openPage(browser, mock.url + path, WAIT_MAX_MS);
  const rows = (page: Page) => page.locator('tr[data-index]');
  const pending = (page: Page) => page.getByRole('button', { name: /^\d+ new flows?$/ });
  const textOfRows = (page: Page) => rows(page).allInnerTexts();

  const poll = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: WAIT_MAX_MS });

  /** Flows arrive while `text` stays unchanged. */
  async function expectStill(page: Page, text: () => Promise<unknown>): Promise<void> {
    const before = await text();
    await pending(page).waitFor();
    const count = () => pending(page).innerText().then(Number.parseInt);
    const first = await count();
    await poll(count).toBeGreaterThan(first);
    expect(await text()).toEqual(before);
  }

  test(
    'rows stand still under the pointer, and go on when it leaves',
    async () => {
      await using opened = await open('/?tab=flows');
      const { page } = opened;
      await rows(page).first().hover();
      await expectStill(page, () => textOfRows(page));
      const before = await textOfRows(page);
      await page.mouse.move(5, 5);
      await pending(page).waitFor({ state: 'hidden' });
      await poll(() => textOfRows(page)).not.toEqual(before);
    },
    TIMEOUT_MS,
  );

  test(
    'rows stand still where one has scrolled to, until one asks for what is new',
    async () => {
      await using opened = await open('/?tab=flows&sort=-Bytes');
      const { page } = opened;
      await rows(page).first().waitFor();
      await page.evaluate(`document.querySelector('.flow-scroll').scrollTo({ top: 900 })`);
      await page.locator('tr[data-index="30"]').waitFor();
      await expectStill(page, () => textOfRows(page));
      await pending(page).click();
      await page.locator('tr[data-index="0"]').waitFor();
      expect(new URL(page.url()).searchParams.get('sort')).toBe('-Bytes');
    },
    TIMEOUT_MS,
  );

  test(
    'the opened flow stays selected and in its drawer, and so does selected text',
    async () => {
      await using opened = await open('/?tab=flows');
      const { page } = opened;
      await page.locator('tr[data-index="3"] td').first().click();
      const drawer = page.getByRole('complementary', { name: 'Flow details' });
      await drawer.waitFor();
      await page.mouse.move(5, 5);
      const selected = page.locator('tr[aria-selected="true"]');
      await expectStill(page, async () => [
        await selected.getAttribute('data-index'),
        await selected.innerText(),
        await drawer.innerText(),
      ]);
      await page.keyboard.press('Escape');
      await drawer.waitFor({ state: 'detached' });
      await pending(page).waitFor({ state: 'hidden' });

      await page.evaluate(
        `document.getSelection().selectAllChildren(document.querySelector('tr[data-index="2"] td'))`,
      );
      await expectStill(page, () => textOfRows(page));
    },
    TIMEOUT_MS,
  );

  test(
    'a filter that is set meanwhile answers at once',
    async () => {
      await using opened = await open('/?tab=flows');
      const { page } = opened;
      const cell = page.locator('tr[data-index] td button', { hasText: 'UDP' }).first();
      await cell.click();
      await page.getByRole('button', { name: /^Edit filter Protocol/ }).waitFor();
      await rows(page).filter({ hasText: 'TCP' }).first().waitFor({ state: 'detached' });
      await rows(page).filter({ hasText: 'UDP' }).first().waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'bars stand still under the pointer, and say so',
    async () => {
      await using opened = await open('/');
      const { page } = opened;
      const panel = page.locator('.tops .panel').first();
      await panel.locator('.bar').first().hover();
      await panel.locator('.held-mark').waitFor();
      const before = await panel.locator('.bars').innerText();
      const other = page.locator('.tops .panel').nth(1).locator('.bars');
      const others = await other.innerText();
      await poll(() => other.innerText()).not.toBe(others);
      expect(await panel.locator('.bars').innerText()).toBe(before);
      await page.mouse.move(5, 5);
      await poll(() => panel.locator('.bars').innerText()).not.toBe(before);
    },
    TIMEOUT_MS,
  );

  test(
    'panels below the window ask for nothing until they are scrolled to',
    async () => {
      await using opened = await open('/?refresh=off');
      const { page } = opened;
      const types = new Set<string>();
      page.on('request', (request) => {
        const type = new URL(request.url()).searchParams.get('type');
        if (type !== null) types.add(type);
      });
      await page.reload();
      await page.locator('.bar').first().waitFor();
      await page.waitForLoadState('networkidle');
      expect(types).toContain('Bytes');
      expect(types).not.toContain('TimeFlowRttNs');
      await page.locator('.features').last().scrollIntoViewIfNeeded();
      await poll(async () => [...types]).toContain('TimeFlowRttNs');
    },
    TIMEOUT_MS,
  );
});
