import type { Metadata } from '@grpc/grpc-js';
import { institutionV1 } from '@finality/contracts';
import { type FieldError, fieldError, type Role } from '@finality/kernel';
import { makeApiKey } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { ROLES } from '../store/messages.ts';
import { showApiKey } from './api-key-view.ts';
import { checkIdempotencyKey, checkInstitutionId, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

const LABEL_MAX = 128;

/** The secret is in the first answer and nowhere else. */
@Controller()
export class IssueApiKeyRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'issueApiKey')
  async handle(
    request: institutionV1.IssueApiKeyRequest,
    metadata: Metadata,
    call: object,
  ): Promise<institutionV1.IssueApiKeyResponse> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { institutionId, label, idempotencyKey } = request;
    const roles = request.roles.map(roleName).filter((role) => role !== undefined);
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkRoles(request.roles, roles),
      checkOwner(institutionId, roles),
      checkText('label', label, 0, LABEL_MAX),
    );
    const { keyId, apiKey, secretSha256 } = makeApiKey(this.#gateway.env.runtime);
    const key = { keyId, institutionId, roles, label, secretSha256: Buffer.from(secretSha256).toString('hex') };
    const decided = await this.#gateway.decide({ type: 'issue_api_key', key }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'IssueApiKey',
      key: idempotencyKey,
      resourceId: keyId,
      fields: { version: '1', institution_id: institutionId, roles: roles.join(','), label },
    });
    if ('repeated' in decided) return { apiKey: await showApiKey(this.#gateway, decided.repeated), secret: '' };
    return { apiKey: await showApiKey(this.#gateway, keyId), secret: apiKey };
  }
}

function roleName(role: institutionV1.Role): Role | undefined {
  return (Object.keys(ROLES) as Role[]).find((name) => ROLES[name] === role);
}

function checkRoles(asked: readonly institutionV1.Role[], known: readonly Role[]): FieldError | undefined {
  if (asked.length === 0) return fieldError('roles', 'expected at least one role, got none');
  if (known.length !== asked.length || new Set(known).size !== known.length)
    return fieldError('roles', 'expected known roles, each once');
  // Whoever runs the platform is never one of those it serves.
  return known.includes('institution') && known.length > 1
    ? fieldError('roles', 'the institution role stands alone')
    : undefined;
}

function checkOwner(institutionId: string, roles: readonly Role[]): FieldError | undefined {
  if (roles.includes('institution')) return checkInstitutionId('institution_id', institutionId);
  return institutionId === ''
    ? undefined
    : fieldError('institution_id', 'expected none: only the institution role belongs to an institution');
}
