import { X509Certificate } from 'node:crypto';
import type { Worker } from '@finality/kernel';
import type { experimental } from '@grpc/grpc-js';
import type { Log } from '../logging/log.ts';
import { errorMessage } from '../startup-error.ts';
import { readTls, type TlsFiles, type TlsMaterial } from './tls.ts';

/** Short enough for certificates that live for an hour. */
const POLL_MS = 60_000;

/**
 * Who this process is to our other services, and by what it knows them: read again while it runs, so that renewed certificates hold for every connection that is made from then on, at
 * either end. Connections that are open stay. What can't be read, or doesn't belong together (it is being replaced), changes nothing.
 */
export class TlsIdentity implements experimental.CertificateProvider, Worker {
  readonly name = 'certificates';
  readonly pollMs = POLL_MS;
  /** Whoever stands by is called as well, and calls. */
  readonly onStandby = true;
  readonly #files: TlsFiles;
  readonly #log: Log;
  readonly #ofAuthorities = new Set<experimental.CaCertificateUpdateListener>();
  readonly #ofOwn = new Set<experimental.IdentityCertificateUpdateListener>();
  #material: TlsMaterial;

  /** @throws StartupError naming the file that can't be read, or when they don't belong together */
  constructor(files: TlsFiles, log: Log) {
    this.#files = files;
    this.#log = log;
    this.#material = readTls(files);
  }

  /** When its own certificate ends. */
  get endsAt(): Date {
    return new X509Certificate(this.#material.certificate).validToDate;
  }

  step(): Promise<'idle'> {
    let read: TlsMaterial;
    try {
      read = readTls(this.#files);
    } catch (error) {
      this.#log.error({ problem: errorMessage(error) }, 'certificates can’t be read again: those from before stay');
      return Promise.resolve('idle');
    }
    const { ca, certificate, key } = this.#material;
    if (read.ca.equals(ca) && read.certificate.equals(certificate) && read.key.equals(key))
      return Promise.resolve('idle');
    this.#material = read;
    for (const listener of this.#ofAuthorities) this.#tellAuthorities(listener);
    for (const listener of this.#ofOwn) this.#tellOwn(listener);
    this.#log.info({ endsAt: this.endsAt.toISOString() }, 'certificates were renewed');
    return Promise.resolve('idle');
  }

  /** Nothing that happens in the service makes files new. */
  onWake(): void {
    // Never.
  }

  // What gRPC asks of it. Each is told what there is, and again whenever that has changed: the first time once it has finished asking, since a server doesn't listen before.

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#ofAuthorities.add(listener);
    queueMicrotask(() => this.#tellAuthorities(listener));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#ofAuthorities.delete(listener);
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#ofOwn.add(listener);
    queueMicrotask(() => this.#tellOwn(listener));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#ofOwn.delete(listener);
  }

  #tellAuthorities(listener: experimental.CaCertificateUpdateListener): void {
    listener({ caCertificate: this.#material.ca });
  }

  #tellOwn(listener: experimental.IdentityCertificateUpdateListener): void {
    listener({ certificate: this.#material.certificate, privateKey: this.#material.key });
  }
}
