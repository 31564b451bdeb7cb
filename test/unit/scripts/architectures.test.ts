import { expect, test } from 'vitest';
import {
  ARCHITECTURES,
  architectureOf,
  HOST_ARCHITECTURE,
  isForeign,
  suffixOf,
} from '../../../scripts/architectures.ts';
import { nativePath } from '../../../scripts/build-native.ts';

test('what is built for this machine has the bare name, for another one a name of its own', () => {
  const [foreign] = ARCHITECTURES.filter(isForeign);

  expect(HOST_ARCHITECTURE.name).toBe(process.arch);
  expect(suffixOf(HOST_ARCHITECTURE)).toBe('');
  expect(nativePath(HOST_ARCHITECTURE)).toBe('build/native/netobserv.node');
  expect(suffixOf(foreign!)).toBe(`-${foreign!.name}`);
  expect(nativePath(foreign!)).toBe(`build/native/${foreign!.name}/netobserv.node`);
});

test.each(['aarch64', 'amd64', 'riscv64', ''])('"%s" is told what there is', (name) => {
  expect(() => architectureOf(name)).toThrow(
    `netobserv is not built for "${name}", only for x64 or arm64`,
  );
});
