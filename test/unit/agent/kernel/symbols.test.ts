import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeAddress, KernelSymbols } from '../../../../src/agent/kernel/symbols.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nbt-symbols-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function read(lines: readonly string[]): Promise<KernelSymbols> {
  const path = join(folder, 'kallsyms');
  writeFileSync(path, lines.join('\n') + (lines.length > 0 ? '\n' : ''));
  const symbols = new KernelSymbols(path);
  await symbols.read();
  return symbols;
}

const LINES = [
  'ffffffff81000000 T _text',
  'ffffffff81001000 t tcp_v4_rcv',
  'ffffffff81001800 D some_data',
  'ffffffff81002000 W weak_function',
  'ffffffffc0201000 t nft_do_chain\t[nf_tables]',
  'ffffffffc0100000 t ovs_dp_process_packet\t[openvswitch]',
];

test.each([
  ['a first byte', 0x81001000, 'tcp_v4_rcv'],
  ['within, past data', 0x81001fff, 'tcp_v4_rcv'],
  ['the next one', 0x81002000, 'weak_function'],
  ['a module', 0xc0201234, 'nft_do_chain'],
  ['a module that is not in order', 0xc0100010, 'ovs_dp_process_packet'],
  ['before all', 0x80ffffff, undefined],
  ['code that came later', 0xa0000000, undefined],
])('%s', async (_what, low, name) => {
  const symbols = await read(LINES);
  expect(symbols.nameOf(codeAddress(low, 0xffffffff))).toBe(name);
  expect(symbols.size).toBe(5);
});

test('addresses keep their last bit, wherever the kernel is', async () => {
  const symbols = await read(['ffff800080010001 T odd', 'ffff800080010002 T even']);
  expect(symbols.nameOf(codeAddress(0x80010001, 0xffff8000))).toBe('odd');
  expect(symbols.nameOf(codeAddress(0x80010002, 0xffff8000))).toBe('even');
});

test('more functions than there is room for at first, and lines across reads', async () => {
  const count = 70_000;
  const lines = Array.from(
    { length: count },
    (_, index) => `${(0xffffffff81000000n + BigInt(index) * 16n).toString(16)} t function_${index}`,
  );
  const symbols = await read(lines);
  expect(symbols.size).toBe(count);
  for (const index of [0, 1, 40_000, count - 1]) {
    const low = (0x81000000 + index * 16) >>> 0;
    expect(symbols.nameOf(codeAddress(low + 3, 0xffffffff))).toBe(`function_${index}`);
  }
});

test('a kernel that hides addresses has none', async () => {
  const symbols = await read(['0000000000000000 T _text', '0000000000000000 t tcp_v4_rcv']);
  expect(symbols.size).toBe(0);
  expect(symbols.nameOf(codeAddress(0x81001000, 0xffffffff))).toBeUndefined();
});

test.each<[string, (symbols: KernelSymbols) => Promise<void> | void]>([
  ['was read', (symbols) => symbols.read()],
  ['is not going to be', (symbols) => symbols.close()],
])('the file is opened at once, and let go of when it %s', async (_when, done) => {
  const path = join(folder, 'kallsyms');
  writeFileSync(path, `${LINES.join('\n')}\n`);
  const symbols = new KernelSymbols(path);
  expect(openFiles()).toContain(path);
  await done(symbols);
  await expect.poll(openFiles).not.toContain(path);
  symbols.close();
});

function openFiles(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => `/proc/self/fd/${fd}`)
    .filter((link) => existsSync(link))
    .map((link) => readlinkSync(link));
}
