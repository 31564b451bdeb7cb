import type { BpfObject, Native, Watcher } from '../loader/native.ts';

/** Distributes the events of the one native watcher to those who own the descriptors. */
export class SocketHub {
  readonly #native: Native;
  readonly #watcher: Watcher;
  readonly #receivers = new Map<number, (bytes: Uint8Array) => void>();
  readonly #rings = new Map<number, () => void>();
  #sequence = 0;

  constructor(native: Native) {
    this.#native = native;
    this.#watcher = native.watch((fd, bytes) => {
      if (bytes === undefined) this.#rings.get(fd)?.();
      else this.#receivers.get(fd)?.(bytes);
    });
  }

  /** Of a request: never used twice, so an answer cannot be taken for that to another socket. */
  nextSequence(): number {
    // 0 is what notifications carry.
    this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
    return this.#sequence;
  }

  /** Takes over the descriptor of a netlink socket; empty bytes tell of lost messages. */
  add(fd: number, receive: (bytes: Uint8Array) => void): void {
    this.#receivers.set(fd, receive);
    this.#watcher.addSocket(fd);
  }

  /** Ends watching and closes the descriptor. */
  remove(fd: number): void {
    this.#receivers.delete(fd);
    this.#watcher.remove(fd);
    this.#native.closeFd(fd);
  }

  /** Calls back when a program has put something into the ring, which is empty again by then. */
  addRing(object: BpfObject, map: string, wake: () => void): void {
    this.#rings.set(this.#watcher.addRing(object, map), wake);
  }

  close(): void {
    for (const fd of [...this.#receivers.keys()]) this.remove(fd);
    this.#rings.clear();
    this.#watcher.close();
  }
}
