import { ApiObject } from 'cdk8s';
import { Construct } from 'constructs';
import type { CertificateIssuer } from '../environment.ts';
import type { ServiceTraits } from '../services.ts';

const DURATION = '2160h';
const RENEW_BEFORE = '720h';

/** The part of cert-manager.io/v1 Certificate that is used here. */
interface CertificateSpec {
  readonly secretName: string;
  readonly issuerRef: { readonly group: 'cert-manager.io'; readonly kind: string; readonly name: string };
  readonly uris: readonly string[];
  readonly usages: readonly ('digital signature' | 'server auth' | 'client auth')[];
  readonly privateKey: { readonly algorithm: 'ECDSA'; readonly size: 256; readonly rotationPolicy: 'Always' };
  readonly duration: string;
  readonly renewBefore: string;
}

/** What a service proves with who it is. Its peers go by the URI alone: names of hosts say nothing about who may ask for what. */
export class ServiceCertificate extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { traits, issuer, secretName }: { traits: ServiceTraits; issuer: CertificateIssuer; secretName: string },
  ) {
    super(scope, id);
    const spec: CertificateSpec = {
      secretName,
      issuerRef: { group: 'cert-manager.io', ...issuer },
      uris: [`spiffe://finality/${traits.name}`],
      usages: ['digital signature', 'server auth', 'client auth'],
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
      duration: DURATION,
      renewBefore: RENEW_BEFORE,
    };
    new ApiObject(this, 'certificate', {
      apiVersion: 'cert-manager.io/v1',
      kind: 'Certificate',
      metadata: { name: traits.name },
      spec,
    });
  }
}
