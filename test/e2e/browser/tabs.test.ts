import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { WEB_ROOT } from './web-root.ts';

/** A browser opens up to six connections to one host over HTTP/1.1. */
const TABS = 10;
const TIMEOUT_MS = 180_000;
const WAIT_MAX_MS = 30_000;

describe.skipIf(requireBrowser(CHROMIUM))('many tabs of one browser', () => {
  let browser: Browser;
  let mock: MockConsole;
  let context: BrowserContext;

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 30, flowsPerSecond: 1 });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  }, TIMEOUT_MS);

  beforeEach(async () => {
    context = await browser.newContext();
    context.setDefaultTimeout(WAIT_MAX_MS);
  });
  afterEach(() => context.close());

  async function openTab(path = '/?tab=flows'): Promise<Page> {
    const page = await context.newPage();
    await page.goto(mock.url + path);
    return page;
  }

  const streams = () => expect.poll(() => mock.liveClients(), { timeout: WAIT_MAX_MS });
  const isLive = (page: Page) => page.locator('.live-open').waitFor();

  test(
    'all load and are live over one stream, also when its tab is closed or crashes',
    async () => {
      const pages: Page[] = [];
      for (let tab = 0; tab < TABS; tab++) {
        const page = await openTab();
        await page.locator('tr[data-index]').first().waitFor();
        pages.push(page);
      }
      for (const page of pages) await isLive(page);
      await streams().toBe(1);

      const [first, ...rest] = pages;
      const crashed = first!.waitForEvent('crash');
      const session = await context.newCDPSession(first!);
      session.send('Page.crash').catch(() => undefined);
      await crashed;
      await streams().toBe(1);

      // The page with the stream is closed in the end, whichever it is.
      const last = rest.pop()!;
      for (const page of rest) await page.close();
      await isLive(last);
      await streams().toBe(1);
      await last.waitForResponse((response) => response.url().includes('/api/flow/records'));
      await last.close();
      await streams().toBe(0);
    },
    TIMEOUT_MS,
  );

  /** The effects of hiding a tab, which a headless browser never causes by itself. */
  async function setHidden(page: Page, hidden: boolean): Promise<void> {
    const state = hidden ? 'hidden' : 'visible';
    await page.evaluate(
      `Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${state}' });` +
        `document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));`,
    );
  }

  test(
    'a hidden tab has no stream and asks nothing, and catches up when it is seen',
    async () => {
      const page = await context.newPage();
      await page.clock.install();
      await page.goto(`${mock.url}/?tab=flows`);
      await isLive(page);
      await streams().toBe(1);
      await setHidden(page, true);
      await streams().toBe(0);
      const asked: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      // Longer than the period of the status, and of the live refresh.
      await page.clock.runFor(60_000);
      expect(asked).toEqual([]);
      await setHidden(page, false);
      await isLive(page);
      await expect.poll(() => asked.some((url) => url.includes('/api/flow/'))).toBe(true);
    },
    TIMEOUT_MS,
  );

  test(
    'a tab that is opened in the background asks for nothing before it is seen',
    async () => {
      const page = await context.newPage();
      await page.addInitScript(
        `Object.defineProperty(document, 'visibilityState', { configurable: true, value: 'hidden' })`,
      );
      const asked: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).pathname));
      await page.goto(mock.url, { waitUntil: 'networkidle' });
      expect(asked.some((path) => path.endsWith('.js'))).toBe(true);
      expect(asked.filter((path) => path.startsWith('/api/'))).toEqual([]);
      await setHidden(page, false);
      await page.locator('.bar').first().waitFor();
      await streams().toBe(1);
    },
    TIMEOUT_MS,
  );

  test.each(['/?refresh=off', '/?refresh=30', '/?startTime=1&endTime=2'])(
    'a page that is not live has no stream: %s',
    async (path) => {
      const page = await openTab(path);
      await page.locator('main').waitFor();
      await page.locator('.live').waitFor();
      expect(await mock.liveClients()).toBe(0);
      await page.evaluate(
        'history.pushState(undefined, "", "?"); dispatchEvent(new PopStateEvent("popstate"))',
      );
      await streams().toBe(1);
    },
    TIMEOUT_MS,
  );
});
