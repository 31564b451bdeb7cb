/**
 * What `npm run test:kernels` boots: kernels of Debian and a userland for them, from Debian's
 * packages. Nothing of that is installed on the host: packages are unpacked into a cache that
 * outlives clones. A kernel stays the one that was fetched until its folder is removed.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fingerprint, ROOT, seconds } from './steps.ts';
import { isUpToDate } from './up-to-date.ts';

export interface Kernel {
  /** Debian's release, or its backports. */
  readonly suite: string;
  readonly image: string;
}

/** From the oldest on. The ends differ most: without TCX and namespace cookies, and with all. */
export const KERNELS: readonly Kernel[] = [
  { suite: 'bookworm', image: 'linux-image-amd64' },
  { suite: 'bookworm-backports', image: 'linux-image-amd64' },
  { suite: 'trixie-backports', image: 'linux-image-amd64' },
];

export const KERNEL_ENDS: readonly Kernel[] = [KERNELS.at(0)!, KERNELS.at(-1)!];

/** Newer than some of the kernels, which is fine: its C library needs Linux 3.2. */
const USERLAND = 'trixie';
const USERLAND_PACKAGES = [
  ...['iproute2', 'iputils-ping', 'kmod', 'procps', 'libstdc++6', 'ethtool', 'nftables', 'tcpdump'],
  ...['wireguard-tools', 'openvswitch-switch', 'ovn-host', 'ovn-central', 'bind9-dnsutils'],
];

/** What reaches the host's folders; Debian's kernels for clouds have no 9p. */
const BOOT_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
const INIT = join(ROOT, 'test/kernels/init.sh');
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'netobserv/kernels');

export const userlandFolder = join(CACHE, `root-${USERLAND}`);

/** Has `vmlinuz`, `initramfs`, `release` and `tree`, the unpacked packages. */
export function kernelFolder({ suite }: Kernel): string {
  return join(CACHE, suite);
}

/** Of one that has been fetched: `6.1.0-50-amd64`. */
export function releaseOf(kernel: Kernel): string {
  return readFileSync(join(kernelFolder(kernel), 'release'), 'utf8');
}

/** Everything that decides what a kernel is given to load, and what is expected of it. */
const LOADED = [
  ...['bpf', 'native', 'test/kernels', 'scripts/build-bpf.ts', 'scripts/build-native.ts'],
  ...['src/agent/loader', 'src/agent/trackers', 'src/agent/filters'],
];

function proofOfLoad(): string {
  return join(CACHE, 'loaded', fingerprint(LOADED));
}

/** Whether both ends have loaded this very datapath before, on this machine. */
export function isLoadProven(): boolean {
  return existsSync(proofOfLoad());
}

export function proveLoad(): void {
  mkdirSync(join(CACHE, 'loaded'), { recursive: true });
  writeFileSync(proofOfLoad(), '');
}

/** Fetches what is not there yet; a folder is there whole or not at all. */
export function fetchKernels(wanted: readonly Kernel[] = KERNELS): void {
  whole(userlandFolder, fetchUserland);
  for (const kernel of wanted) {
    const folder = kernelFolder(kernel);
    whole(folder, (draft) => fetchKernel(kernel, draft));
    if (!isUpToDate(join(folder, 'initramfs'), [INIT, import.meta.filename])) {
      makeInitramfs(folder);
    }
  }
}

function whole(folder: string, fill: (draft: string) => void): void {
  if (existsSync(folder)) return;
  const startMs = performance.now();
  mkdirSync(CACHE, { recursive: true });
  const draft = mkdtempSync(`${folder}.`);
  try {
    fill(draft);
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.log(`${basename(folder)}: fetched in ${seconds(performance.now() - startMs)}`);
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The mirror that this host installs from. */
function mirror(): string {
  const found = /^URIs: *(\S+)/m.exec(
    readFileSync('/etc/apt/sources.list.d/debian.sources', 'utf8'),
  );
  if (found === null) throw new Error('debian.sources names no mirror');
  return found[1]!;
}

function fetchUserland(draft: string): void {
  const include = `--include=${USERLAND_PACKAGES.join(',')}`;
  const source = `deb ${mirror()} ${USERLAND} main`;
  run(
    'mmdebstrap',
    '--quiet',
    '--variant=minbase',
    '--mode=root',
    include,
    USERLAND,
    draft,
    source,
  );
}

/** apt with state of its own in `folder`, for one suite. */
function aptOf(folder: string, suite: string): (command: string, ...args: string[]) => string {
  mkdirSync(join(folder, 'lists/partial'), { recursive: true });
  mkdirSync(join(folder, 'cache/archives/partial'), { recursive: true });
  const sources = join(folder, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
  const options = {
    'APT::Sandbox::User': 'root',
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::State::status': '/dev/null',
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
  };
  const given = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const apt = (command: string, ...args: string[]): string =>
    execFileSync(command, ['-qq', ...given, ...args], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  apt('apt-get', 'update');
  return apt;
}

function fetchKernel({ suite, image }: Kernel, draft: string): void {
  const state = join(draft, 'apt');
  const apt = aptOf(state, suite);
  const depends = (name: string): string[] =>
    [...apt('apt-cache', 'depends', name).matchAll(/Depends: (linux-\S+)/g)].map(([, one]) => one!);
  const newest = depends(image).find((name) => name.startsWith('linux-image-'))!;
  const release = newest.slice('linux-image-'.length);
  // Newer packages are in parts: linux-binary has the kernel, linux-modules the modules.
  const parts = depends(newest).filter((name) => name.endsWith(`-${release}`));
  apt('apt-get', 'download', newest, ...parts);
  const tree = join(draft, 'tree');
  mkdirSync(tree);
  for (const name of readdirSync(state).filter((one) => one.endsWith('.deb'))) {
    run('dpkg', '-x', join(state, name), tree);
  }
  rmSync(state, { recursive: true });
  mergeLib(tree);
  run('depmod', '-b', tree, release);
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

/** Busybox, the modules that reach the host's folders, and init. */
function makeInitramfs(folder: string): void {
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
    copyFileSync('/bin/busybox', join(work, 'bin/busybox'));
    copyFileSync(INIT, join(work, 'init'));
    run('chmod', '+x', join(work, 'init'));
    const tree = join(folder, 'tree');
    const order = run(
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
