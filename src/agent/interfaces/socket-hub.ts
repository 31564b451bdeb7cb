import { getSystemErrorName } from 'node:util';
import { NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { BpfObject, Native, Watcher } from '../loader/native.ts';

export interface SocketReceiver {
  /** A message of the kernel's; empty bytes tell of lost messages. */
  receive(bytes: Uint8Array): void;
  /** So many messages came that the kernel has not sent, and were dropped. */
  refused(messages: number): void;
}

/** Distributes the events of the one native watcher to those who own the descriptors. */
export class SocketHub {
  readonly #native: Native;
  readonly #watcher: Watcher;
  readonly #sockets = new Map<number, SocketReceiver>();
  readonly #processes = new Map<number, () => void>();
  readonly #rings = new Map<number, () => void>();
  #sequence = 0;

  /** `onFailure` is called once, when events stop coming for good. */
  constructor(native: Native, onFailure: (error: NetobservError) => void) {
    this.#native = native;
    this.#watcher = native.watch((fd, bytes, refused) => {
      if (fd < 0) {
        onFailure(watchFailure(refused));
        return;
      }
      const socket = this.#sockets.get(fd);
      if (socket === undefined) {
        (this.#processes.get(fd) ?? this.#rings.get(fd))?.();
        return;
      }
      if (refused > 0) socket.refused(refused);
      if (bytes !== undefined) socket.receive(bytes);
    });
  }

  /** Of a request: never used twice, so an answer cannot be taken for that to another socket. */
  nextSequence(): number {
    // 0 is what notifications carry.
    this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
    return this.#sequence;
  }

  /** Takes over the descriptor of a netlink socket. */
  add(fd: number, receiver: SocketReceiver): void {
    this.#sockets.set(fd, receiver);
    this.#watcher.addSocket(fd);
  }

  /** Ends watching and closes the descriptor. */
  remove(fd: number): void {
    this.#sockets.delete(fd);
    this.#processes.delete(fd);
    this.#watcher.remove(fd);
    this.#native.closeFd(fd);
  }

  /** Tells, once, of the end of a process that is there; throws when it is not any more. */
  addProcess(pid: number, onEnd: () => void): Disposable {
    const fd = this.#native.openProcess(pid);
    this.#processes.set(fd, onEnd);
    this.#watcher.addProcess(fd);
    return {
      [Symbol.dispose]: () => {
        // The number may be another one's when everything was closed before.
        if (this.#processes.get(fd) === onEnd) this.remove(fd);
      },
    };
  }

  /** Calls back when a program has put something into the ring, which is empty again by then. */
  addRing(object: BpfObject, map: string, wake: () => void): void {
    this.#rings.set(this.#watcher.addRing(object, map), wake);
  }

  close(): void {
    for (const fd of [...this.#sockets.keys(), ...this.#processes.keys()]) this.remove(fd);
    this.#rings.clear();
    this.#watcher.close();
  }
}

function watchFailure(errno: number): NetobservError {
  const name = getSystemErrorName(-errno);
  const message = `the thread that waits for messages of the kernel has ended: ${name}`;
  return new NetobservError(AGENT_ERRORS.watch, message, { details: { errno } });
}
