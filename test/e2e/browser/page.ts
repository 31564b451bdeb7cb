import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

export const WIDE = { width: 1440, height: 900 } as const;
export const NARROW = { width: 390, height: 844 } as const;

/** A page in its own browser context. */
export interface OpenedPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors that a developer would see in red. */
  readonly problems: readonly string[];
}

/** Opens `url`, wide unless `options` say otherwise; one element may take `waitMaxMs` to appear. */
export async function openPage(
  browser: Browser,
  url: string,
  waitMaxMs: number,
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(waitMaxMs);
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  await page.goto(url);
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}

/** Broken accessibility rules of serious or worse impact, with the elements that break them. */
export async function seriousViolations(page: Page): Promise<(readonly [string, string[]])[]> {
  // Describing each element that breaks no rule takes longer than all rules.
  const { violations } = await new AxeBuilder({ page })
    .options({ resultTypes: ['violations'] })
    .analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, nodes.map((node) => node.html)] as const);
}

/** Pixels by which the page is wider than the window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
}
