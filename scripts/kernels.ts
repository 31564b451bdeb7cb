/**
 * The systems that `npm run test:kernels` boots: Debian's kernels and a userland for them, from
 * Debian's packages. Nothing is installed on the host: packages are unpacked into a cache that
 * outlives clones. A fetched kernel stays until its folder is removed.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ARCHITECTURES, type Architecture, HOST_ARCHITECTURE, isForeign } from './architectures.ts';
import { cached, fetchWhole } from './cache.ts';
import { Apt, mirror, runQuietly } from './debian.ts';
import { fingerprint, ROOT } from './steps.ts';
import { isUpToDate } from './up-to-date.ts';

export interface Kernel {
  /** Debian's release or its backports. */
  readonly suite: string;
  readonly architecture: Architecture;
}

/** Oldest first. The ends of the list differ most: no TCX or namespace cookies, and all of them. */
const SUITES = ['bookworm', 'bookworm-backports', 'trixie-backports'];

function endsOf(kernels: readonly Kernel[]): readonly Kernel[] {
  return [kernels.at(0)!, kernels.at(-1)!];
}

function kernelsOf(architecture: Architecture): readonly Kernel[] {
  return SUITES.map((suite) => ({ suite, architecture }));
}

export const KERNELS = kernelsOf(HOST_ARCHITECTURE);

export const KERNEL_ENDS = endsOf(KERNELS);

/** Kernels of machines that this one emulates, instruction by instruction. */
export const FOREIGN_KERNELS: readonly Kernel[] = ARCHITECTURES.filter(isForeign).flatMap((one) =>
  endsOf(kernelsOf(one)),
);

/** Newer than some of the kernels, which is fine: its C library needs Linux 3.2. */
const USERLAND = 'trixie';
const USERLAND_PACKAGES = [
  ...['iproute2', 'iputils-ping', 'kmod', 'procps', 'libstdc++6', 'ethtool', 'nftables', 'tcpdump'],
  ...['wireguard-tools', 'openvswitch-switch', 'ovn-host', 'ovn-central', 'bind9-dnsutils'],
  ...['busybox-static', 'openssl'],
];
/** Packages that another architecture's do not bring along: see `fetchUserland`. */
const ESSENTIAL_PACKAGES = [
  ...['bash', 'coreutils', 'dash', 'grep', 'hostname', 'mount', 'sed', 'util-linux'],
];

/** Modules for reaching the host's folders; Debian's cloud kernels lack 9p. */
const BOOT_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
const INIT = join(ROOT, 'test/kernels/init.sh');

const CACHE = cached('kernels');

export function userlandFolder({ debian }: Architecture): string {
  return join(CACHE, `root-${USERLAND}-${debian}`);
}

/** Has `vmlinuz`, `initramfs`, `release` and `tree`, the unpacked packages. */
export function kernelFolder({ suite, architecture }: Kernel): string {
  return join(CACHE, `${suite}-${architecture.debian}`);
}

/** Release of a fetched kernel: `6.1.0-50-amd64`. */
export function releaseOf(kernel: Kernel): string {
  return readFileSync(join(kernelFolder(kernel), 'release'), 'utf8');
}

/** Everything that decides what a kernel loads in the tests, and what they expect of it. */
const LOADED = [
  ...['bpf', 'native', 'test/kernels', 'scripts/build-bpf.ts', 'scripts/build-native.ts'],
  ...['src/agent/loader', 'src/agent/features', 'src/agent/filters'],
];

function proofOfLoad(): string {
  return join(CACHE, 'loaded', fingerprint(LOADED));
}

/** Whether both ends of that list have already loaded this exact datapath on this machine. */
export function isLoadProven(): boolean {
  return existsSync(proofOfLoad());
}

export function proveLoad(): void {
  mkdirSync(join(CACHE, 'loaded'), { recursive: true });
  writeFileSync(proofOfLoad(), '');
}

/** Fetches what is missing; a folder is complete or absent. */
export function fetchKernels(wanted: readonly Kernel[]): void {
  for (const kernel of wanted) {
    const userland = userlandFolder(kernel.architecture);
    fetchWhole(userland, (draft) => fetchUserland(kernel.architecture, draft));
    const folder = kernelFolder(kernel);
    fetchWhole(folder, (draft) => fetchKernel(kernel, draft));
    if (!isUpToDate(join(folder, 'initramfs'), [INIT, import.meta.filename])) {
      makeInitramfs(folder, join(userland, 'usr/bin/busybox'));
    }
  }
}

/** Another architecture's packages are only unpacked: their scripts would not run here. */
function fetchUserland(architecture: Architecture, draft: string): void {
  const foreign = isForeign(architecture);
  const names = foreign ? [...ESSENTIAL_PACKAGES, ...USERLAND_PACKAGES] : USERLAND_PACKAGES;
  runQuietly(
    'mmdebstrap',
    '--quiet',
    `--architectures=${architecture.debian}`,
    `--variant=${foreign ? 'extract' : 'minbase'}`,
    '--mode=root',
    `--include=${names.join(',')}`,
    USERLAND,
    draft,
    `deb ${mirror()} ${USERLAND} main`,
  );
  if (!foreign) return;
  // As a script of base-files creates it.
  rmdirSync(join(draft, 'var/run'));
  symlinkSync('/run', join(draft, 'var/run'));
}

function fetchKernel({ suite, architecture }: Kernel, draft: string): void {
  using apt = new Apt(suite, architecture);
  const depends = (name: string): string[] =>
    apt.depends(name).filter((one) => one.startsWith('linux-'));
  const image = `linux-image-${architecture.debian}`;
  const newest = depends(image).find((name) => name.startsWith('linux-image-'))!;
  const release = newest.slice('linux-image-'.length);
  // Newer packages are split: linux-binary has the kernel, linux-modules the modules.
  const parts = depends(newest).filter((name) => name.endsWith(`-${release}`));
  const tree = join(draft, 'tree');
  apt.unpack([newest, ...parts], tree);
  mergeLib(tree);
  runQuietly('depmod', '-b', tree, release);
  const images = [
    join(tree, `boot/vmlinuz-${release}`),
    join(tree, 'lib/modules', release, 'vmlinuz'),
  ];
  copyFileSync(images.find((path) => existsSync(path))!, join(draft, 'vmlinuz'));
  writeFileSync(join(draft, 'release'), release);
}

/** Older packages have their modules in /lib, newer ones in /usr/lib. */
function mergeLib(tree: string): void {
  const merged = join(tree, 'usr/lib/modules');
  if (!existsSync(merged)) {
    mkdirSync(join(tree, 'usr/lib'), { recursive: true });
    renameSync(join(tree, 'lib/modules'), merged);
  }
  rmSync(join(tree, 'lib'), { recursive: true, force: true });
  symlinkSync('usr/lib', join(tree, 'lib'));
}

/** Busybox, the modules for reaching the host's folders, and init. */
function makeInitramfs(folder: string, busybox: string): void {
  const release = readFileSync(join(folder, 'release'), 'utf8');
  const work = mkdtempSync(join(tmpdir(), 'netobserv-initramfs-'));
  try {
    for (const name of [
      'bin',
      'modules',
      'proc',
      'sys',
      'dev',
      'lower',
      'shared',
      'upper',
      'root',
    ]) {
      mkdirSync(join(work, name));
    }
    copyFileSync(busybox, join(work, 'bin/busybox'));
    copyFileSync(INIT, join(work, 'init'));
    runQuietly('chmod', '+x', join(work, 'init'));
    const tree = join(folder, 'tree');
    const order = runQuietly(
      'modprobe',
      '-d',
      tree,
      '-S',
      release,
      '--show-depends',
      '-a',
      ...BOOT_MODULES,
    );
    const paths = [...new Set([...order.matchAll(/^insmod (\S+)/gm)].map(([, path]) => path!))];
    for (const [index, path] of paths.entries()) {
      // Loaded in the order of their names.
      const target = join(
        work,
        'modules',
        `${100 + index}-${basename(path).replace(/\.ko.*/, '.ko')}`,
      );
      writeFileSync(target, unpacked(path));
    }
    const archive = 'find . | cpio --quiet -o -H newc | gzip -1 > "$0"';
    execFileSync('sh', ['-c', archive, join(folder, 'initramfs')], { cwd: work });
  } finally {
    rmSync(work, { recursive: true });
  }
}

function unpacked(path: string): Buffer {
  const limit = { maxBuffer: 64 * 1024 * 1024 };
  if (path.endsWith('.xz')) return execFileSync('xz', ['-dc', path], limit);
  if (path.endsWith('.zst')) return execFileSync('zstd', ['-qdc', path], limit);
  return readFileSync(path);
}
