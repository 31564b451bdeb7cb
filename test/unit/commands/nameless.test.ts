import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { memoryPlaces, withNamelessFile } from '../../../src/commands/nameless.ts';

/** The view of a container with a read-only root. */
const MOUNTS = `overlay / overlay ro,relatime,lowerdir=/a,upperdir=/b 0 0
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
tmpfs /dev tmpfs rw,nosuid,size=65536k,mode=755,inode64 0 0
devpts /dev/pts devpts rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=666 0 0
shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k 0 0
tmpfs /run/secrets/kubernetes.io/serviceaccount tmpfs ro,relatime,size=1k 0 0
tmpfs /proc/acpi tmpfs rw,relatime 0 0
tmpfs /sys/firmware tmpfs rw,relatime 0 0
tmpfs /mnt/a\\040b tmpfs rw,relatime 0 0
/dev/vda1 /etc/hosts ext4 rw,relatime 0 0
`;

test('a library goes to memory that may be written to and executed from', () => {
  expect(memoryPlaces(MOUNTS)).toEqual(['/dev', '/mnt/a b']);
  expect(memoryPlaces('tmpfs /x tmpfs rw 0 0\n'.repeat(100))).toHaveLength(16);
});

test('it is whole while it is loaded, private, and leaves nothing behind', () => {
  const bytes = Buffer.from('machine code');
  const before = memoryPlaces(readFileSync('/proc/self/mounts', 'utf8')).map(contentsOf);
  let seen = '';
  withNamelessFile(bytes, (path) => {
    seen = readFileSync(path, 'utf8');
  });
  expect(seen).toBe('machine code');
  expect(memoryPlaces(readFileSync('/proc/self/mounts', 'utf8')).map(contentsOf)).toEqual(before);
});

test('what no place can load is told with each of them', () => {
  const load = (): never => {
    throw new Error('invalid ELF header');
  };
  expect(() => withNamelessFile(Buffer.from('x'), load)).toThrow(
    /no file system in memory to load it from: \/.* \(invalid ELF header\)/,
  );
});

/** Other processes' names, which come and go, are not ours. */
function contentsOf(place: string): readonly string[] {
  return readdirSync(place).filter((name) => name.includes('netobserv'));
}
