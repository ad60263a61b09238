import { readFileSync } from 'node:fs';
import { createSecureContext, type PeerCertificate } from 'node:tls';
import type { ServiceName } from '@finality/contracts';
import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js';
import { errorMessage, StartupError } from '../startup-error.ts';

/** What a service proves with who it is, and by what it knows the others. All PEM. */
export interface TlsFiles {
  /** Certificates of the authorities that our services' certificates come from. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface TlsMaterial {
  readonly ca: Buffer;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

const IDENTITY = /^URI:spiffe:\/\/finality\/([a-z-]+)$/;

/** How a certificate names a service of ours: a URI in its subject alternative names (https://spiffe.io). */
export const identityOf = (service: ServiceName): string => `spiffe://finality/${service}`;

/** @throws StartupError naming the file that can't be read, or when they don't belong together */
export function readTls(files: TlsFiles): TlsMaterial {
  const read = (file: string, variable: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      const message = `${variable}: can't read ${file}: ${errorMessage(error)}`;
      throw new StartupError('CONFIG_INVALID', message, 'Correct it and start again', { cause: error });
    }
  };
  const [ca, certificate, key] = [
    read(files.ca, 'TLS_CA_FILE'),
    read(files.certificate, 'TLS_CERT_FILE'),
    read(files.key, 'TLS_KEY_FILE'),
  ];
  try {
    // Refuses what isn't PEM, and a key that is another certificate's: gRPC would find out with the first call.
    createSecureContext({ ca, cert: certificate, key });
  } catch (error) {
    const message = `TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE: ${errorMessage(error)}`;
    throw new StartupError('CONFIG_INVALID', message, 'They are PEM files that belong together', { cause: error });
  }
  return { ca, certificate, key };
}

/** Nobody without a certificate of our authority gets as far as a handler. */
export function serverCredentials(own: experimental.CertificateProvider): ServerCredentials {
  return experimental.createCertificateProviderServerCredentials(own, own, true);
}

/** Talks to `peer` and to nobody else, even if it has a certificate of our authority. */
export function channelCredentials(own: experimental.CertificateProvider, peer: ServiceName): ChannelCredentials {
  const checkServerIdentity = (_host: string, presented: PeerCertificate): Error | undefined =>
    serviceOf(presented) === peer ? undefined : new Error(`the certificate isn't that of ${peer}`);
  return experimental.createCertificateProviderChannelCredentials(own, own, { checkServerIdentity });
}

/** The service that a certificate was made for; undefined for any other. */
export function serviceOf({ subjectaltname }: Partial<PeerCertificate>): string | undefined {
  const names = (subjectaltname ?? '').split(', ').flatMap((name) => IDENTITY.exec(name)?.[1] ?? []);
  return names.length === 1 ? names[0] : undefined;
}
